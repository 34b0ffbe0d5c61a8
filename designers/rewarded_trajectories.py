"""Rewarded trajectories: recorded episodes as one reward sees them, cut where the task was done, and told in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from envreward.agents.rescoring import Score
from envreward.agents.rollouts import Episode
from envreward.fields import Field, public_fields

from .reflect import number
from .trajectory_preference import Ordering, Rule, trajectory_value

_WIDEST = 16
"""Numbers that a field may have per step to be told; what has more (a picture, a map) would drown the rest."""
_TEXT_CHARS = 80


@dataclass(frozen=True, kw_only=True)
class Trajectory:
    """One episode of L steps and what a reward paid in it."""

    episode: Episode
    rewards: tuple[float, ...]
    """Of the L steps."""
    components: Mapping[str, tuple[float, ...]]
    """The reward's named parts, L values each."""

    @property
    def steps(self) -> int:
        """L."""
        return len(self.rewards)

    @property
    def episode_return(self) -> float:
        """Undiscounted sum of the rewards."""
        return math.fsum(self.rewards)


def trajectories_of(scores: Sequence[Score], *, until_success: bool) -> list[Trajectory]:
    """Return re-scored episodes as trajectories, in their order; lost ones, of which nothing is known, are left out.

    Args:
        scores: A reward over episodes.
        until_success: Whether a successful episode ends, for this purpose, with the first step in which the task's
            success test holds.
    """
    found = []
    for score in scores:
        if score.episode.success is None:
            continue
        length = _steps(score.episode, until_success)
        found.append(
            Trajectory(
                episode=score.episode,
                rewards=tuple(score.rewards[:length].tolist()),
                components={name: tuple(values[:length].tolist()) for name, values in score.components.items()},
            )
        )
    return found


def order(trajectories: Sequence[Trajectory], rule: Rule, *, discount: float) -> Ordering:
    """Return what the trajectories of either class are worth; see `trajectory_value`."""
    values = [(t.episode.success, trajectory_value(t.rewards, rule, discount=discount)) for t in trajectories]
    return Ordering(
        successes=tuple(value for success, value in values if success),
        failures=tuple(value for success, value in values if not success),
    )


def in_words(trajectory: Trajectory, fields: Mapping[str, Field], *, interval: int) -> str:
    """Return a trajectory in words: public fields, reward and its parts, step by step, and how it ended.

    Steps are counted from 1; shown are the first, every ``interval``-th and the last (``convert_traj_to_str`` in
    code_generation/self_reflection/utils.py of CARD's release). Numbers have three significant digits, not one
    decimal as there, where positions in metres would all look alike.

    Args:
        trajectory: At least one step.
        fields: Declarations of the task's fields; private ones are not told, nor those with more than 16 numbers.
        interval: Steps from one shown to the next.
    """
    public = public_fields(fields)
    told = [name for name, field in public.items() if field.dtype == "str" or math.prod(field.shape) <= _WIDEST]
    shown = sorted({0, *range(interval - 1, trajectory.steps, interval), trajectory.steps - 1})
    state = trajectory.episode.state(told, fields)
    lines = []
    for step in shown:
        values = [f"{name} {_value(state[name][step])}" for name in told]
        values.append(f"reward {number(trajectory.rewards[step])}")
        values += [f"{name} (part of it) {number(part[step])}" for name, part in trajectory.components.items()]
        lines.append(f"step {step + 1}: " + "; ".join(values))
    if not trajectory.episode.success:
        lines.append(f"The episode ended after step {trajectory.steps}; the task was not done.")
    elif trajectory.steps < trajectory.episode.steps:
        lines.append(f"The task was done at step {trajectory.steps}.")
    else:
        lines.append(f"The episode ended after step {trajectory.steps}; the task was done.")
    return "\n".join(lines)


def _steps(episode: Episode, until_success: bool) -> int:
    flags = episode.facts.get("success") if until_success and episode.success else None
    if not isinstance(flags, Tensor):
        return episode.steps
    held = flags[1:].nonzero()
    return int(held[0, 0]) + 1 if len(held) else episode.steps


def _value(value: Tensor | str) -> str:
    if isinstance(value, str):
        line = " ".join(value.split())
        return repr(line if len(line) <= _TEXT_CHARS else line[:_TEXT_CHARS] + "...")
    words = [("yes" if v else "no") if isinstance(v, bool) else number(v) for v in value.flatten().tolist()]
    return f"[{', '.join(words)}]" if value.shape else words[0]
