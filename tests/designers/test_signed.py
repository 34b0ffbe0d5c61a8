"""Auto MC-Reward's combination: the sign of the sparse function counts 1, that of the dense one 0.1."""

from __future__ import annotations

import pytest
import torch

from envreward.designers.signed import signed_program
from envreward.errors import RewardParseError
from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.rewards.remembering import RememberingProgram
from envreward.rewards.sequence import Flow

FIELDS = {"near": Field("Nearness."), "event": Field("What happened."), "lost": Field("Lost.", dtype="bool")}
PLAIN = "def dense(near):\n    return near\n\ndef sparse(event):\n    return event\n"
REMEMBERS = """```python
def best_of(memory, near):
    return torch.maximum(memory[:, 0], near)

def sparse(event, lost):
    return event - lost.float()

def dense(near, memory):
    new = memory.clone()
    new[:, 0] = best_of(memory, near)
    return new[:, 0] - memory[:, 0], new
```"""


def test_fidelity_signs_by_hand() -> None:
    """R = 1 * sgn(sparse) + 0.1 * sgn(dense) (figure 1 of arXiv:2312.09238), whatever the numbers' sizes."""
    program = RewardProgram.from_source(signed_program(PLAIN), FIELDS)
    sparse = torch.tensor([5.0, 0.01, 0.0, 0.0, 0.0, -2.0, -9.0, 3.0])
    dense = torch.tensor([7.0, -0.2, 1e-6, 0.0, -40.0, 0.5, -0.1, 0.0])
    output = program(near=dense, event=sparse)
    assert output.total.tolist() == pytest.approx([1.1, 0.9, 0.1, 0.0, -0.1, -0.9, -1.1, 1.0])
    assert output.components["sparse"].tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, -1.0, -1.0, 1.0]
    assert output.components["dense"].tolist() == pytest.approx([0.1, -0.1, 0.1, 0.0, -0.1, 0.1, -0.1, 0.0])


def test_fidelity_memory_over_steps() -> None:
    """The dense function pays for getting nearer than ever in the episode, and the next episode begins anew."""
    program = RewardProgram.from_answer(signed_program(REMEMBERS), FIELDS)
    assert program.remembers and set(program.parameters) == {"near", "event", "lost"}
    near = torch.tensor([[1.0], [0.5], [2.0], [2.0], [1.0]])
    first = torch.tensor([[True], [False], [False], [False], [True]])
    flow = Flow(first, torch.zeros_like(first), torch.zeros_like(first))
    reward = RememberingProgram(program)
    lost = torch.tensor([[False], [False], [False], [True], [False]])
    output = reward.over(flow, reward.new_memory(1), near=near, event=torch.zeros(5, 1), lost=lost)
    assert output.total.flatten().tolist() == pytest.approx([0.1, 0.0, 0.1, -1.0, 0.1])


def test_sparse_alone_may_read_the_memory() -> None:
    """A memory that only the sparse function reads is passed on as it was."""
    source = "def dense(near):\n    return near\n\ndef sparse(event, memory):\n    return event + memory[:, 0]\n"
    program = RewardProgram.from_source(signed_program(source), FIELDS)
    memory = torch.ones(2, 16)
    output = program.step(memory, near=torch.zeros(2), event=torch.zeros(2))
    assert output.reward.total.tolist() == [1.0, 1.0] and torch.equal(output.memory, memory)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("def dense(near):\n    return near\n", "`sparse` is not defined"),
        ("I would pay for nearness.", "no"),
        (PLAIN + "\ndef compute_reward(near):\n    return near, {}\n", "is made for you"),
        ("def dense(*near):\n    return near\n\ndef sparse(event):\n    return event\n", "plain parameters"),
    ],
)
def test_answers_without_both_functions(answer: str, words: str) -> None:
    """What is missing is named, with how an answer must look."""
    with pytest.raises(RewardParseError, match=words):
        signed_program(answer)
