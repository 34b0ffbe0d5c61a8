"""What a program's call gives, and how its failures read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from envreward.errors import RewardCrashError, RewardRuntimeError
from envreward.fields import Field
from envreward.rewards.function import RewardFunction
from envreward.rewards.program import RewardProgram

HEIGHT = torch.tensor([0.5, 1.0, 2.0])


def _run(body: str, fields: Mapping[str, Field], parameters: str = "torso_height") -> object:
    state = {"torso_height": HEIGHT, "torso_pos": torch.ones(3, 3), "foot_contact": torch.ones(3, 2, dtype=torch.bool)}
    program = RewardProgram.from_source(f"def compute_reward({parameters}):\n    {body}\n", fields)
    return program(**{name: state[name] for name in program.parameters})


def test_values(fields: Mapping[str, Field]) -> None:
    """A program computes what its source says, worked out by hand."""
    source = """
def compute_reward(torso_height, action):
    total = -(torso_height - 1.0) ** 2
    total -= 0.5 * action.square().sum(-1)
    return total, {"height": torso_height}
"""
    program = RewardProgram.from_source(source, fields)
    assert isinstance(program, RewardFunction)
    assert program.parameters == ("torso_height", "action")
    output = program(torso_height=HEIGHT, action=torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 0.0]]))
    assert output.total.tolist() == [-0.25, -1.0, -3.0]
    assert output.components["height"].tolist() == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    "body",
    [
        "x = torso_height\n    x += 1\n    return x, {}",
        "x = torso_height\n    x *= 2\n    return x, {}",
        "d = {'a': torso_height}\n    d['a'] -= 1\n    return d['a'], d",
        "x = [torso_height]\n    x[0] += 1\n    return x[0], {}",
    ],
)
def test_augmented_assignment_leaves_inputs_alone(body: str, fields: Mapping[str, Field]) -> None:
    """``+=`` and its kin build new tensors, whatever name the input goes by."""
    before = HEIGHT.clone()
    _run(body, fields)
    assert torch.equal(before, HEIGHT)


def test_in_place_functions_refuse_at_run_time(fields: Mapping[str, Field]) -> None:
    """Functions that can write in place cannot be made to, even where the static check loses sight of them."""
    with pytest.raises(RewardRuntimeError, match="in place"):
        _run("f = F.relu\n    return f(torso_height, True), {}", fields)


@pytest.mark.parametrize(
    ("body", "line", "words"),
    [
        ("if torso_height > 1:\n        return torso_height, {}\n    return torso_height, {}", 2, "torch.where"),
        ("x = 1\n    return torso_pos + torso_height, {}", 3, "leading dimension|Reduce"),
        ("return torso_height[:, 0], {}", 2, "scalar field"),
        ("return {'a': torso_height}['b'], {}", 2, "key 'b' is missing"),
        ("return 1 - foot_contact[:, 0], {}", 2, "float"),
        ("return math.exp(torso_height), {}", 2, "torch.exp instead of math.exp"),
        ("assert False, 'no'\n    return torso_height, {}", 2, "AssertionError: no"),
        ("f = lambda: f()\n    return f(), {}", 2, "recursion"),
    ],
)
def test_exceptions_name_the_line(body: str, line: int, words: str, fields: Mapping[str, Field]) -> None:
    """What a program raises is reported with its own line, and with advice where there is any."""
    with pytest.raises(RewardRuntimeError, match=words) as info:
        _run(body, fields, "torso_pos, torso_height, foot_contact")
    assert info.value.line == line or "Reduce" in info.value.fix


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("x = torso_height\n    return x", r"not \(total, components\)"),
        ("x = torso_height, torso_height\n    return x", "not a dict"),
        ("return torso_height.sum(), {}", r"shape \[\], not \[N\]"),
        ("return torso_pos, {}", r"shape \[N, N\]|shape \[N, 3\]"),
        ("return 1.0, {}", "a float, not a tensor"),
        ("return torso_height > 1, {}", "bool, not float"),
        ("return torso_height, {'a': 0.0}", "component `a` is a float"),
        ("return torso_height, {'a': torso_pos}", "component `a` has shape"),
        ("return torso_height, {1: torso_height}", "component name"),
        ("return torso_height, {'a' + f'{1:64d}': torso_height}", "component name"),
        ("return torso_height, {f'c{i}': torso_height for i in range(40)}", "40 components"),
    ],
)
def test_unusable_results_are_explained(body: str, words: str, fields: Mapping[str, Field]) -> None:
    """A result that is not a number per world is refused with what it is, and how to make it one."""
    with pytest.raises(RewardRuntimeError, match=words) as info:
        _run(body, fields, "torso_height, torso_pos")
    assert info.value.fix


def test_memory_is_a_crash(fields: Mapping[str, Field]) -> None:
    """A program that asks for more memory than there is has crashed, not failed."""
    with pytest.raises(RewardCrashError, match="memory"):
        _run("return torch.zeros(10 ** 15) + torso_height[0], {}", fields)


def test_shadowed_import_is_a_stand_in(fields: Mapping[str, Field]) -> None:
    """Even past the static check, ``torch`` inside a program has nothing but the allowed names."""
    source = "def compute_reward(torso_height):\n    return torch.load('x'), {}\n"
    with pytest.raises(RewardRuntimeError, match="no attribute 'load'"):
        RewardProgram(source, ("torso_height",))(torso_height=HEIGHT)
    source = "def compute_reward(torso_height):\n    import os\n    return os.getpid(), {}\n"
    with pytest.raises(RewardRuntimeError, match="not allowed"):
        RewardProgram(source, ("torso_height",))(torso_height=HEIGHT)
    source = "def compute_reward(torso_height):\n    return open('x'), {}\n"
    with pytest.raises(RewardRuntimeError, match="open"):
        RewardProgram(source, ("torso_height",))(torso_height=HEIGHT)
