"""Layers: every import goes down, and the engine knows no concrete environment, designer or sandbox."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# From the top floor down; a module may import from its own floor and from floors below it.
FLOORS = [
    ["envreward.cli"],
    ["envreward.reports"],
    ["envreward.designers", "envreward.judging"],
    ["envreward.studies"],
    ["envreward.agents"],
    ["envreward.evaluation", "envreward.video"],
    ["envreward.training"],
    ["envreward.rewards.verify", "envreward.rewards.dryrun", "envreward.rewards.states"],
    ["envreward.sandboxes", "envreward.envs"],
    ["envreward.contract", "envreward.world_contract"],
    ["envreward.gym_env"],
    ["envreward.vector_env"],
    ["envreward.sim_vector_env", "envreward.world_vector_env", "envreward.gym_vector_env"],
    ["envreward.task_vector_env", "envreward.wrapping", "envreward.world_task"],
    ["envreward.gym_worlds"],
    ["envreward.registry", "envreward.episodes"],
    ["envreward.task"],
    ["envreward.rewards", "envreward.llm", "envreward.sandbox"],
    ["envreward.worlds"],
    [
        "envreward.task_spec",
        "envreward.fields",
        "envreward.sims",
        "envreward.noise",
        "envreward.rendering",
        "envreward.text_picture",
    ],
    ["envreward.child", "envreward.seccomp"],
    ["envreward.errors"],
]
CONCRETE = ("envreward.envs", "envreward.designers", "envreward.sandboxes")


def _modules() -> dict[str, Path]:
    modules = {}
    for top, prefix in (
        ("envreward", ""),
        ("envs", "envreward."),
        ("designers", "envreward."),
        ("sandboxes", "envreward."),
    ):
        for path in sorted((ROOT / top).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if top == "envreward" and len(parts) > 1 and parts[1] in ("envs", "designers", "sandboxes"):
                continue
            name = prefix + ".".join(parts)
            modules[name.removesuffix(".__init__")] = path
    return modules


def _floor(module: str) -> int | None:
    best: tuple[int, int] | None = None
    for level, prefixes in enumerate(FLOORS):
        for prefix in prefixes:
            if (module == prefix or module.startswith(prefix + ".")) and (best is None or len(prefix) > best[0]):
                best = (len(prefix), level)
    return best[1] if best else None


def _imports(module: str, path: Path) -> set[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            source = ".".join(filter(None, [base, node.module]))
            found |= {f"{source}.{alias.name}" for alias in node.names} | {source}
    return {name for name in found if name.startswith("envreward")}


MODULES = _modules()


@pytest.mark.parametrize("module", [m for m in MODULES if m != "envreward"])
def test_imports_go_down(module: str) -> None:
    """No module imports from a floor above its own."""
    own = _floor(module)
    assert own is not None, f"{module} stands on no floor: add it to FLOORS"
    for target in _imports(module, MODULES[module]):
        level = _floor(target)
        assert level is None or level >= own, f"{module} imports {target} from above"


@pytest.mark.parametrize("module", [m for m in MODULES if not m.startswith(CONCRETE)])
def test_engine_knows_no_concrete_part(module: str) -> None:
    """The engine reaches environments, designers and sandboxes through the registry alone."""
    assert not [t for t in _imports(module, MODULES[module]) if t.startswith(CONCRETE)]
