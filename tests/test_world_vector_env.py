"""Agentic worlds as vector environments: the contract, reports of what went wrong, and episodes lost to faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import pytest
import torch
from counter_worlds import Counter, CounterTask

import envreward
from envreward import contract
from envreward.errors import ConfigError
from envreward.gym_env import make_env
from envreward.rewards.function import RewardOutput
from envreward.rewards.sequence import Flow, Memory
from envreward.world_vector_env import WorldVectorEnv
from envreward.worlds import EachWorld, WorldBatch

COUNTER = f"{Path(__file__).with_name('counter_worlds.py')}:counter"
UP, DOWN = 1, 0


class Faulty(CounterTask):
    """Its worlds' machinery fails at given actions."""

    def __init__(self, *faults: tuple[int, ...]) -> None:
        super().__init__()
        self._faults = faults

    def open(self, num_worlds: int) -> WorldBatch[object]:
        return EachWorld([Counter(faults) for faults in self._faults])


@pytest.mark.parametrize("check", contract.CHECKS, ids=lambda c: c.__name__)
def test_contract(check: Callable[[str], None]) -> None:
    """Worlds of plain Python keep every promise that tasks make."""
    check(COUNTER)


def test_observation_is_context_mask_and_features() -> None:
    """An observation holds the context, which candidates exist, and their features, zeros where there are none."""
    env = WorldVectorEnv(CounterTask(), 1)
    obs, _ = env.reset(seed=3)
    assert obs[0, 3:5].tolist() == [1.0, 1.0]
    for _ in range(5):
        obs, *_ = env.step(torch.tensor([DOWN]))
    assert obs[0, 0].item() == pytest.approx(-1.0)
    target = float(env.board.value("target")[0])
    assert obs[0, 3:].tolist() == pytest.approx([1.0, 0.0, 1.0, (target + 5) / 5, 0.0, 0.0])


def test_step_reports_state_and_errors() -> None:
    """`info` holds the state's hash and why an action could not be taken, which leaves the world as it was."""
    env = WorldVectorEnv(CounterTask(), 2, max_episode_steps=100)
    env.reset(seed=0)
    *_, info = env.step(torch.tensor([UP, DOWN]))
    targets = [int(t) for t in env.board.value("target")]
    assert info["state_hash"] == [f"1/{targets[0]}", f"-1/{targets[1]}"]
    assert info["action_error"] == ["", ""] and info["infra_error"] == ["", ""]
    for _ in range(4):
        env.step(torch.tensor([DOWN, DOWN]))
    *_, info = env.step(torch.tensor([DOWN, UP]))  # the second world offers one candidate now
    assert info["action_error"][1] == "there is no candidate 1: 1 are offered"
    assert info["state_hash"][1] == f"-5/{targets[1]}"
    assert env.board.value("action_failed").tolist() == [False, True]


def test_single_environment_shows_the_same_info() -> None:
    """`gym.make`'s environment gives the first world's entries."""
    env = make_env(COUNTER)
    env.reset(seed=0)
    *_, info = env.step(1)
    assert isinstance(info["state_hash"], str) and info["action_error"] == ""


def test_fault_ends_the_episode_as_truncated_and_says_why() -> None:
    """A world whose machinery fails is cut off, flagged and begun anew; its neighbour goes on."""
    env = WorldVectorEnv(Faulty((2,), ()), 2)
    env.reset(seed=0)
    env.step(torch.tensor([DOWN, DOWN]))
    transition = env.advance(torch.tensor([DOWN, DOWN]))
    assert transition.faulted is not None and transition.faulted.tolist() == [True, False]
    assert transition.truncated.tolist() == [True, False] and not transition.terminated.any()
    assert env.fault_reason == "the counter's spring broke at action 2"
    assert env.elapsed.tolist() == [0, 2]
    *_, info = env.step(torch.tensor([UP, UP]))
    assert info["infra_error"] == ["", ""]


def test_world_that_cannot_be_reset_is_tried_again() -> None:
    """A failing reset is repeated; an episode that cannot begin is lost at its first step, and the batch goes on."""

    class Stubborn(Counter):
        left = 2

        def reset(self, seed: int) -> None:
            from envreward.errors import InfraError

            if self.left:
                self.left -= 1
                raise InfraError("no counter to be had")
            super().reset(seed)

    class Dead(Stubborn):
        left = 10**9

    class Task(CounterTask):
        def open(self, num_worlds: int) -> WorldBatch[object]:
            return EachWorld([Stubborn(), Dead()])

    env = WorldVectorEnv(Task(), 2)
    env.reset(seed=0)
    transition = env.advance(torch.tensor([UP, UP]))
    assert transition.faulted is not None and transition.faulted.tolist() == [False, True]
    assert env.fault_reason == "no counter to be had"


def test_undeclared_and_unfitting_facts_are_named() -> None:
    """A world that states too little, or something else than declared, is told which field."""

    class Silent(Counter):
        def facts(self) -> dict[str, object]:
            return {name: fact for name, fact in super().facts().items() if name != "shown"}

    class Odd(Counter):
        def facts(self) -> dict[str, object]:
            return {**super().facts(), "value": "five"}

    for world, message in ((Silent, "no fact 'shown'"), (Odd, "fact value does not fit")):

        class Task(CounterTask):
            def open(self, num_worlds: int, world: type[Counter] = world) -> WorldBatch[object]:
                return EachWorld([world()])

        with pytest.raises(ConfigError, match=message):
            WorldVectorEnv(Task(), 1).reset(seed=0)


def test_threads_give_the_same_results() -> None:
    """Worlds that act in threads of their own end up where they end up one after another."""

    class Threaded(CounterTask):
        def open(self, num_worlds: int) -> WorldBatch[object]:
            return EachWorld([Counter() for _ in range(num_worlds)], threads=4)

    one, other = WorldVectorEnv(CounterTask(), 6), WorldVectorEnv(Threaded(), 6)
    assert torch.equal(one.reset(seed=5)[0], other.reset(seed=5)[0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(30):
        action = torch.randint(0, 2, (6,), generator=generator)
        for a, b in zip(one.step(action)[:4], other.step(action)[:4], strict=True):
            assert torch.equal(a, b)
    other.close()


def test_worlds_that_do_not_draw_themselves_show_their_words() -> None:
    """A world without a picture of its own is drawn as text, always of one size; other words give another picture."""
    env = WorldVectorEnv(CounterTask(), 2, render_mode="rgb_array")
    env.reset(seed=0)
    before = env.render()
    assert before is not None
    assert [picture.dtype.name for picture in before] == ["uint8", "uint8"]
    assert {picture.shape for picture in before} == {before[0].shape} and before[0].shape[2] == 3
    shown = env.worlds.describe(0)
    env.step(env.action_space.sample())
    after = env.render()
    assert after is not None and after[0].shape == before[0].shape
    assert (after[0] != before[0]).any() == (env.worlds.describe(0) != shown)
    env.close()


def test_registered_with_gymnasium() -> None:
    """An agentic task added under an id can be made by Gymnasium, one world and many."""
    task = CounterTask()
    task.spec = envreward.task_spec.TaskSpec(
        id="Tests/Counter-v0", family="tests", instruction="Count.", horizon=12, entry_point=""
    )
    envreward.registry.add_task(task)
    assert isinstance(gym.make_vec("Tests/Counter-v0", num_envs=3).unwrapped, WorldVectorEnv)
    assert gym.make("Tests/Counter-v0").action_space.n == 2


class Age:
    """Pays the number of the step in its episode."""

    parameters = ("value",)
    doc = "age"

    def new_memory(self, num_worlds: int) -> Memory:
        return {"age": torch.zeros(num_worlds)}

    def over(self, flow: Flow, memory: Memory, **state: torch.Tensor) -> RewardOutput:
        total = torch.empty(flow.first.shape)
        for t, first in enumerate(flow.first):
            memory["age"].masked_fill_(first, 0.0).add_(1)
            total[t] = memory["age"]
        return RewardOutput(total, {"ended": flow.last.to(torch.float32)})


def test_step_pays_rewards_that_remember() -> None:
    """`step` pays a reward with memory, which starts anew with each episode and is told of their ends."""
    env = WorldVectorEnv(CounterTask(), 3, reward=Age(), max_episode_steps=4)
    env.reset(seed=0)
    generator = torch.Generator().manual_seed(1)
    age = torch.zeros(3)
    for _ in range(20):
        action = torch.randint(0, 2, (3,), generator=generator)
        _, reward, terminated, truncated, info = env.step(action)
        age += 1
        assert torch.equal(reward.float(), age)
        ended = terminated | truncated
        assert torch.equal(info["reward_components"]["ended"].bool(), ended)
        age[ended] = 0.0


def test_fault_after_the_end_is_no_termination() -> None:
    """A world without autoreset whose machinery fails after its success is cut off, not terminated once more."""
    task = Faulty((7,))
    env = WorldVectorEnv(task, 1, autoreset=False)
    env.reset(seed=0)
    target = int(env.board.value("target")[0])
    transitions = [env.advance(torch.tensor([UP])) for _ in range(target)]
    assert transitions[-1].terminated.tolist() == [True]
    there_and_back = [DOWN, UP] * 4
    transitions += [env.advance(torch.tensor([move])) for move in there_and_back[: 6 - target]]
    if int(env.board.value("value")[0]) != target:
        env.worlds._worlds[0].faults = (8,)
        env.advance(torch.tensor([UP]))
    last = env.advance(torch.tensor([UP]))
    assert last.faulted is not None and last.truncated.tolist() == [True] and last.terminated.tolist() == [False]
