"""A small family of agentic worlds for tests: a counter to be brought to a target, one step at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from envreward.errors import ActionError, InfraError
from envreward.fields import Field
from envreward.task_spec import TaskSpec
from envreward.world_task import FIRST, ORACLE, WorldTask, declare
from envreward.worlds import Candidates, CandidateShape, EachWorld, Tool, World, WorldBatch


@dataclass(frozen=True)
class Add:
    """Add a number to the counter."""

    amount: int


class Counter(World[Add]):
    """Starts at zero; succeeds at its target. ``faults``: total numbers of actions at which its machinery fails."""

    def __init__(self, faults: tuple[int, ...] = ()) -> None:
        self.faults, self.acted = faults, 0
        self.value = self.target = 0

    def reset(self, seed: int) -> None:
        self.value, self.target = 0, 2 + seed % 3

    def act(self, action: Add) -> None:
        self.acted += 1
        if self.acted in self.faults:
            raise InfraError(f"the counter's spring broke at action {self.acted}")
        if abs(self.value + action.amount) > 5:
            raise ActionError(f"the counter has no room for {self.value + action.amount}")
        self.value += action.amount

    def facts(self) -> Mapping[str, Any]:
        done = self.value == self.target
        return {
            "value": self.value,
            "target": self.target,
            "shown": f"{self.value} of {self.target}",
            "success": done,
            "failure": done,
            "fitness": float(done),
        }

    def state_hash(self) -> str:
        return f"{self.value}/{self.target}"

    def candidates(self) -> Candidates[Add]:
        actions = [Add(-1), Add(1)] if self.value > -5 else [Add(1)]
        features = np.array([[a.amount, a.amount * (self.target - self.value) / 5] for a in actions], np.float32)
        return Candidates(actions, features, np.array([self.value / 5, self.target / 5, 1.0], np.float32))

    def describe(self) -> str:
        return f"The counter shows {self.value}."

    @property
    def instruction(self) -> str:
        return f"Bring the counter to {self.target}."

    def oracle(self) -> Add:
        return Add(1 if self.value < self.target else -1)


def _add(amount: int) -> Add:
    if amount not in (-1, 1):
        raise ActionError(f"amount must be -1 or 1, got {amount}")
    return Add(amount)


class CounterTask(WorldTask):
    """Bring the counter to its target."""

    fields = declare(
        {
            "value": Field("What the counter shows."),
            "target": Field("What it should show."),
            "shown": Field("Both, as text.", dtype="str"),
            "success": Field("Whether the counter shows its target.", dtype="bool", role="flag", private=True),
            "failure": Field("Whether the episode ends: at success.", dtype="bool", role="flag", private=True),
            "fitness": Field("1 at the target, else 0.", private=True),
        }
    )
    candidate_shape = CandidateShape(choices=2, features=2, context=3)
    tools = (Tool("add", "Add -1 or 1.", {"amount": {"type": "integer"}}, _add),)
    success_doc = "The counter shows its target."
    fitness_doc = "1 if the counter ends at its target, else 0."
    behaviours = (ORACLE, FIRST)
    replayable = True
    faults: tuple[int, ...] = ()

    def __init__(self) -> None:
        super().__init__(
            TaskSpec(id="counter", family="tests", instruction="Bring it to its target.", horizon=12, entry_point="")
        )

    def open(self, num_worlds: int) -> WorldBatch[Add]:
        return EachWorld([Counter(self.faults) for _ in range(num_worlds)])


class ShapedTask(CounterTask):
    """The same with a progress field, which makes potential-based shaping possible."""

    fields: Mapping[str, Field] = {
        **CounterTask.fields,
        **declare({"progress": Field("How near the counter is to its target, in [0, 1].")}),
    }

    def open(self, num_worlds: int) -> WorldBatch[Add]:
        return EachWorld([ShapedCounter(self.faults) for _ in range(num_worlds)])


class ShapedCounter(Counter):
    """A counter that says how near it is."""

    def facts(self) -> Mapping[str, Any]:
        return {**super().facts(), "progress": 1.0 - min(abs(self.target - self.value) / 10, 1.0)}


counter = CounterTask()
shaped = ShapedTask()
