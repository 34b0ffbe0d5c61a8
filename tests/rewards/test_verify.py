"""Verification end to end: static check here, dry run on real states in the sandbox, one verdict per program."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from envreward import registry
from envreward.errors import SandboxError
from envreward.fields import Field, readable_fields
from envreward.registry import make_task
from envreward.rewards.states import collect_states
from envreward.rewards.verify import DryRun, Verdict, verify
from envreward.sandbox import Sandbox

ENV = "InvertedPendulum"


@pytest.fixture(scope="module")
def names() -> tuple[str, str]:
    """Two readable scalar fields of the task."""
    scalars = [n for n, f in readable_fields(make_task(ENV).fields).items() if f.shape == () and f.dtype == "float32"]
    return scalars[1], f"prev_{scalars[1]}"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    """The default sandbox where it works, else the one without isolation: verdicts are the same."""
    bubblewrap: Sandbox = registry.find("sandboxes", "bubblewrap")()
    return bubblewrap if bubblewrap.unavailable() is None else registry.find("sandboxes", "process")()


@pytest.fixture(scope="module")
def verdicts(names: tuple[str, str], sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Verdict]:
    """Verdicts on one program of each kind, all tried in one go."""
    x, previous = names
    head = f"def compute_reward({x}, {previous}):\n    x = {x}\n"
    bodies = {
        "good": f'    return x - {previous}, {{"now": x, "before": {previous}}}\n',
        "constant": f"    return torch.ones_like(x), {{'x': x, 'none': 0.0 * {previous}}}\n",
        "hangs": "    for i in range(9999):\n        for j in range(9999):\n            x = x + 1\n    return x, {}\n",
        "hoards": "    y = torch.zeros(10 ** 9)\n    return x, {}\n",
        "mixes": "    return x - x.mean(), {}\n",
        "any": "    return torch.where((x > 0).any(), x, -x), {}\n",
        "squeezes": "    return x.unsqueeze(-1).squeeze(), {}\n",
        "not finite": "    return torch.sqrt(x), {}\n",
        "raises": "    return x[:, 0], {}\n",
        "total only": "    return x\n",
    }
    answers = {key: f"Here you are:\n```python\n{head}{body}```" for key, body in bodies.items()}
    answers["no program"] = "I cannot."
    answers["rejected"] = "```python\nimport os\n" + head + "    return x, {}\n```"
    folder = tmp_path_factory.mktemp("verification")
    return verify(answers, ENV, sandbox, folder, DryRun(timeout_s=3.0, memory_bytes=2**28))


@pytest.mark.parametrize(
    ("key", "status", "words"),
    [
        ("good", "ok", ""),
        ("constant", "ok", ""),
        ("hangs", "timed_out", "3 s"),
        ("hoards", "crashed", "memory"),
        ("mixes", "failed", "depends on the other states"),
        ("any", "failed", "depends on the other states"),
        ("squeezes", "failed", "single one"),
        ("not finite", "failed", "not finite"),
        ("raises", "failed", "line 3"),
        ("total only", "failed", "not (total, components)"),
        ("no program", "unparsed", "no program"),
        ("rejected", "rejected", "import os"),
    ],
)
def test_each_program_ends_in_its_own_status(
    key: str, status: str, words: str, verdicts: Mapping[str, Verdict]
) -> None:
    """Each program gets the verdict it deserves, whatever the others in the same sandbox do."""
    assert verdicts[key].status == status, verdicts[key]
    assert words in verdicts[key].reason
    assert (verdicts[key].time_per_call_s is not None) == (status == "ok")


def test_verdicts_keep_their_order(verdicts: Mapping[str, Verdict]) -> None:
    """Verdicts come in the order of the answers."""
    assert list(verdicts)[:3] == ["good", "constant", "hangs"]
    assert list(verdicts)[-1] == "rejected"


def test_good_program_is_described(verdicts: Mapping[str, Verdict], names: tuple[str, str]) -> None:
    """A usable program's source, parameters, components and time per call are reported."""
    good = verdicts["good"]
    assert good.source is not None and good.source.startswith("def compute_reward")
    assert good.parameters == names
    assert good.components == ("now", "before")
    assert good.rows == 1024
    assert good.time_per_call_s is not None and 0 < good.time_per_call_s < 1
    assert good.warnings == ()


def test_constant_parts_are_doubted(verdicts: Mapping[str, Verdict]) -> None:
    """A total or component that never changes is no error, but it is said."""
    assert len(verdicts["constant"].warnings) == 2
    assert any("total is 1" in text for text in verdicts["constant"].warnings)


def test_every_breach_is_kept(tmp_path: Path, sandbox: Sandbox) -> None:
    """A rejected program's breaches are all in its verdict, and no sandbox is needed to find them."""
    verdict = verify({"a": "import os\ndef compute_reward(nope):\n    return 1, {}\n"}, ENV, sandbox, tmp_path)["a"]
    assert [v.line for v in verdict.violations] == [1, 2]
    assert list(tmp_path.iterdir()) == []


def test_broken_sandbox_is_no_programs_fault(tmp_path: Path, sandbox: Sandbox, names: tuple[str, str]) -> None:
    """If the dry run cannot even start, that is the sandbox's error and not the programs'."""
    program = f"def compute_reward({names[0]}):\n    return {names[0]}, {{}}\n"
    with pytest.raises(SandboxError, match="broke"):
        verify({"a": program}, ENV, sandbox, tmp_path, DryRun(wall_s=0.01))


def test_states_are_real_and_repeatable() -> None:
    """Collected states have the fields' shapes, follow one another, and are the same for the same seed."""
    fields: Mapping[str, Field] = make_task(ENV).fields
    wanted = list(readable_fields(fields))
    states = collect_states(ENV, wanted, 100, seed=3)
    again = collect_states(ENV, wanted, 100, seed=3)
    for name in wanted:
        assert states[name].shape == (100, *readable_fields(fields)[name].shape)
        assert states[name].equal(again[name])
    assert not states["action"].equal(collect_states(ENV, ["action"], 100, seed=4)["action"])
