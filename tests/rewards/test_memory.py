"""Programs with memory: the form they must have, what they remember, and that the worker and this process agree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward import registry
from envreward.errors import ConfigError, RewardRejectedError, RewardRuntimeError
from envreward.fields import Field
from envreward.rewards.choice import choose_reward
from envreward.rewards.program import RewardProgram
from envreward.rewards.remembering import RememberingProgram, new_program_memory
from envreward.rewards.sequence import Flow, SequenceReward, evaluate_over
from envreward.rewards.states import collect_states, collect_steps
from envreward.rewards.trial import run_trial
from envreward.rewards.verify import verify
from envreward.rewards.worker import RewardWorker

MakeWorker = Callable[..., RewardWorker]

# Pays for each new height above all earlier ones of the episode, and counts steps and records.
RECORD = """
def compute_reward(torso_height, memory, torso_pos):
    best, steps = memory[:, 0], memory[:, 1]
    gain = torch.where(steps > 0, (torso_height - best).clamp(min=0.0), torch.zeros_like(best))
    new = memory.clone()
    new[:, 0] = torch.where(steps > 0, torch.maximum(best, torso_height), torso_height)
    new[:, 1] = steps + 1.0
    new[:, 2] = memory[:, 2] + (gain > 0).float()
    return gain, {"gain": gain, "steps": steps, "records": new[:, 2]}, new
"""
PAIR = "def compute_reward(torso_height{more}):\n    return {result}\n"


@pytest.fixture
def record(fields: Mapping[str, Field]) -> RewardProgram:
    """The program above, checked."""
    return RewardProgram.from_source(RECORD, fields)


def flow_of(first: Tensor) -> Flow:
    """Return the flow of episodes that begin at ``first`` ``[T, N]``."""
    none = torch.zeros_like(first)
    return Flow(first, none, none)


def test_memory_is_no_field(record: RewardProgram) -> None:
    """The fields that a program reads are named without `memory`, whose place among the parameters is kept."""
    assert record.parameters == ("torso_height", "torso_pos")
    assert record.remembers and record.memory_at == 1


def test_records_by_hand(record: RewardProgram) -> None:
    """Heights 1 2 1 5 pay 0 1 0 3; where an episode begins, all is forgotten."""
    heights = torch.tensor([[1.0, 4.0], [2.0, 6.0], [1.0, 3.0], [5.0, 9.0]])
    first = torch.tensor([[True, True], [False, False], [False, True], [False, False]])
    reward = RememberingProgram(record)
    memory = reward.new_memory(2)
    state = {"torso_height": heights, "torso_pos": torch.zeros(4, 2, 3)}
    output = evaluate_over(reward, flow_of(first), memory, state)
    assert output.total.tolist() == [[0.0, 0.0], [1.0, 2.0], [0.0, 0.0], [3.0, 6.0]]
    assert output.components["steps"].tolist() == [[0, 0], [1, 1], [2, 0], [3, 1]]
    assert memory["memory"][:, :3].tolist() == [[5.0, 4.0, 2.0], [9.0, 2.0, 1.0]]
    assert isinstance(reward, SequenceReward)


@settings(max_examples=25, deadline=None)
@given(steps=st.integers(1, 6), worlds=st.integers(1, 4), cut=st.integers(0, 6), seed=st.integers(0, 99))
def test_a_sequence_may_be_split(steps: int, worlds: int, cut: int, seed: int) -> None:
    """Rewards and memory of T steps are those of the first few and then of the rest."""
    program = RewardProgram.from_source(RECORD, {"torso_height": Field("H."), "torso_pos": Field("P.", shape=(3,))})
    reward = RememberingProgram(program)
    rng = torch.Generator().manual_seed(seed)
    state = {"torso_height": torch.rand(steps, worlds, generator=rng), "torso_pos": torch.zeros(steps, worlds, 3)}
    first = torch.rand(steps, worlds, generator=rng) < 0.3
    whole, parts = new_program_memory(worlds), new_program_memory(worlds)
    expected = reward.over(flow_of(first), whole, **state).total
    spans = [slice(0, cut), slice(cut, steps)] if 0 < cut < steps else [slice(0, steps)]
    found = [reward.over(flow_of(first[s]), parts, **{n: v[s] for n, v in state.items()}).total for s in spans]
    assert torch.equal(torch.cat(found), expected) and torch.equal(parts["memory"], whole["memory"])


def test_worker_and_process_agree(make_worker: MakeWorker, record: RewardProgram) -> None:
    """The worker's loop over time gives, in two messages, what this process gives, and its memory goes on."""
    worker, reward = make_worker(RECORD, capacity=60), RememberingProgram(record)
    rng = torch.Generator().manual_seed(0)
    memory = reward.new_memory(5)
    for _ in range(3):
        heights, first = torch.rand(12, 5, generator=rng), torch.rand(12, 5, generator=rng) < 0.2
        state = {"torso_height": heights, "torso_pos": torch.zeros(12, 5, 3)}
        expected = reward.over(flow_of(first), memory, **state)
        worker.inputs["torso_height"][:60], worker.first[:60] = heights.flatten(), first.flatten()
        worker.submit(60, 5)
        found = worker.result(10.0)
        assert torch.equal(found.total.view(12, 5), expected.total)
        assert torch.equal(found.components["records"].view(12, 5), expected.components["records"])
        assert torch.equal(worker.memory[:5], memory["memory"])


def test_a_call_that_fails_leaves_the_memory(make_worker: MakeWorker) -> None:
    """What was remembered before a failed call is still there after it."""
    worker = make_worker(
        "def compute_reward(torso_height, memory):\n    new = memory + 1.0\n"
        "    return torso_height, ({'a': torso_height} if len(torso_height) < 2 else 3), new\n"
    )
    worker.submit(3, 1)
    worker.result(10.0)
    assert worker.memory[0].tolist() == [3.0] * 16
    worker.submit(4, 2)
    with pytest.raises(RewardRuntimeError, match="not a dict"):
        worker.result(10.0)
    assert worker.memory[0].tolist() == [3.0] * 16
    with pytest.raises(ValueError, match="no whole number of steps"):
        worker.submit(5, 2)


def test_memory_that_is_not_finite(make_worker: MakeWorker) -> None:
    """Numbers that overflow in the memory alone are found, with their column."""
    worker = make_worker(
        "def compute_reward(torso_height, memory):\n    new = memory.clone()\n"
        "    new[:, 3] = 1.0 / (memory[:, 0] * 0.0)\n    return torso_height, {}, new\n"
    )
    worker.submit(2, 2)
    with pytest.raises(RewardRuntimeError, match=r"memory is not finite .* in column 3"):
        worker.result(10.0)


@pytest.mark.parametrize(
    ("more", "result", "words"),
    [
        ("", "torso_height, {}, torso_height", "must return (total, components). To keep"),
        (", memory", "torso_height, {}", "return three"),
        (", memory", "torso_height", ""),
    ],
)
def test_the_form_is_checked_before_anything_runs(
    more: str, result: str, words: str, fields: Mapping[str, Field]
) -> None:
    """Three results exactly where `memory` is taken; the refusal says what to do."""
    source = PAIR.format(more=more, result=result)
    if not words:  # a name may hold anything: seen when it runs
        program = RewardProgram.from_source(source, fields)
        with pytest.raises(RewardRuntimeError, match=r"not \(total, components, memory\)") as info:
            program.step(torch.zeros(2, 16), torso_height=torch.zeros(2))
        assert "drop `memory`" in info.value.fix
        return
    with pytest.raises(RewardRejectedError) as refused:
        RewardProgram.from_source(source, fields)
    if more:
        assert words in str(refused.value)
    else:
        assert "add the parameter `memory`" in refused.value.fix


@pytest.mark.parametrize(
    ("memory", "words"),
    [
        ("memory[:, :3]", r"memory has shape \[N, 3\], not \[N, 16\]"),
        ("memory > 0", "memory is bool, not float"),
        ("None", "memory is None, not a tensor"),
    ],
)
def test_unusable_memories_are_explained(memory: str, words: str, fields: Mapping[str, Field]) -> None:
    """A memory of the wrong shape or type says which, and how to build one."""
    program = RewardProgram.from_source(PAIR.format(more=", memory", result=f"torso_height, {{}}, {memory}"), fields)
    with pytest.raises(RewardRuntimeError, match=words):
        program.step(torch.zeros(2, 16), torso_height=torch.zeros(2))


def test_a_third_result_without_memory_says_what_is_missing(fields: Mapping[str, Field]) -> None:
    """What the text hides and only shows when it runs is explained as well."""
    source = "def compute_reward(torso_height):\n    x = (torso_height, {}, torso_height)\n    return x\n"
    program = RewardProgram.from_source(source, fields)
    with pytest.raises(RewardRuntimeError) as info:
        program(torso_height=torch.zeros(2))
    assert "parameter `memory`" in info.value.fix
    with pytest.raises(TypeError, match="step by step"):
        RewardProgram.from_source(RECORD, fields)(torso_height=torch.zeros(2), torso_pos=torch.zeros(2, 3))


def test_memory_cannot_be_written_into(fields: Mapping[str, Field]) -> None:
    """It is an input like any other; `memory += 1` makes a new one."""
    body = "def compute_reward(torso_height, memory):\n    {}\n    return torso_height, {{}}, memory\n"
    with pytest.raises(RewardRejectedError, match="may write into an input"):
        RewardProgram.from_source(body.format("memory[:, 0] = 1.0"), fields)
    program, before = RewardProgram.from_source(body.format("memory += 1.0"), fields), torch.zeros(3, 16)
    assert program.step(before, torso_height=torch.zeros(3)).memory.eq(1.0).all() and not before.any()


def test_trial_of_a_program_with_memory(fields: Mapping[str, Field], record: RewardProgram) -> None:
    """All its checks hold over sequences; a memory that is never used is remarked on, one that mixes worlds refused."""
    rng = torch.Generator().manual_seed(0)
    states = {"torso_height": torch.rand(40, generator=rng), "torso_pos": torch.zeros(40, 3)}
    first = torch.rand(8, 5, generator=rng) < 0.2
    first[0] = True
    trial = run_trial(record, fields, states, first=first)
    assert trial.components == ("gain", "steps", "records") and trial.rows == 40
    assert not [w for w in trial.warnings if "memory" in w]
    idle = RewardProgram.from_source(PAIR.format(more=", memory", result="torso_height, {}, memory"), fields)
    assert "memory is zero" in run_trial(idle, fields, states, first=first).warnings[-1]
    mixing = RewardProgram.from_source(
        "def compute_reward(torso_height, memory):\n    new = memory + torso_height.mean()\n"
        "    return memory[:, 0] + torso_height, {}, new\n",
        fields,
    )
    with pytest.raises(RewardRuntimeError, match="depends on the other states"):
        run_trial(mixing, fields, states, first=first)
    with pytest.raises(ValueError, match="where episodes begin"):
        run_trial(record, fields, states)


def test_steps_are_the_states_in_order() -> None:
    """Whole steps of worlds: the first of each is an episode's first, and the values are those of the states."""
    name = "pole_angle"
    steps = collect_steps("InvertedPendulum", [name, f"prev_{name}"], 100, seed=3)
    states = collect_states("InvertedPendulum", [name], 100, seed=3)
    assert steps.worlds == 32 and len(steps.first) == 128
    assert torch.equal(steps.values[name][:100], states[name])
    first, now = steps.first.view(4, 32), steps.values[name].view(4, 32)
    before = steps.values[f"prev_{name}"].view(4, 32)
    assert first[0].all()
    assert torch.equal(before[1:][~first[1:]], now[:-1][~first[1:]])


def test_verified_in_the_sandbox(tmp_path: Path) -> None:
    """A program with memory passes the verification beside one without, and is told apart."""
    count = (
        "def compute_reward(pole_angle, memory):\n    steps = memory[:, 0]\n    new = memory + 1.0\n"
        "    return steps - pole_angle.abs(), {'steps': steps}, new\n"
    )
    plain = "def compute_reward(pole_angle):\n    return -pole_angle.abs(), {}\n"
    sandbox = registry.find("sandboxes", "process")()
    found = verify({"count": count, "plain": plain}, "InvertedPendulum", sandbox, tmp_path)
    assert [(v.status, v.remembers, v.rows) for v in found.values()] == [("ok", True, 1024), ("ok", False, 1024)]
    assert found["count"].warnings == ()


def test_as_the_reward_of_an_environment(tmp_path: Path) -> None:
    """The path of a program with memory is a reward of sequences; what it remembers is forgotten with each episode."""
    from envreward.vector_env import make_vector_env

    path = tmp_path / "count.py"
    path.write_text("def compute_reward(time, memory):\n    return memory[:, 0] + 0 * time, {}, memory + 1.0\n")
    env = make_vector_env("InvertedPendulum", 2, reward=path, max_episode_steps=3)
    assert isinstance(env.reward_function, RememberingProgram)
    env.reset(seed=0)
    paid = [env.step(torch.zeros(2, 1))[1].tolist() for _ in range(7)]
    env.close()
    assert paid == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]] * 2 + [[0.0, 0.0]]


def test_the_name_is_reserved() -> None:
    """A field called `memory` is refused when a task is made, with the reason."""
    import envreward

    field = Field("A fact.", read=lambda worlds: worlds.obs[:, 0])
    with pytest.raises(ConfigError, match="memory"):
        envreward.wrap(
            "CartPole-v1", id="Test/M-v0", instruction="x.", fields={"memory": field}, success=lambda w: w.steps > 1
        )


def test_a_program_object_is_wrapped(record: RewardProgram) -> None:
    """A program with memory given as an object is run as a sequence as well."""
    from envreward.registry import make_task

    assert choose_reward(make_task("InvertedPendulum"), record) == RememberingProgram(record)
