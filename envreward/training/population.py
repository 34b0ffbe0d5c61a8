"""Population: members that train in lock-step in one process.

All that a member is lies in a `MemberState`, a flat mapping of tensors: weights, optimiser, statistics, random
state, and its worlds. A population stacks such states, trains, and can be taken apart into them again. Starting
anew, resuming from a checkpoint, dropping a member that failed and moving members between processes are therefore
one operation, and none of them changes what becomes of a member.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from envreward.episodes import EpisodeTracker
from envreward.errors import InfraError, RewardRuntimeError, RewardTimeoutError
from envreward.vector_env import TaskVectorEnv, make_vector_env

from .candidate_networks import make_networks
from .config import Member, MemberStatus, MetricRow, TrainingJob
from .gae import advantages
from .heads import make_head
from .member_state import MemberState, fresh_state, network_spec, stack_states, subset, unjoined, world_seeds
from .normalize import ObsNormalizer, ReturnScaler, RunningMoments
from .optimizer import StackedAdam
from .ppo import Batch, UpdateStats, explained_variance, update
from .reward_source import NoReward, RewardSource
from .rollout import Rollout, bootstrap, collect, ended_returns
from .statuses import status_of


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
        self.job, self.config = job, job.ppo
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
        env = self._env = make_vector_env(self.job.env_id, count * worlds, reward="none")
        env.request(sorted({name for m in members for name in self._sources[m.key].inputs}))
        self.spec = network_spec(env.task, config)
        if states is None:
            states = {m.key: fresh_state(m, self.spec, config) for m in members}
        state = stack_states(members, states)
        self._nets = make_networks(self.spec, state["weights"])
        self._head = make_head(self.spec.head, self.spec.action_size)
        self._adam = StackedAdam(self._nets.weights, state["adam.first"], state["adam.second"], state["adam.steps"])
        self._learning_rate, self._returns = state["learning_rate"], state["returns"]
        self._generators = [torch.Generator() for _ in members]
        for generator, saved in zip(self._generators, state["generator"], strict=True):
            generator.set_state(saved.clone())  # a view of a larger tensor is refused
        self._normalizer = ObsNormalizer(_moments(state, "obs"), config.obs_clip)
        self._scaler = ReturnScaler(_moments(state, "return"), state["return.running"], config.gamma)
        self._tracker = EpisodeTracker(count * worlds, env.task.fitness_reduce)
        for row, member in enumerate(members):
            source = self._sources[member.key]
            for name in source.memory:  # as it was opened, unless it goes on
                if (key := f"reward.{member.reward}.{name}") in state:
                    source.memory[name] = state[key][row].clone()
        if "next_obs" in state:
            env.load(subset(state, "env."))
            self._tracker.load(subset(state, "episode."))
            self._obs = state["next_obs"].flatten(0, 1)
        else:
            self._obs = env.reset(seed=[s for m in members for s in world_seeds(m, worlds, self.updates)])[0].flatten(1)
            self._returns.zero_()
            self._scaler.running.zero_()

    # Progress.

    @property
    def steps_per_update(self) -> int:
        """Environment steps that a member takes between updates."""
        return self.config.num_worlds * self.config.rollout_steps

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
        returns = ended_returns(rewards.total, rollout.ended, self._returns, rollout.faulted)
        batch, values = self._prepare(rollout, rewards.total)
        order = torch.Generator().manual_seed(self.updates)
        stats = update(self._nets, self._adam, self._head, batch, self.config, self._scheduled(), order)
        self._learning_rate = stats.learning_rate.unsqueeze(1)
        if self.config.normalize_obs and self.spec.candidates is None:  # candidates are scaled by whoever makes them
            self._normalizer.update(rollout.raw_obs.flatten(1, 2))
        self._obs = rollout.next_obs
        self.updates += 1
        variance = explained_variance(values, batch.target)
        rows = self._rows(rollout, rewards, returns, stats, variance, wall_s)
        retired = self._retire(rewards.failed)
        gone = {r.member.key for r in retired} | {self.members[m].key for m in self._idle}
        return [row for row in rows if row.key not in gone], retired

    def _collect(self) -> Rollout:
        steps, worlds = self.config.rollout_steps, self.config.num_worlds
        noise = torch.stack([self._head.noise(steps, worlds, g) for g in self._generators])
        sources = [self._sources[m.key] for m in self.members]
        return collect(
            self._worlds(), self._nets, self._head, self._normalizer, self._tracker, sources, noise, self._obs
        )

    def _evaluate(self, rollout: Rollout) -> Rewards:
        members, steps, worlds = rollout.ended.shape
        sources = [self._sources[m.key] for m in self.members]
        limit_s, count = self.job.reward_timeout_s, steps * worlds
        deadline = time.monotonic() + limit_s
        rewards = Rewards(torch.zeros(members, steps, worlds), [{} for _ in sources], {})
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

    def _prepare(self, rollout: Rollout, rewards: Tensor) -> tuple[Batch, Tensor]:
        """Return the batch to learn from and the critic's values of its observations ``[M, B]``."""
        config = self.config
        members, _, worlds = rewards.shape
        ended = rollout.ended.transpose(0, 1)
        scaled = rewards.transpose(0, 1)
        scaled = self._scaler(scaled, ended) if config.normalize_reward else scaled.clone()
        for cut in rollout.cutoffs:
            value = self._nets.value(self._normalizer(cut.final_obs.view(members, worlds, -1)))
            bootstrap(scaled, cut, value, config.gamma)
        obs, action = rollout.obs.flatten(1, 2), rollout.action.flatten(1, 2)
        output = self._nets.forward(obs)
        last = self._nets.value(self._normalizer(rollout.next_obs.view(members, worlds, -1)))
        values = torch.cat((output.value.view(members, -1, worlds), last.unsqueeze(1)), 1).transpose(0, 1)
        faulted = rollout.faulted
        if faulted is not None:  # nothing is known of what such a step led to: it earns what the critic expected
            scaled = torch.where(faulted.transpose(0, 1), values[:-1], scaled)
        advantage = advantages(scaled, values, ended, config.gamma, config.gae_lambda).transpose(0, 1).flatten(1)
        batch = Batch(
            obs=obs,
            action=action,
            log_prob=self._head.score(self._nets, output.action, action).log_prob,
            advantage=advantage,
            target=advantage + output.value,
            counts=None if faulted is None else (~faulted).flatten(1).to(torch.float32),
        )
        return batch, output.value

    def _scheduled(self) -> Tensor:
        if self.config.lr_schedule == "adaptive":
            return self._learning_rate
        left = 1.0 - self.updates / total_updates(self.job) if self.config.lr_schedule == "linear" else 1.0
        return torch.full((len(self.members), 1), self.config.learning_rate * left, dtype=torch.float64)

    def _rows(
        self,
        rollout: Rollout,
        rewards: Rewards,
        returns: list[list[float]],
        stats: UpdateStats,
        variance: Tensor,
        wall_s: float,
    ) -> list[MetricRow]:
        numbers = {name: values.tolist() for name, values in stats._asdict().items()}
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
                faults=0 if rollout.faulted is None else int(rollout.faulted[m].sum()),
                components=rewards.components[m],
                reward_mean=means[m],
                explained_variance=None if math.isnan(variance[m]) else float(variance[m]),
                **{name: values[m] for name, values in numbers.items()},
            )
            for m, member in enumerate(self.members)
        ]

    # Who goes on.

    def _retire(self, failed: Mapping[int, RewardRuntimeError]) -> list[Retired]:
        """Take out members whose reward failed or whose weights are no longer numbers."""
        reasons: dict[int, tuple[MemberStatus, str]] = {m: (status_of(e), str(e)) for m, e in failed.items()}
        for m in (~torch.isfinite(self._nets.weights).all(1)).nonzero()[:, 0].tolist():
            diverged = f"training diverged: weights are not finite after {self.steps} steps"
            reasons.setdefault(m, ("failed", diverged))
        reasons = {m: reason for m, reason in reasons.items() if m not in self._idle}
        if not reasons:
            return []
        states = self.save()
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
            for values in (self._nets.weights, self._adam.first, self._adam.second):
                values[m] = 0.0

    def save(self) -> dict[str, MemberState]:
        """Return copies of the members' states by key."""
        stacked = {
            "weights": self._nets.weights,
            "adam.first": self._adam.first,
            "adam.second": self._adam.second,
            "adam.steps": self._adam.steps,
            "learning_rate": self._learning_rate,
            "return.running": self._scaler.running,
            "returns": self._returns,
            "generator": torch.stack([g.get_state() for g in self._generators]),
        }
        for name, moments in (("obs", self._normalizer.moments), ("return", self._scaler.moments)):
            stacked |= {f"{name}.mean": moments.mean, f"{name}.var": moments.var, f"{name}.count": moments.count}
        env = self._worlds()
        if env.can_save:
            worlds = {"next_obs": self._obs}
            worlds |= {f"episode.{name}": rows for name, rows in self._tracker.save().items()}
            worlds |= {f"env.{name}": rows for name, rows in env.save().items()}
            stacked |= {n: unjoined(rows, len(self.members)) for n, rows in worlds.items()}
        states = {m.key: {n: rows[i].clone() for n, rows in stacked.items()} for i, m in enumerate(self.members)}
        for member in self.members if env.can_save else ():
            memory = self._sources[member.key].memory
            states[member.key] |= {f"reward.{member.reward}.{n}": values.clone() for n, values in memory.items()}
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


def total_updates(job: TrainingJob) -> int:
    """Return how many rollouts and updates a full training takes; the last rollout may go past ``total_steps``."""
    return math.ceil(job.total_steps / (job.ppo.num_worlds * job.ppo.rollout_steps))


def _moments(state: Mapping[str, Tensor], name: str) -> RunningMoments:
    return RunningMoments(state[f"{name}.mean"], state[f"{name}.var"], state[f"{name}.count"])


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
