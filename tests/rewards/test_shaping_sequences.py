"""What every reward with memory promises, whatever it computes."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from envreward.rewards import (
    Clip,
    Delta,
    Ensemble,
    Flow,
    FunctionReward,
    GatedAccumulation,
    KinestheticCombination,
    Level,
    Memory,
    Milestones,
    MinForm,
    PenalisedProgress,
    Potential,
    PotentialShaping,
    PreferenceAsReward,
    RewardOutput,
    SequenceReward,
    VeRPO,
    WeightedSum,
)
from envreward.rewards.machines import RewardMachine, Transition
from envreward.rewards.novelty import EpisodicCount, EpisodicElliptical

TESTS, GROUPS = 3, 2


def _half(progress: Tensor) -> RewardOutput:
    return RewardOutput(progress / 2, {"half": progress / 2})


HALF = FunctionReward(("progress",), _half)
ONCE = Milestones(weights=(1.0, 0.5, 0.25), base=HALF, misuse={"action_failed": -0.02})
MIN_FORM = MinForm(base="progress", temperature=0.2)
MACHINE = RewardMachine(
    predicates={"far": "progress > 0.5", "good": "outcome", "all": "|milestones| > 1.5"},
    transitions=(
        Transition(source="begun", target="far", when="far & !good", reward=1.0),
        Transition(source="far", target="begun", when="!far", reward=-0.5),
        Transition(source="far", target="done", when="good | all", reward=3.0),
    ),
    start="begun",
    ends=("done",),
    shaping="value",
)
REWARDS: dict[str, SequenceReward] = {
    "preference as reward": PreferenceAsReward(base=ONCE, references=(0.5, MIN_FORM, "outcome")),
    "clip": Clip(base=ONCE, threshold=0.5),
    "delta": Delta(base=ONCE, start=0.5),
    "min-form": MIN_FORM,
    "min-form of milestones": MinForm(base=ONCE, temperature=1e-3),
    "penalised progress": PenalisedProgress(
        progress=Delta(base="progress"), factors={"action_failed": 0.5}, multipliers=("outcome",), terminal=-1.0
    ),
    "kinesthetic combination": KinestheticCombination(parts={"a": MIN_FORM, "b": "progress"}),
    "ensemble": Ensemble(members=(*[ONCE] * 10, MIN_FORM, Delta(base="progress")), combine="mean_minus_std"),
    "weighted sum": WeightedSum(parts={"a": ONCE, "b": MIN_FORM}, weights={"a": 2.0}),
    "reward machine": MACHINE,
    "episodic count": EpisodicCount(fields=("progress", "milestones"), cell=0.25, buckets=64),
    "episodic elliptical": EpisodicElliptical(fields=("progress", "milestones"), size=4),
    "shaping of a field": PotentialShaping(potential="progress", gamma=0.9, base=HALF),
    "shaping of two fields": PotentialShaping(
        potential=Potential(parameters=("progress", "outcome"), function=lambda progress, outcome: progress + outcome),
        base=ONCE,
    ),
    "milestones": ONCE,
    "gated, paid on opening": GatedAccumulation(
        levels=(
            Level(name="outcome", reward="outcome", gate=1.0, weight=2.0),
            Level(name="milestones", reward=ONCE, gate=0.6),
            Level(name="format", reward="progress", weight=0.1),
        )
    ),
    "gated, paid at the end": GatedAccumulation(
        levels=(Level(name="outcome", reward="outcome", gate=1.0), Level(name="format", reward="progress")),
        paid="at_end",
    ),
    "verpo": VeRPO(tests=TESTS, outcome="outcome", gamma=0.95, beta=0.5),
    "verpo of several problems": VeRPO(
        tests=TESTS, outcome="outcome", group="problem", groups=GROUPS, centred=True, decay=1.0
    ),
}


class Steps(NamedTuple):
    flow: Flow
    state: dict[str, Tensor]

    def part(self, start: int, stop: int) -> Steps:
        flow = self.flow.each(lambda flags: flags[start:stop])
        return Steps(flow, {name: values[start:stop] for name, values in self.state.items()})


def draw_steps(seed: int, steps: int, worlds: int) -> Steps:
    """Steps of worlds that end and begin episodes at random; the first step begins one or not."""
    generator = torch.Generator().manual_seed(seed)

    def chance(p: float, *shape: int) -> Tensor:
        return torch.rand(steps, worlds, *shape, generator=generator) < p

    def number(*shape: int) -> Tensor:
        return torch.rand(steps, worlds, *shape, generator=generator).round(decimals=2)

    terminated = chance(0.15)
    truncated = chance(0.1) & ~terminated
    first = torch.cat([chance(0.5)[:1], (terminated | truncated)[:-1]])
    return Steps(
        Flow(first, terminated, truncated, truncated & chance(0.5)),
        {
            "progress": number(),
            "prev_progress": number(),
            "outcome": chance(0.3).float(),
            "prev_outcome": chance(0.3).float(),
            "milestones": chance(0.3, 3),
            "action_failed": chance(0.3),
            "test_status": chance(0.5, TESTS),
            "test_mask": chance(0.8, TESTS),
            "problem": torch.randint(GROUPS, (steps, worlds), generator=generator),
        },
    )


def evaluate(reward: SequenceReward, memory: Memory, steps: Steps) -> RewardOutput:
    return reward.over(steps.flow, memory, **{name: steps.state[name] for name in reward.parameters})


shapes = given(seed=st.integers(0, 2**32), steps=st.integers(1, 12), worlds=st.integers(1, 4), cut=st.floats(0.0, 1.0))
every = pytest.mark.parametrize("name", REWARDS)


@every
@shapes
@settings(max_examples=40, deadline=None)
def test_cut_in_two_it_pays_the_same(name: str, seed: int, steps: int, worlds: int, cut: float) -> None:
    """Two calls over the halves of a sequence give the rewards and the memory of one call over all of it."""
    reward, whole = REWARDS[name], draw_steps(seed, steps, worlds)
    memory, memory_of_two = reward.new_memory(worlds), reward.new_memory(worlds)
    once = evaluate(reward, memory, whole)
    middle = round(cut * steps)
    parts = [whole.part(0, middle), whole.part(middle, steps)]
    twice = [evaluate(reward, memory_of_two, part) for part in parts if len(part.flow.first)]
    torch.testing.assert_close(torch.cat([part.total for part in twice]), once.total)
    for key, values in once.components.items():
        torch.testing.assert_close(torch.cat([part.components[key] for part in twice]), values)
    for key, remembered in memory.items():
        torch.testing.assert_close(memory_of_two[key], remembered)


@every
def test_step_by_step_as_an_environment_does(name: str) -> None:
    """T calls of one step give the rewards of one call of T steps."""
    reward, whole = REWARDS[name], draw_steps(7, 30, 3)
    memory, stepped = reward.new_memory(3), reward.new_memory(3)
    totals = [evaluate(reward, stepped, whole.part(t, t + 1)).total for t in range(30)]
    torch.testing.assert_close(torch.cat(totals), evaluate(reward, memory, whole).total)


@every
def test_shapes_and_inputs(name: str) -> None:
    """Totals and components are [T, N] and finite; the fields and the flow are left alone."""
    reward, given_steps, kept = REWARDS[name], draw_steps(3, 9, 2), draw_steps(3, 9, 2)
    output = evaluate(reward, reward.new_memory(2), given_steps)
    assert output.components
    for values in (output.total, *output.components.values()):
        assert values.shape == (9, 2) and values.is_floating_point() and values.isfinite().all()
    for field, values in kept.state.items():
        assert torch.equal(given_steps.state[field], values), field
    assert all(torch.equal(a, b) for a, b in zip(given_steps.flow, kept.flow, strict=True))


@pytest.mark.parametrize("name", [name for name in REWARDS if not name.startswith("verpo")])
def test_worlds_do_not_meet(name: str) -> None:
    """A world's rewards are the same alone and among others; only VeRPO, which compares, is excepted."""
    reward, whole = REWARDS[name], draw_steps(11, 20, 4)
    together = evaluate(reward, reward.new_memory(4), whole).total
    for world in range(4):
        alone = Steps(
            whole.flow.each(lambda flags, world=world: flags[:, world : world + 1]),
            {field: values[:, world : world + 1] for field, values in whole.state.items()},
        )
        torch.testing.assert_close(evaluate(reward, reward.new_memory(1), alone).total[:, 0], together[:, world])


@every
def test_it_says_where_it_comes_from(name: str) -> None:
    """Each is a `SequenceReward`, names its fields once and has a source."""
    reward: Any = REWARDS[name]
    assert isinstance(reward, SequenceReward) and reward.doc
    assert len(set(reward.parameters)) == len(reward.parameters)
