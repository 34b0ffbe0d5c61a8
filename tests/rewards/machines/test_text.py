"""Reward machines written as text."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from envreward.errors import RewardError, RewardParseError, RewardRejectedError
from envreward.fields import Field
from envreward.rewards import Flow
from envreward.rewards.machines import extract_machine, parse_machine, write_machine

GOOD = """
# Rise, then touch the ground with the first foot.
predicate high: torso_height > 1.5
predicate down: foot_contact[0]
predicate drifted: |torso_pos - prev_torso_pos| >= 0.5   # metres per step

start standing
end landed
standing -> flying: high & !drifted, reward 0.5
flying -> standing: drifted, reward -1e-1
flying -> landed: down & !high, reward 2
"""


def test_a_machine_is_read_and_runs(fields: Mapping[str, Field]) -> None:
    """The text above means what it says, comments and empty lines aside."""
    machine = parse_machine(GOOD, fields)
    assert machine.states == ("standing", "flying", "landed") and machine.ends == ("landed",)
    assert machine.parameters == ("torso_height", "foot_contact", "torso_pos", "prev_torso_pos")
    flags = torch.zeros(4, 1, dtype=torch.bool)
    total = machine.over(
        Flow(flags, flags, flags),
        machine.new_memory(1),
        torso_height=torch.tensor([[2.0], [2.0], [2.0], [1.0]]),
        foot_contact=torch.tensor([[[0, 1]], [[1, 0]], [[0, 0]], [[1, 0]]], dtype=torch.bool),
        torso_pos=torch.tensor([[[0.0, 0, 0]], [[0.4, 0.4, 0]], [[0, 0, 0]], [[0, 0, 0]]]),
        prev_torso_pos=torch.zeros(4, 1, 3),
    ).total
    assert total[:, 0].tolist() == pytest.approx([0.5, -0.1, 0.5, 2.0])


def test_written_and_read_again(fields: Mapping[str, Field]) -> None:
    """A machine's text reads to the same machine, to the last digit."""
    text = GOOD.replace("1.5", "1.23456789012").replace("reward 2", "reward 12345678.9")
    machine = parse_machine(text, fields, shaping="value", gamma=0.9)
    assert "high: torso_height > 1.23456789012\n" in write_machine(machine)
    again = parse_machine(write_machine(machine), fields, shaping="value", gamma=0.9)
    assert (again.transitions, again.start, again.ends) == (machine.transitions, machine.start, machine.ends)
    assert write_machine(again) == write_machine(machine)


@pytest.mark.parametrize(
    ("line", "text", "kind", "message"),
    [
        (3, "predicate high = torso_height > 1.5", RewardParseError, "cannot read"),
        (3, "predicate high: torso_height > tall", RewardParseError, "'tall' is not a finite number"),
        (3, "predicate high: torso_heigt > 1.5", RewardRejectedError, "did you mean 'torso_height'"),
        (3, "predicate high: success", RewardRejectedError, "unknown field 'success'"),
        (3, "predicate high: oracle_distance < 1", RewardRejectedError, "unknown field 'oracle_distance'"),
        (3, "predicate high: torso_pos > 1", RewardRejectedError, "is a vector of shape [3]"),
        (3, "predicate high: torso_pos[3] > 1", RewardRejectedError, "has no entry [3]"),
        (3, "predicate high: |torso_pos - action| > 1", RewardRejectedError, "different shapes"),
        (3, "predicate high: note == 1", RewardRejectedError, "field note is text"),
        (4, "predicate high: torso_height > 2", RewardParseError, "predicate 'high' already"),
        (8, "start flying", RewardParseError, "the start is 'standing' already"),
        (7, "end flying", RewardParseError, "no start"),
        (9, "end landed", RewardParseError, "the end 'landed' is there already"),
        (9, "standing -> flying: hihg, reward 1", RewardParseError, "unknown predicate 'hihg'; did you mean 'high'"),
        (9, "standing -> flying: high &, reward 1", RewardParseError, "ends where a name is expected"),
        (9, "standing -> flying: high, reward lots", RewardParseError, "the reward 'lots' is not a finite number"),
        (9, "standing -> flying high", RewardParseError, "cannot read"),
        (10, "landed -> flying: high", RewardParseError, "'landed' is an end"),
        (11, "flying -> landed: drifted", RewardParseError, "is never taken"),
        (11, "falling -> landed: down", RewardParseError, "no transition leads to 'falling'"),
    ],
)
def test_mistakes_have_a_line(
    fields: Mapping[str, Field], line: int, text: str, kind: type[RewardError], message: str
) -> None:
    """Each mistake is told in one line with the number of the line that is to blame and what to do."""
    lines = GOOD.splitlines()
    lines[line - 1] = text
    with pytest.raises(kind) as caught:
        parse_machine("\n".join(lines), fields)
    assert message in str(caught.value) and "\n" not in str(caught.value) and "?." not in str(caught.value)
    assert caught.value.line == (None if message == "no start" else line)


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"Two stages.\n\n```text\n{GOOD}```\nThat is all.",
        f"<think>```\nstart nowhere\n```</think>\n```\n{GOOD}",
        f"At first\n```text\nstart a\n```\nbut better\n~~~\n{GOOD}~~~\nfor\n```python\nprint()\n```",
    ],
)
def test_a_machine_is_found_in_an_answer(fields: Mapping[str, Field], answer: str) -> None:
    """The last block with a start is the machine, fences closed or not; text without blocks is it itself."""
    assert parse_machine(extract_machine(answer), fields).start == "standing"


def test_an_answer_without_a_machine_is_quoted(fields: Mapping[str, Field]) -> None:
    """What stands where a machine should be is said, as far as it goes."""
    with pytest.raises(RewardParseError, match=r"line 1: cannot read 'x = 1'\."):
        parse_machine(extract_machine("No idea.\n```python\nx = 1\n```"), fields)
    with pytest.raises(RewardParseError, match="no start"):
        parse_machine(extract_machine(""), fields)


def test_a_text_without_end_is_refused(fields: Mapping[str, Field]) -> None:
    """No language model's ramblings are read for ever."""
    with pytest.raises(RewardParseError, match="more than 500"):
        parse_machine("start a\n" * 1000, fields)
