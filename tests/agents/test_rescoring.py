"""Re-scoring: rewards over recorded rollouts are the rewards that the environment would have paid."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from counter_worlds import CounterTask
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward import registry
from envreward.agents.recording import RandomPolicy, oracle_policy, record_rollouts, rollouts_header
from envreward.agents.rescoring import Score, agreement, rescore, rescore_program
from envreward.agents.rescoring_job import RescoringJob, batches
from envreward.agents.rollout_file import RolloutFile
from envreward.agents.rollouts import Rollouts, read_rollouts
from envreward.errors import (
    RewardCrashError,
    RewardRejectedError,
    RewardRuntimeError,
    RewardTimeoutError,
    UnknownNameError,
)
from envreward.rewards.function import FunctionReward, RewardOutput
from envreward.rewards.program import RewardProgram
from envreward.rewards.remembering import RememberingProgram
from envreward.rewards.sequence import Flow, Memory
from envreward.rewards.shaping import PotentialShaping
from envreward.vector_env import make_vector_env
from envreward.world_vector_env import WorldVectorEnv

COUNTER = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"
PROGRAM = """
def compute_reward(value, target, prev_value, action_failed):
    left = (target - value).abs()
    gain = (target - prev_value).abs() - left
    return 0.7 * gain - 0.1 * action_failed.float() - 0.01 * left / 3.0, {"gain": gain, "left": left / 3.0}
"""


@pytest.fixture(scope="module")
def sandbox() -> Any:
    """The default sandbox where it works."""
    bubblewrap = registry.find("sandboxes", "bubblewrap")()
    return bubblewrap if bubblewrap.unavailable() is None else registry.find("sandboxes", "process")()


@pytest.fixture(scope="module")
def random_counter(tmp_path_factory: pytest.TempPathFactory) -> Rollouts:
    """Random episodes of the counter family."""
    return record(tmp_path_factory.mktemp("counter") / "r.jsonl", COUNTER, range(12))


def record(path: Path, env_id: str, seeds: Any, **options: Any) -> Rollouts:
    env = make_vector_env(env_id, min(4, len(seeds)), reward="none", **options)
    with RolloutFile(path, rollouts_header(env, "random")) as file:
        record_rollouts(env, RandomPolicy(env), file, [*seeds])
    env.close()
    return read_rollouts(path)


def paid(env_id: str, reward: Any, rollouts: Rollouts, **options: Any) -> list[torch.Tensor]:
    """Return what `env.step` pays in each recorded episode when its actions are taken again."""
    episodes = rollouts.episodes
    env = make_vector_env(env_id, len(episodes), reward=reward, **options)
    env.reset(seed=[e.seed for e in episodes])
    rewards = []
    for step in range(max(e.steps for e in episodes)):
        actions = [e.actions[min(step, e.steps - 1)] for e in episodes]
        rewards.append(env.step(torch.tensor(actions))[1].clone())
    env.close()
    stacked = torch.stack(rewards, 1)
    return [stacked[i, : e.steps] for i, e in enumerate(episodes)]


def approach(value: torch.Tensor, prev_value: torch.Tensor, target: torch.Tensor, success: Any) -> RewardOutput:
    gain = (target - prev_value).abs() / 3 - (target - value).abs() / 3
    return RewardOutput(gain * 0.99 + success.to(gain.dtype), {"gain": gain})


APPROACH = FunctionReward(("value", "prev_value", "target", "success"), approach)


@dataclasses.dataclass(frozen=True)
class Once:
    """Pays the first time that the counter is above zero, and at the end of an episode what it saw at its highest."""

    parameters: tuple[str, ...] = ("value",)

    def new_memory(self, num_worlds: int) -> Memory:
        return {"paid": torch.zeros(num_worlds, dtype=torch.bool), "high": torch.zeros(num_worlds)}

    def over(self, flow: Flow, memory: Memory, **state: torch.Tensor) -> RewardOutput:
        rewards = []
        for step, value in enumerate(state["value"]):
            first = flow.first[step]
            memory["paid"].masked_fill_(first, False)
            memory["high"].copy_(torch.where(first, value, torch.maximum(memory["high"], value)))
            now = (value > 0) & ~memory["paid"]
            memory["paid"] |= now
            rewards.append(now + torch.where(flow.last[step], memory["high"] / 7, torch.zeros_like(value)))
        total = torch.stack(rewards)
        return RewardOutput(total, {"all": total})


@settings(max_examples=12, deadline=None, derandomize=True)
@given(seeds=st.lists(st.integers(0, 2**62), min_size=1, max_size=6, unique=True), kind=st.integers(0, 3))
def test_what_the_environment_pays(tmp_path_factory: pytest.TempPathFactory, seeds: list[int], kind: int) -> None:
    """Property: any reward over recorded episodes is, number by number, what `env.step` pays for the same actions."""
    reward: Any = (APPROACH, Once(), PotentialShaping(potential="value", gamma=0.9, base=APPROACH), "sparse")[kind]
    rollouts = record(tmp_path_factory.mktemp("property") / "r.jsonl", COUNTER, seeds)
    own = CounterTask().sparse if reward == "sparse" else reward
    scores = rescore(rollouts, own)
    for score, expected in zip(scores, paid(COUNTER, reward, rollouts), strict=True):
        assert torch.equal(score.rewards, expected.to(score.rewards.dtype))
        assert score.rewards.dtype == expected.dtype


@pytest.mark.parametrize("env_id", ["Hopper", "InvertedPendulum", "HalfCheetah"])
def test_what_locomotion_pays(tmp_path: Path, env_id: str) -> None:
    """The expert and sparse rewards over recorded physics are those that the environment pays."""
    rollouts = record(tmp_path / "r.jsonl", env_id, [3, 4, 5], max_episode_steps=40)
    task = registry.make_task(env_id)
    for reward in filter(None, (task.expert, task.sparse)):
        scores = rescore(rollouts, reward)
        for score, expected in zip(scores, paid(env_id, reward, rollouts, max_episode_steps=40), strict=True):
            torch.testing.assert_close(score.rewards.double(), expected.double(), rtol=1e-9, atol=1e-12)


def test_a_program_in_the_sandbox(tmp_path: Path, random_counter: Rollouts, sandbox: Any) -> None:
    """A program, in several calls, gives what it gives in the environment, with its components."""
    program = RewardProgram.from_source(PROGRAM, random_counter.header.fields)
    scores = rescore_program(random_counter, program, sandbox, tmp_path, RescoringJob(rows=16))
    (tmp_path / "reward.py").write_text(PROGRAM)
    expected = paid(COUNTER, tmp_path / "reward.py", random_counter)
    assert [s.episode.seed for s in scores] == [e.seed for e in random_counter.episodes]
    for score, rewards in zip(scores, expected, strict=True):
        torch.testing.assert_close(score.rewards, rewards, rtol=1e-6, atol=1e-7)
        assert list(score.components) == ["gain", "left"]
        gained = score.episode.facts["value"]
        assert float(score.components["gain"].sum()) == pytest.approx(
            float(abs(score.episode.facts["target"][0]) - abs(score.episode.facts["target"][0] - gained[-1]))  # type: ignore[operator, arg-type]
        )


FAULTY: dict[str, tuple[str, type[Exception], str]] = {
    "mixes worlds": ("return value - value.mean(), {}", RewardRuntimeError, "depends on the other states"),
    "never ends": ("return sum(value for i in range(10**9)), {}", RewardTimeoutError, "did not answer within"),
    "eats memory": ("return torch.zeros(10**9, 4).sum() + value, {}", RewardCrashError, "memory|died"),
}


@pytest.mark.parametrize("kind", FAULTY)
def test_faulty_programs(tmp_path: Path, random_counter: Rollouts, sandbox: Any, kind: str) -> None:
    """A program that fails, hangs or eats memory is ended in the sandbox and named for what it did."""
    body, error, words = FAULTY[kind]
    program = RewardProgram.from_source(f"def compute_reward(value):\n    {body}\n", random_counter.header.fields)
    job = RescoringJob(timeout_s=1.0 if kind == "never ends" else 10.0)
    with pytest.raises(error, match=words):
        rescore_program(random_counter, program, sandbox, tmp_path, job)


SUM = """
def compute_reward(value, target, memory):
    left = (target - value).abs().float()
    best = torch.where(memory[:, 1] > 0, torch.minimum(memory[:, 0], left), left)
    new = torch.cat([best.unsqueeze(1), memory[:, 1:2] + 1.0, memory[:, 2:]], dim=1)
    return memory[:, 0] - best, {"steps": new[:, 1]}, new
"""


@pytest.mark.parametrize("rows", [8192, 7])
def test_a_program_with_memory_in_the_sandbox(
    tmp_path: Path, random_counter: Rollouts, sandbox: Any, rows: int
) -> None:
    """Each episode begins with an empty memory, however many of them are run side by side."""
    program = RewardProgram.from_source(SUM, random_counter.header.fields)
    (tmp_path / "job").mkdir()
    scores = rescore_program(random_counter, program, sandbox, tmp_path / "job", RescoringJob(rows=rows))
    expected = rescore(random_counter, RememberingProgram(program))
    assert len(scores) == len(random_counter.episodes) == len(expected)
    for score, trusted in zip(scores, expected, strict=True):
        assert score.episode is trusted.episode
        assert torch.allclose(score.rewards, trusted.rewards)
        assert score.components["steps"].tolist() == [*range(1, score.episode.steps + 1)]


def test_episodes_side_by_side_are_all_there_once() -> None:
    """Batches keep the order of episodes, hold each once, and stay within the rows where one episode allows it."""
    lengths = [3, 1, 4, 1, 5, 9, 2]
    found = batches(lengths, 10)
    assert [span.length for batch in found for span in batch] == lengths
    assert [span.start for batch in found for span in batch] == [0, 3, 4, 8, 9, 14, 23]
    assert [[span.length for span in batch] for batch in found] == [[3, 1], [4, 1], [5], [9], [2]]


def test_programs_see_public_fields_alone(random_counter: Rollouts) -> None:
    """Private, unknown and text fields are refused before anything runs, with near matches."""
    fields = random_counter.header.fields
    for name, words in (("success", "not a field"), ("valu", "Did you mean value"), ("shown", "holds text")):
        with pytest.raises(RewardRejectedError, match=words):
            RewardProgram.from_source(f"def compute_reward({name}):\n    return {name} * 1.0, {{}}\n", fields)


def test_nothing_private_enters_the_sandbox(tmp_path: Path, random_counter: Rollouts, sandbox: Any) -> None:
    """What lies in the sandbox's folder are the fields that the program names, and no others."""
    from safetensors.torch import load_file

    program = RewardProgram.from_source(PROGRAM, random_counter.header.fields)
    rescore_program(random_counter, program, sandbox, tmp_path)
    assert set(load_file(tmp_path / "states.safetensors")) == {"value", "target", "prev_value", "action_failed"}
    assert "success" not in (tmp_path / "job.json").read_text()


def test_trusted_rewards_may_read_text(random_counter: Rollouts) -> None:
    """A function over a text field gets the texts; one over sequences gets them step by step."""

    def length(shown: Any) -> RewardOutput:
        total = torch.tensor([float(len(text)) for text in shown])
        return RewardOutput(total, {})

    scores = rescore(random_counter, FunctionReward(("shown",), length))
    assert [s.rewards.tolist() for s in scores] == [
        [float(len(text)) for text in s.episode.facts["shown"][1:]] for s in scores
    ]

    class Longest:
        """Pays the length of the longest text of an episode so far."""

        parameters = ("shown",)

        def new_memory(self, num_worlds: int) -> Memory:
            return {"longest": torch.zeros(num_worlds)}

        def over(self, flow: Flow, memory: Memory, **state: Any) -> RewardOutput:
            rewards = []
            for first, texts in zip(flow.first, state["shown"], strict=True):
                now = torch.tensor([float(len(text)) for text in texts])
                memory["longest"] = torch.where(first, now, torch.maximum(memory["longest"], now))
                rewards.append(memory["longest"])
            return RewardOutput(torch.stack(rewards), {})

    for score in rescore(random_counter, Longest()):
        lengths = torch.tensor([len(text) for text in score.episode.facts["shown"][1:]])
        assert score.rewards.tolist() == lengths.cummax(0).values.tolist()
    with pytest.raises(UnknownNameError, match="did you mean 'value'"):
        rescore(random_counter, FunctionReward(("valeu",), length))
    nan = FunctionReward(("value",), lambda value: RewardOutput(value / 0.0, {}))
    with pytest.raises(RewardRuntimeError, match="not finite"):
        rescore(random_counter, nan)


def test_what_could_not_be_measured_is_not_zero(random_counter: Rollouts) -> None:
    """Steps that a judge leaves out have no reward, their episodes no return, and neither counts in the agreement."""

    def judged(value: Any) -> RewardOutput:
        missing = value == 4.0
        total = torch.where(missing, torch.nan, value)
        return RewardOutput(total, {"missing": missing.float()})

    scores = rescore(random_counter, FunctionReward(("value",), judged))
    unmeasured = [s for s in scores if 4.0 in s.episode.facts["value"][1:]]
    assert 0 < len(unmeasured) < len(scores)
    assert all((s.episode_return is None) == (s in unmeasured) for s in scores)
    assert agreement(scores).episodes == len(scores) - len(unmeasured)
    silent = FunctionReward(("value",), lambda value: RewardOutput(judged(value).total, {}))
    with pytest.raises(RewardRuntimeError, match="not finite"):
        rescore(random_counter, silent)


def test_agreement_with_fitness(tmp_path: Path) -> None:
    """A reward for success tells it perfectly, its negative not at all, a constant by chance; lost ones are out."""
    task = CounterTask()
    task.faults = (20,)
    env = WorldVectorEnv(task, 2, reward="none")
    oracle, random = oracle_policy(env), RandomPolicy(env)
    with RolloutFile(tmp_path / "r.jsonl", rollouts_header(env, "both")) as file:
        record_rollouts(env, oracle, file, range(4))
        record_rollouts(env, random, file, range(4, 8))
    rollouts = read_rollouts(tmp_path / "r.jsonl")
    lost = sum(e.outcome == "lost" for e in rollouts.episodes)
    assert lost and len({e.outcome for e in rollouts.episodes}) == 3

    def scores(make: Callable[[Any], torch.Tensor]) -> list[Score]:
        return rescore(rollouts, FunctionReward(("success",), lambda success: RewardOutput(make(success), {})))

    good = agreement(scores(lambda s: s.float()))
    assert good.episodes == 8 - lost and (good.pearson, good.spearman, good.auc) == pytest.approx((1.0, 1.0, 1.0))
    assert good.nonzero_steps == sum(e.outcome == "success" for e in rollouts.episodes)
    bad = agreement(scores(lambda s: -s.float()))
    assert (bad.pearson, bad.spearman, bad.auc) == pytest.approx((-1.0, -1.0, 0.0))
    flat = agreement(scores(lambda s: torch.zeros(len(s))))
    assert (flat.pearson, flat.spearman, flat.auc, flat.nonzero_steps) == (None, None, 0.5, 0)
