from __future__ import annotations

import pytest
import torch

ROBOTS = ("Hopper", "HalfCheetah", "Walker2d", "Ant", "Humanoid", "InvertedPendulum")


@pytest.fixture(params=ROBOTS)
def robot(request):
    """Name of each published task in turn."""
    return request.param


@pytest.fixture(autouse=True, scope="session")
def one_thread():
    torch.set_num_threads(1)
