"""Rankings as models and people write them, and programs in their order."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from envreward.designers.ranking import complaint, in_order, read_ranking
from envreward.fields import Field
from envreward.rewards.program import RewardProgram

NAMES = ("reach", "calm", "upright pose")


@pytest.mark.parametrize(
    "answer",
    [
        "calm > reach > upright pose",
        "calm, reach, upright pose",
        "Calm comes first > because it must.\n\n**calm > reach > upright pose**",
        "1. calm\n2. `reach`\n3. upright pose",
        "Reasons.\n- calm\n- reach\n- upright pose.",
    ],
)
def test_ways_to_write_an_order(answer: str) -> None:
    """The last line, or the last lines, in any of the usual forms."""
    assert read_ranking(answer, NAMES) == ["calm", "reach", "upright pose"]
    assert complaint(answer, NAMES) is None


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("calm > reach > calm", "twice"),
        ("calm > reach", "upright pose is missing"),
        ("calm > reach > pose", "'pose' is none of"),
        ("", "missing"),
    ],
)
def test_orders_that_contradict_themselves(answer: str, words: str) -> None:
    """A name twice, missing or unknown is said in one line."""
    assert words in (complaint(answer, NAMES) or "")


@given(order=st.permutations(NAMES), mark=st.sampled_from([" > ", ", ", "\n"]))
def test_every_order_is_read_back(order: list[str], mark: str) -> None:
    """Written down and read, an order is the same."""
    assert read_ranking(mark.join(order), NAMES) == order


@pytest.mark.parametrize("memory", [False, True])
def test_a_program_in_another_order(memory: bool) -> None:
    """The same values under the same names, in the order asked for; a memory is passed through."""
    more, third = (", memory", ", memory + 1.0") if memory else ("", "")
    source = f'def compute_reward(x{more}):\n    unranked = 2 * x\n    return x, {{"a": x, "b b": unranked}}{third}\n'
    fields = {"x": Field("A number.")}
    program = RewardProgram.from_source(source, fields)
    ordered = RewardProgram.from_source(in_order(program, ["b b", "a"]), fields)
    x = torch.tensor([1.0, 2.0])
    if memory:
        output, remembered = ordered.step(torch.zeros(2, 16), x=x)
        assert remembered.eq(1.0).all()
    else:
        output = ordered(x=x)
    assert {name: values.tolist() for name, values in output.components.items()} == {"b b": [2.0, 4.0], "a": [1.0, 2.0]}
    assert [*output.components] == ["b b", "a"] and output.total.tolist() == [1.0, 2.0]
