"""Learners: from factors and the sparse reward to a reward, online, while a policy trains on it."""

from __future__ import annotations

import abc
from typing import NamedTuple

import torch
from torch import Tensor

from envreward.errors import RewardRuntimeError
from envreward.rewards.sequence import Flow, Memory

from .config import HeronConfig, LareConfig, LearningConfig
from .history import Episodes, History
from .losses import decomposition_loss, kept_mean, prefer, preference_loss, sampled_decomposition_loss
from .network import RewardNetwork


class Learner(abc.ABC):
    """Learns one member's reward. It holds nothing but `memory`: two with the same memory go on the same."""

    def __init__(self, config: LearningConfig, horizon: int, generator: torch.Generator) -> None:
        """Begin, with nothing learned.

        Args:
            config: Settings.
            horizon: Steps of a full episode.
            generator: Draws all that is random; its state goes into `memory`.
        """
        self.memory: Memory = {"generator": generator.get_state(), "owed": torch.zeros(1, dtype=torch.float64)}
        self._config = config
        self._history = History(self.memory, config.capacity, horizon)
        self._network = RewardNetwork(self.memory, config.hidden, config.learning_rate, standardize=config.standardize)

    def rewards(self, factors: Tensor, sparse: Tensor, flow: Flow) -> Tensor:
        """Learn from T steps of N worlds, then return their rewards, float32 ``[T, N]``.

        Args:
            factors: Float ``[T, N, d]``, d at least 1 and always the same.
            sparse: The task's sparse reward, float ``[T, N]``.
            flow: Where episodes begin and end.

        Raises:
            RewardRuntimeError: What was learned is not finite.
        """
        generator = torch.Generator()
        generator.set_state(self.memory["generator"].clone())
        self._network.see(factors.flatten(0, 1), generator)
        self._history.add(factors, sparse, flow)
        owed = self.memory["owed"] + sparse.numel() * self._config.updates_per_step
        due = int(owed)
        self.memory["owed"] = owed - due
        self._learn(due, generator)
        self.memory["generator"] = generator.get_state()
        rewards = self._network(factors)
        if not bool(torch.isfinite(rewards).all()):
            raise RewardRuntimeError(
                "the reward learned from its components is not finite.",
                fix="Bring each component to a range near 1, e.g. with torch.tanh.",
            )
        return rewards

    def relabel(self, step: Tensor, world: Tensor, rewards: Tensor) -> Tensor:
        """Return what is now made of earlier steps, float32 ``[B]``; ``rewards`` where their factors are forgotten.

        Args:
            step: Counted from the beginning of the training, int64 ``[B]``.
            world: Int64 ``[B]``.
            rewards: Given before, float32 ``[B]``.
        """
        if "ring" not in self.memory:  # nothing has been seen yet
            return rewards
        factors, known = self._history.recall(step, world)
        return torch.where(known, self._network(factors), rewards)

    @abc.abstractmethod
    def _learn(self, updates: int, generator: torch.Generator) -> None:
        """Take so many gradient steps, as far as there is something to learn from."""


class LareLearner(Learner):
    """Redistributes the episode's return over its steps; see `LareConfig`."""

    _config: LareConfig

    def _learn(self, updates: int, generator: torch.Generator) -> None:
        episodes = self._history.episodes()
        if not len(episodes.length):
            return
        for _ in range(updates):
            self._sampled_step(episodes, generator) if self._config.loss == "rrd" else self._step(episodes, generator)

    def _step(self, episodes: Episodes, generator: torch.Generator) -> None:
        count = max(int(self._config.batch_steps / float(episodes.length.double().mean())), 1)
        drawn = episodes.take(torch.randint(len(episodes.length), (count,), generator=generator))
        steps = torch.arange(int(drawn.length.max())).unsqueeze(0)
        kept = steps < drawn.length.unsqueeze(1)
        factors = self._history.factors(drawn, torch.minimum(steps, drawn.length.unsqueeze(1) - 1))
        returns = drawn.returns.to(torch.float32)
        self._network.learn(factors, lambda rewards: decomposition_loss(rewards, kept, returns))

    def _sampled_step(self, episodes: Episodes, generator: torch.Generator) -> None:
        config = self._config
        count = max(config.batch_steps // config.samples, 1)
        drawn = episodes.take(torch.randint(len(episodes.length), (count,), generator=generator))
        steps, kept = draw_steps(drawn.length, config.samples, generator)
        returns = drawn.returns.to(torch.float32)
        self._network.learn(
            self._history.factors(drawn, steps),
            lambda rewards: sampled_decomposition_loss(rewards, kept, drawn.length, returns),
        )


class HeronLearner(Learner):
    """Fits a reward to preferences by ranked factors; see `HeronConfig`."""

    _config: HeronConfig

    def _learn(self, updates: int, generator: torch.Generator) -> None:
        if self._config.pairs == "steps":
            self._learn_from_steps(updates, generator)
            return
        episodes, config = self._history.episodes(), self._config
        number = len(episodes.length)
        if number < 2:
            return
        first, second = torch.triu_indices(count := min(config.batch_episodes, number), count, offset=1)
        for _ in range(updates):
            drawn = episodes.take(torch.randperm(number, generator=generator)[:count])
            preferred = self._compare(drawn.factors, first, second)
            steps, kept = draw_steps(drawn.length, config.samples, generator)
            # in units of the mean length, so that differences of returns do not grow with the horizon
            share = (drawn.length / episodes.length.double().mean()).to(torch.float32)
            if preferred.any():
                self._network.learn(
                    self._history.factors(drawn, steps), _Pairs(first, second, preferred, kept, share).loss
                )

    def _learn_from_steps(self, updates: int, generator: torch.Generator) -> None:
        """Compare steps of the newest rollout, each with another one."""
        count = self._config.batch_steps
        steps = self._history.recent(int(count * max(updates, 1)))
        if len(steps) < 2:
            return
        for _ in range(updates):
            size = min(count, len(steps))
            drawn = steps[torch.randperm(len(steps), generator=generator)[:size]]
            first = torch.arange(size)
            second = (first + torch.randint(1, size, (size,), generator=generator)) % size
            preferred = self._compare(drawn, first, second)
            if preferred.any():
                pairs = _Pairs(first, second, preferred, torch.ones(size, 1, dtype=torch.bool), torch.ones(size))
                self._network.learn(drawn.unsqueeze(1), pairs.loss)

    def _compare(self, factors: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return prefer(factors[first], factors[second], self._config.margin * factors.std(0))


class _Pairs(NamedTuple):
    """Pairs of B trajectories, each given by some of its steps."""

    first: Tensor
    """int64 ``[P]``."""
    second: Tensor
    preferred: Tensor
    """As from `prefer`."""
    kept: Tensor
    """Which steps count, bool ``[B, K]``."""
    share: Tensor
    """What a trajectory's mean reward is multiplied by, ``[B]``."""

    def loss(self, rewards: Tensor) -> Tensor:
        """Return the preference loss of the rewards ``[B, K]`` of the steps."""
        totals = kept_mean(rewards, self.kept) * self.share
        return preference_loss(totals[self.first], totals[self.second], self.preferred)


def make_learner(config: LearningConfig, horizon: int, generator: torch.Generator) -> Learner:
    """Return a learner with these settings that has learned nothing yet."""
    kind = LareLearner if isinstance(config, LareConfig) else HeronLearner
    return kind(config, horizon, generator)


class Drawn(NamedTuple):
    """Steps of B episodes."""

    steps: Tensor
    """Counted from the episode's first, int64 ``[B, K]``."""
    kept: Tensor
    """Where there is one, bool ``[B, K]``: short episodes have fewer than K."""


def draw_steps(lengths: Tensor, samples: int, generator: torch.Generator) -> Drawn:
    """Draw ``samples`` steps of each episode without replacement, or take all of one that has no more.

    Args:
        lengths: Of the B episodes, int64 ``[B]``.
        samples: Wanted of each.
        generator: Draws them.
    """
    drawn = [torch.randperm(length, generator=generator)[:samples] for length in lengths.tolist()]
    steps = torch.nn.utils.rnn.pad_sequence(drawn, batch_first=True)
    return Drawn(steps, torch.arange(steps.shape[1]) < lengths.unsqueeze(1))
