"""``envreward doctor``: what works on this machine, found out by trying it."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import importlib.metadata
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

State: TypeAlias = Literal["ok", "missing", "optional"]

KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "GEMINI_API_KEY",
    "MISTRAL_API_KEY",
    "DEEPSEEK_API_KEY",
    "GROQ_API_KEY",
    "OPENROUTER_API_KEY",
    "AZURE_API_KEY",
)
_PROBE_S = 60.0
_MIN_FREE_BYTES = 1024**3

_RENDER = """
import mujoco, numpy
model = mujoco.MjModel.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom type='sphere' size='.5' rgba='1 0 0 1'/></worldbody></mujoco>")
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
renderer = mujoco.Renderer(model, 64, 64)
renderer.update_scene(data)
picture = renderer.render()
assert picture[32, 32, 0] > 60 and picture[0, 0, 0] < 60, "the picture is wrong"
"""


_VULKAN = """
import warnings
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sapien.render
sapien.render.RenderMaterial()
"""


@dataclass(frozen=True)
class Check:
    """One thing that works or not."""

    name: str
    state: State
    """``missing``: a design run needs it. ``optional``: absent, and only what ``detail`` says is lost."""
    detail: str
    fix: str = ""
    """The exact command that mends it."""


@dataclass(frozen=True)
class Command:
    """Say what works on this machine and how to mend what does not, by trying each thing.

    The exit code is 0 when everything that a design run needs works, else 1. Keys are never shown.
    """

    json: bool = False
    """Print JSON instead of a table."""

    def run(self) -> int:
        """Check everything, print what was found."""
        checks = examine()
        ready = all(check.state != "missing" for check in checks)
        if self.json:
            sys.stdout.write(_as_json(checks, ready) + "\n")
        else:
            show(checks, ready)
        return 0 if ready else 1


def examine() -> list[Check]:
    """Try everything; a probe that breaks says so and costs the others nothing."""
    probes = (*_NEEDED, _gpu, _warp, _physx, _rendering, _vulkan, _encoder, _docker, _browser, _extras, _keys)
    with concurrent.futures.ThreadPoolExecutor(len(probes)) as pool:
        return [check for found in pool.map(_guarded, probes) for check in found]


def _guarded(probe: Callable[[], Iterator[Check]]) -> list[Check]:
    try:
        return list(probe())
    except Exception as error:  # the boundary of each probe: a broken machine is what is being examined
        said = " ".join(str(error).split()) or type(error).__name__
        state: State = "missing" if probe in _NEEDED else "optional"
        return [Check(probe.__name__.strip("_"), state, f"the check itself failed: {said}")]


def _python() -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Check("Python", "ok" if good else "missing", version, "" if good else "install Python 3.11 or newer")


def _packages() -> Iterator[Check]:
    lacking = missing_requirements(None)
    if lacking:
        yield Check("packages", "missing", f"not installed: {', '.join(lacking)}", f"pip install {_quoted(lacking)}")
        return
    names = [f"{name} {importlib.metadata.version(name)}" for name in ("envreward", "gymnasium", "litellm")]
    yield Check("packages", "ok", ", ".join(names))


def missing_requirements(extra: str | None, package: str = "envreward") -> list[str]:
    """Return what ``package`` (with ``extra``) requires and is not installed in the required version."""
    from packaging.requirements import Requirement

    lacking = []
    for line in importlib.metadata.requires(package) or ():
        requirement = Requirement(line)
        applies = requirement.marker is None or requirement.marker.evaluate({"extra": extra or ""})
        if not applies or (extra is not None and requirement.marker is None):
            continue
        try:
            version = importlib.metadata.version(requirement.name)
        except importlib.metadata.PackageNotFoundError:
            lacking.append(str(requirement).partition(";")[0].strip())
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            lacking.append(f"{requirement.name}{requirement.specifier}")
        for nested in requirement.extras if requirement.name != package else ():
            lacking += missing_requirements(nested, requirement.name)
    return lacking


def _torch() -> Iterator[Check]:
    import torch

    cores, threads = available_cores(), torch.get_num_threads()
    yield Check("torch", "ok", f"{torch.__version__}, {threads} thread{'s' * (threads != 1)} by default")
    machine = os.cpu_count() or 1
    yield Check("CPU", "ok", f"{cores:g} of {machine} cores may be used" if cores != machine else f"{machine} cores")


def _gpu() -> Iterator[Check]:
    import torch

    if torch.cuda.is_available():
        yield Check("GPU", "ok", torch.cuda.get_device_name(0))
    else:
        yield Check("GPU", "optional", "none that torch can use: training runs on the CPU")


def _warp() -> Iterator[Check]:
    from envreward.sims import warp_status

    status = warp_status()
    if status.versions is None:
        lost = "not installed: MuJoCo's worlds are simulated on the CPU"
        yield Check("MuJoCo Warp", "optional", lost, 'pip install "envreward[warp]"')
    elif status.cuda is None:
        yield Check("MuJoCo Warp", "optional", f"{status.versions}; no CUDA device: it runs on the CPU, for tests only")
    else:
        yield Check("MuJoCo Warp", "ok", f"{status.versions}; simulates on {status.cuda}")


def available_cores(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return how many cores this process may use: its affinity, cut by a container's quota."""
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    try:  # version 2, then version 1
        if (cgroup / "cpu.max").is_file():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text().strip()
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text().strip()
    except (OSError, ValueError):
        return cores
    return cores if quota in ("max", "-1") else min(cores, int(quota) / int(period))


def _mujoco() -> Iterator[Check]:
    import mujoco

    try:
        import mujoco.batch
    except ImportError:
        yield Check("MuJoCo", "missing", f"{mujoco.__version__} has no batches", 'pip install "mujoco>=4.0"')
        return
    yield Check("MuJoCo", "ok", mujoco.__version__)


def _sandbox() -> Iterator[Check]:
    from envreward.registry import find
    from envreward.sandbox import Limits

    sandbox = find("sandboxes", "bubblewrap")()
    reason = sandbox.unavailable()
    if reason is None:
        with tempfile.TemporaryDirectory() as folder:
            argv = [sys.executable, "-c", "print('inside')"]
            process = sandbox.start(argv, workdir=Path(folder), limits=Limits(wall_s=_PROBE_S))
            code = process.wait(timeout_s=_PROBE_S)
            if code == 0 and "inside" in process.log_tail():
                yield Check("sandbox", "ok", "bubblewrap ran a program")
                return
            reason = f"bubblewrap ended with {code}: {process.log_tail(200).strip()}"
    fix = "apt-get install bubblewrap" if shutil.which("bwrap") is None else ""
    yield Check("sandbox", "missing", " ".join(reason.split()), fix)


def _docker() -> Iterator[Check]:
    from envreward.registry import find

    reason = find("sandboxes", "docker")().unavailable()
    if reason is None:
        yield Check("Docker", "ok", "an engine answers")
    else:
        lost = "not used without: --sandbox docker, repositories in containers"
        fix = "python -m envreward.sandboxes.docker_setup"
        yield Check("Docker", "optional", f"{' '.join(reason.split())} ({lost})", fix)


def _browser() -> Iterator[Check]:
    path = shutil.which(os.environ.get("ENVREWARD_CHROMIUM") or "chromium")
    if path is None:
        lost = "not found: web tasks in a real browser and MiniWoB++ need it"
        yield Check("Chromium", "optional", lost, "apt-get install chromium")
    else:
        yield Check("Chromium", "ok", path)


def _rendering() -> Iterator[Check]:
    works = {}
    for backend, package in (("egl", "libegl1 libgl1-mesa-dri"), ("osmesa", "libosmesa6")):
        environment = {**os.environ, "MUJOCO_GL": backend}
        argv = [sys.executable, "-c", _RENDER]
        try:
            run = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=_PROBE_S, check=False)
            reason = run.stderr.strip().splitlines()[-1] if run.returncode and run.stderr.strip() else ""
            works[backend] = run.returncode == 0
        except subprocess.TimeoutExpired:
            works[backend], reason = False, f"no picture within {_PROBE_S:.0f} s"
        detail = (
            "drew a picture"
            if works[backend]
            else f"{reason or 'crashed'} (one of EGL and OSMesa is enough for videos)"
        )
        yield Check(
            f"rendering, {'EGL' if backend == 'egl' else 'OSMesa'}",
            "ok" if works[backend] else "optional",
            detail,
            "" if works[backend] else f"apt-get install {package}",
        )


def _physx() -> Iterator[Check]:
    """Look for what ManiSkill's simulator needs on a GPU; nothing is said where it is not installed."""
    import torch

    if importlib.util.find_spec("sapien") is None:
        return
    name = "ManiSkill on a GPU"
    if not torch.cuda.is_available():
        yield Check(name, "optional", "no CUDA device: ManiSkill's worlds are simulated on the CPU")
        return
    libraries = sorted(Path.home().glob(".sapien/physx/*/libPhysXGpu_64.so"))
    if libraries:
        yield Check(name, "ok", f"PhysX's library for GPUs, {libraries[-1].parent.name}")
        return
    lost = "PhysX's library for GPUs is not there: the first use downloads it to ~/.sapien, which a sandbox cannot"
    fix = f'{sys.executable} -c "import sapien.physx; sapien.physx.enable_gpu()"'
    yield Check(name, "optional", lost, fix)


def _vulkan() -> Iterator[Check]:
    """Try what ManiSkill's simulator asks of the machine to draw; nothing is said where it is not installed."""
    if importlib.util.find_spec("sapien") is None:
        return
    argv = [sys.executable, "-c", _VULKAN]
    try:
        run = subprocess.run(argv, capture_output=True, text=True, timeout=_PROBE_S, check=False)
        works, said = run.returncode == 0, run.stderr.strip().splitlines()
    except subprocess.TimeoutExpired:
        works, said = False, [f"no answer within {_PROBE_S:.0f} s"]
    if works:
        yield Check("rendering, ManiSkill", "ok", "SAPIEN found a Vulkan device")
        return
    lost = "ManiSkill's physics, observations and rewards work; videos of it need a GPU's driver or Mesa 25's lavapipe"
    fix = "apt-get install libvulkan1 mesa-vulkan-drivers (on Debian 12: -t bookworm-backports)"
    yield Check("rendering, ManiSkill", "optional", f"{said[-1] if said else 'crashed'} ({lost})", fix)


def _encoder() -> Iterator[Check]:
    import imageio_ffmpeg  # type: ignore[import-untyped]

    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
        said = subprocess.run(
            [program, "-encoders"], capture_output=True, text=True, timeout=_PROBE_S, check=False
        ).stdout
    except (RuntimeError, OSError):
        said = ""
    if "libx264" in said:
        yield Check("video encoder", "ok", f"ffmpeg {imageio_ffmpeg.get_ffmpeg_version()} with H.264")
    else:
        yield Check(
            "video encoder",
            "optional",
            "no ffmpeg with H.264: no videos",
            "pip install --force-reinstall imageio-ffmpeg",
        )


def _folders() -> Iterator[Check]:
    from envreward.studies.baselines import cache_root
    from envreward.studies.folder import RUNS_VARIABLE, runs_root

    wanted = (
        ("runs folder", runs_root(), f"export {RUNS_VARIABLE}=/a/folder/you/own"),
        ("baseline cache", cache_root(), "export ENVREWARD_CACHE=/a/folder/you/own"),
    )
    for name, folder, fix in wanted:
        yield _writable(name, folder, fix)


def _writable(name: str, folder: Path, fix: str) -> Check:
    existing = folder.absolute()
    while not existing.exists():
        existing = existing.parent
    try:
        with tempfile.TemporaryFile(dir=existing) as file:
            file.write(bytes(4096))
    except OSError as error:
        return Check(name, "missing", f"cannot write in {existing}: {error.strerror}", fix)
    free = shutil.disk_usage(existing).free
    detail = f"{folder}, {free / 1024**3:,.0f} GiB free"
    return (
        Check(name, "ok", detail) if free >= _MIN_FREE_BYTES else Check(name, "missing", f"{detail}: too little", fix)
    )


def _extras() -> Iterator[Check]:
    about = {
        "sb3": "--trainer sb3:...",
        "track": "--track (Weights & Biases)",
        "classic": "CartPole and the like",
        "maniskill": "ManiSkill tasks",
        "metaworld": "Meta-World tasks",
        "warp": 'MuJoCo physics on a GPU: device="cuda"',
    }
    offered = importlib.metadata.metadata("envreward").get_all("Provides-Extra") or []
    for extra in offered:
        if extra in ("all", "dev"):
            continue
        lacking = missing_requirements(extra)
        use = about.get(extra, extra)
        if lacking:
            yield Check(f"extra {extra}", "optional", f"not installed: no {use}", f'pip install "envreward[{extra}]"')
        else:
            yield Check(f"extra {extra}", "ok", use)


def _keys() -> Iterator[Check]:
    present = [name for name in KEYS if os.environ.get(name)]
    if present:
        yield Check("language-model keys", "ok", f"set: {', '.join(present)}")
    else:
        detail = "none set: --designer evolve, --llm manual, replay:FILE and local models need none"
        yield Check("language-model keys", "optional", detail, "export OPENAI_API_KEY=...")


_NEEDED: tuple[Callable[[], Iterator[Check]], ...] = (_python, _packages, _torch, _mujoco, _sandbox, _folders)
"""What a design run cannot do without."""


def _quoted(requirements: list[str]) -> str:
    return " ".join(f'"{requirement}"' for requirement in requirements)


def _as_json(checks: list[Check], ready: bool) -> str:
    return json.dumps({"ready": ready, "checks": [dataclasses.asdict(check) for check in checks]}, indent=1)


def show(checks: list[Check], ready: bool) -> None:
    """Print what was found as a table, and last what it comes to."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    marks = {"ok": ("ok", "green"), "missing": ("MISSING", "bold red"), "optional": ("-", "yellow")}
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in checks:
        said = Text(check.detail)
        if check.fix:
            said.append(f"\n-> {check.fix}", style="cyan")
        table.add_row(Text(*marks[check.state]), check.name, said)
    console = Console(highlight=False)
    console.print(table)
    lacking = [check.name for check in checks if check.state == "missing"]
    console.print(
        Text("\nReady: everything a design run needs works.", style="green")
        if ready
        else Text(f"\nNot ready: {', '.join(lacking)} must be mended first.", style="bold red")
    )
