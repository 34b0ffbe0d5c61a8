"""MuJoCo Warp in tests: where it runs, and kernels that compile quickly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(params=["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
def device(request):
    """The CPU, and a CUDA device where there is one."""
    return request.param


@pytest.fixture(scope="session")
def quick_kernels(tmp_path_factory):
    """Warp, told not to optimise: compiling takes half as long, and the tests' steps are few.

    Kernels are kept in the user's cache, so that only the first run compiles; where that cannot be written, in a
    folder that the processes of this run share.
    """
    import warp

    from envreward.errors import ConfigError
    from envreward.sims._warp import load_warp

    torch.set_num_threads(1)
    before = warp.config.optimization_level
    warp.config.optimization_level = 0
    with pytest.MonkeyPatch.context() as patch:
        try:
            load_warp()
        except ConfigError:
            patch.setenv("WARP_CACHE_PATH", str(Path(tmp_path_factory.getbasetemp()).parent / "warp"))
            load_warp()
        yield
    warp.config.optimization_level = before
