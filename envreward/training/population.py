"""Population: members that train in lock-step in one process.

All that a member is lies in a `MemberState`, a flat mapping of tensors: weights, optimiser, statistics, random
state, and its worlds. A population stacks such states, trains, and can be taken apart into them again. Starting
anew, resuming from a checkpoint, dropping a member that failed and moving members between processes are therefore
one operation, and none of them changes what becomes of a member.

What is here does not depend on how members learn: worlds, rewards, curves, and who goes on. The rest is the
algorithm's (`envreward.training.algorithm`).
"""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from envreward.episodes import EpisodeTracker
from envreward.errors import InfraError, RewardRuntimeError, RewardTimeoutError
from envreward.task_vector_env import TaskVectorEnv
from envreward.vector_env import make_vector_env

from .algorithm import Learned
from .config import Member, MemberStatus, MetricRow, TrainingJob
from .member_state import LEARNED, REPLAY, MemberState, stack_states, subset, unjoined, world_seeds
from .peaks import Peak
from .reward_source import NoReward, RewardSource
from .rollout import Rollout, collect, ended_returns
from .running import GENERATOR, Running, fresh_running
from .statuses import status_of
from .trainers import make_algorithm


class Retired(NamedTuple):
    """A member that cannot go on, and how it stood."""

    member: Member
    status: MemberStatus
    reason: str
    state: MemberState


class Rewards(NamedTuple):
    """The rewards of one rollout."""

    total: Tensor
    """``[M, T, N]``; zero for members whose reward failed."""
    components: list[dict[str, float]]
    """Mean of each component, by member."""
    failed: dict[int, RewardRuntimeError]
    """By member's row."""


class Population:
    """Members of one job that train in this process; with the same settings, each as if it were alone."""

    def __init__(
        self,
        job: TrainingJob,
        members: Sequence[Member],
        sources: Mapping[str, RewardSource],
        *,
        states: Mapping[str, MemberState] | None = None,
        updates: int = 0,
    ) -> None:
        """Start members anew, or go on from ``states``.

        Args:
            job: The settings.
            members: Who trains here.
            sources: Their rewards by key; closed when their member retires.
            states: Their states by key after ``updates`` updates, from `save`.
            updates: Updates done so far.
        """
        self.job, self.config = job, job.algorithm
        self.updates = updates
        self.reward_s = 0.0
        """Seconds spent waiting for the rewards of the last rollout."""
        self._sources = dict(sources)
        self._env: TaskVectorEnv | None = None
        self._idle: set[int] = set()
        self._build(members, states)

    def _build(self, members: Sequence[Member], states: Mapping[str, MemberState] | None) -> None:
        """Stack ``members``; their states must have been taken after `updates` updates."""
        if self._env is not None:
            self._env.close()
            self._env = None
        self.members = tuple(members)
        if not members:
            return
        config, count, worlds = self.config, len(members), self.config.num_worlds
        env = self._env = make_vector_env(self.job.env_id, count * worlds, reward="none", device=self.job.device)
        env.request(sorted({name for m in members for name in self._sources[m.key].inputs}))
        algorithm = self._algorithm = make_algorithm(self.job, env.task)
        if states is None:
            size = algorithm.obs_size
            states = {m.key: fresh_running(m, size, worlds, env.device) | algorithm.fresh(m) for m in members}
        stacked = stack_states(members, states)
        stays = ("env.", GENERATOR)  # they know themselves where they belong
        state = {name: rows if name.startswith(stays) else rows.to(env.device) for name, rows in stacked.items()}
        replays = [{n: rows for n, rows in states[m.key].items() if n.startswith(REPLAY)} for m in members]
        self._running = Running.load(state, config)
        peaks = members if self.job.checkpoint == "peak_return" else ()
        self._peaks = {member.key: Peak(states[member.key]) for member in peaks}
        self._tracker = EpisodeTracker(count * worlds, env.task.fitness_reduce, env.device)
        for row, member in enumerate(members):
            source = self._sources[member.key]
            for name in source.memory:  # as it was opened, unless it goes on
                if (key := f"reward.{member.reward}.{name}") in state:
                    source.memory[name] = state[key][row].to(source.memory[name].device, copy=True)
            own = states[member.key]
            source.learned.update({n.removeprefix(LEARNED): own[n].clone() for n in own if n.startswith(LEARNED)})
        if "next_obs" in state:
            env.load(subset(state, "env."))
            self._tracker.load(subset(state, "episode."))
            self._obs = state["next_obs"].flatten(0, 1)
        else:
            self._obs = env.reset(seed=[s for m in members for s in world_seeds(m, worlds, self.updates)])[0].flatten(1)
            self._running.restart()
            if config.spread_starts:
                env.spread_starts(worlds)
        self._learner = algorithm.learner(state, self._running, replays)

    # Progress.

    @property
    def steps_per_update(self) -> int:
        """Environment steps that a member takes between updates."""
        return self.job.steps_per_update

    @property
    def active(self) -> list[Member]:
        """Members that have not retired."""
        return [m for i, m in enumerate(self.members) if i not in self._idle]

    @property
    def steps(self) -> int:
        """Environment steps that each member has taken."""
        return self.updates * self.steps_per_update

    # Training.

    def train_once(self, wall_s: float) -> tuple[list[MetricRow], list[Retired]]:
        """Do one rollout and one update; return the members' metrics and those who had to retire.

        Args:
            wall_s: Wall-clock time of the job, for the metrics.
        """
        rollout = self._collect()
        if rollout.faulted is not None and rollout.faulted.sum() * 2 > rollout.faulted.numel():
            reason = self._worlds().fault_reason
            raise InfraError(f"the machinery under more than half of a rollout's steps failed, last: {reason}")
        start = time.perf_counter()
        rewards = self._evaluate(rollout)
        self.reward_s = time.perf_counter() - start
        if rollout.faulted is not None:
            rewards.total.masked_fill_(rollout.faulted, 0.0)
        returns = ended_returns(rewards.total, rollout.ended, self._running.returns, rollout.unscored)
        self._note_peaks(returns, rewards.failed)
        learned = self._learner.learn(rollout, rewards.total, self.updates)
        self._obs = rollout.next_obs
        self.updates += 1
        rows = self._rows(rollout, rewards, returns, learned, wall_s)
        retired = self._retire(rewards.failed)
        gone = {r.member.key for r in retired} | {self.members[m].key for m in self._idle}
        return [row for row in rows if row.key not in gone], retired

    def _collect(self) -> Rollout:
        self._learner.begin(self.updates)
        sources = [self._sources[m.key] for m in self.members]
        return collect(self._worlds(), self._learner, self._tracker, sources, self.config.rollout_steps, self._obs)

    def _evaluate(self, rollout: Rollout) -> Rewards:
        members, steps, worlds = rollout.ended.shape
        sources = [self._sources[m.key] for m in self.members]
        limit_s, count = self.job.reward_timeout_s, steps * worlds
        deadline = time.monotonic() + limit_s
        rewards = Rewards(torch.zeros(members, steps, worlds, device=rollout.ended.device), [{} for _ in sources], {})
        for row, source in enumerate(sources):
            try:
                source.submit(rollout.flow(row))
            except RewardRuntimeError as error:
                rewards.failed[row] = error
        for row, source in enumerate(sources):
            if row in rewards.failed:
                continue
            try:
                output = source.result(max(deadline - time.monotonic(), 0.01))
            except RewardTimeoutError as error:
                reason = f"it took more than {limit_s:g} s over {count} states."
                rewards.failed[row] = RewardTimeoutError(reason, fix=error.fix)
                continue
            except RewardRuntimeError as error:
                rewards.failed[row] = error
                continue
            rewards.total[row] = output.total.view(steps, worlds)
            rewards.components[row].update(
                {k: float(v.mean(dtype=torch.float64)) for k, v in output.components.items()}
            )
        return rewards

    def _note_peaks(self, returns: Sequence[Sequence[float]], failed: Container[int]) -> None:
        """Keep the policies whose own return was highest so far; before the update, while they are still there."""
        if not self._peaks:
            return
        going = (m for m in range(len(self.members)) if m not in self._idle and m not in failed)
        better = [m for m in going if self._peaks[self.members[m].key].hear(_mean(returns[m]))]
        if better:
            stacked = self._running.save() | self._learner.save()
            for m in better:
                _, policy = self._algorithm.policy({n: rows[m] for n, rows in stacked.items()})
                self._peaks[self.members[m].key].keep(policy)

    def _rows(
        self,
        rollout: Rollout,
        rewards: Rewards,
        returns: list[list[float]],
        learned: Sequence[Learned],
        wall_s: float,
    ) -> list[MetricRow]:
        means = rewards.total.mean((1, 2), dtype=torch.float64).tolist()
        return [
            MetricRow(
                key=member.key,
                step=self.steps,
                wall_s=wall_s,
                success=_mean(rollout.success[m]),
                fitness=_mean(rollout.fitness[m]),
                episode_return=_mean(returns[m]),
                episode_length=_mean(rollout.length[m]),
                episodes=len(rollout.length[m]),
                broken=rollout.broken[m],
                faults=0 if rollout.faulted is None else int(rollout.faulted[m].sum()),
                components=rewards.components[m],
                reward_mean=means[m],
                **learned[m]._asdict(),
            )
            for m, member in enumerate(self.members)
        ]

    # Who goes on.

    def _retire(self, failed: Mapping[int, RewardRuntimeError]) -> list[Retired]:
        """Take out members whose reward failed or whose weights or losses are no longer numbers."""
        reasons: dict[int, tuple[MemberStatus, str]] = {m: (status_of(e), str(e)) for m, e in failed.items()}
        for m in (i for i, finite in enumerate(self._learner.finite()) if not finite):
            diverged = f"training diverged: weights or losses are not finite after {self.steps} steps"
            reasons.setdefault(m, ("failed", diverged))
        reasons = {m: reason for m, reason in reasons.items() if m not in self._idle}
        if not reasons:
            return []
        states = self._states(None)
        retired = [Retired(self.members[m], *reasons[m], states[self.members[m].key]) for m in sorted(reasons)]
        for r in retired:
            self._sources.pop(r.member.key).close()
        if self._worlds().can_save:
            self._build([m for i, m in enumerate(self.members) if i not in reasons], states)
        else:
            self._idle_on(reasons)
        return retired

    def _idle_on(self, rows: Iterable[int]) -> None:
        """Keep members in the batch without a reward, where worlds cannot be moved and the others' must not restart."""
        for m in rows:
            self._idle.add(m)
            self._sources[self.members[m].key] = NoReward()
            self._learner.silence(m)

    def save(self, since: int = 0) -> dict[str, MemberState]:
        """Return copies of the members' states by key.

        Args:
            since: What members experienced in the updates before this one is left out: it has been saved already.
        """
        return self._states(since)

    def _states(self, since: int | None) -> dict[str, MemberState]:
        """Return the members' states; with ``None`` their experience is theirs and no copy."""
        stacked = self._running.save() | self._learner.save()
        env = self._worlds()
        if env.can_save:
            worlds = {"next_obs": self._obs}
            worlds |= {f"episode.{name}": rows for name, rows in self._tracker.save().items()}
            worlds |= {f"env.{name}": rows for name, rows in env.save().items()}
            stacked |= {n: unjoined(rows, len(self.members)) for n, rows in worlds.items()}
        states: dict[str, MemberState] = {}
        for i, member in enumerate(self.members):
            state = {n: rows[i].to("cpu", copy=True) for n, rows in stacked.items()}
            if env.can_save:
                memory = self._sources[member.key].memory
                state |= {f"reward.{member.reward}.{n}": values.to("cpu", copy=True) for n, values in memory.items()}
            learned = self._sources[member.key].learned
            state |= {LEARNED + name: values.clone() for name, values in learned.items()}
            if member.key in self._peaks:
                state |= self._peaks[member.key].save()
            states[member.key] = state | self._learner.experience(i, since)
        return states

    def _worlds(self) -> TaskVectorEnv:
        if self._env is None:
            raise RuntimeError("the population is closed or empty")
        return self._env

    def close(self) -> None:
        """Release worlds and rewards."""
        if self._env is not None:
            self._env.close()
            self._env = None
        for source in self._sources.values():
            source.close()
        self._sources.clear()


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
