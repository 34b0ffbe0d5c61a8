"""Learning a reward from preferences: Bradley and Terry's model on return or on regret, with or without a prior."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from envreward.errors import ConfigError

from ..features import joined
from .learned import LearnedReward
from .losses import bradley_terry_loss, deterministic_regret, partial_return, redistribution_loss
from .pairs import Preference, PreferenceReport, Segment, check_preferences

PreferenceModel: TypeAlias = Literal["return", "regret"]


@dataclass(frozen=True, kw_only=True)
class PreferenceConfig:
    """Settings of `fit_preferences`; defaults that cite nothing are this project's.

    Raises:
        ConfigError: A setting cannot work.
    """

    fields: tuple[str, ...]
    """What the reward reads."""
    model: PreferenceModel = "return"
    """What the judge is taken to compare: partial returns, or regrets, which need successor features."""
    hidden: tuple[int, ...] = (64, 64)
    """Hidden layers; none: a linear reward, the only one for regret."""
    epochs: int = 200
    """How often all pairs are gone through."""
    batch_size: int = 64
    """Pairs per gradient step."""
    learning_rate: float = 1e-3
    """Of AdamW."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    holdout: float = 0.2
    """Share of the pairs that is not learned from but tested on; 0: none."""
    prior_weight: float = 0.0
    """Weight of Hindsight PRIOR's redistribution loss; above 0, each segment needs `Segment.importance`."""
    sharpness: float = 10.0
    """How close the value over policies is to the best one's; for regret alone."""
    seed: int = 0
    """Of the initial weights, the split and the order of the pairs."""

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigError("name at least one field")
        if self.model not in ("return", "regret"):
            raise ConfigError(f"model must be 'return' or 'regret', got {self.model!r}")
        if self.model == "regret" and (self.hidden or self.prior_weight):
            raise ConfigError("the regret model needs a linear reward without prior: hidden=(), prior_weight=0")
        if min((*self.hidden, self.epochs, self.batch_size)) < 1 or self.learning_rate <= 0.0:
            raise ConfigError("layers, epochs, batch_size and learning_rate must be positive")
        if not 0.0 <= self.holdout < 1.0 or min(self.prior_weight, self.weight_decay) < 0.0:
            raise ConfigError("holdout must be within [0, 1), prior_weight and weight_decay not negative")


class PreferenceFit(NamedTuple):
    """What `fit_preferences` learned."""

    reward: LearnedReward
    report: PreferenceReport
    """What was found in the labels."""
    loss: float
    """Mean cross-entropy of the labels learned from, in nats; 0.69 is guessing."""
    train_accuracy: float | None
    """Share of the preferences learned from that the reward agrees with; ``None`` where all were ties."""
    holdout_accuracy: float | None
    """The same of those that were held out; ``None`` where there were none but ties."""


def fit_preferences(preferences: Sequence[Preference], config: PreferenceConfig) -> PreferenceFit:
    """Learn a reward under which the preferred segments of pairs score higher.

    ``P(second preferred) = sigmoid(score(second) - score(first))``, where the score is

    * ``"return"``: the sum of rewards. Source: Christiano et al., *Deep reinforcement learning from human preferences*
      (2017, arXiv 1706.03741). Where segments are equally long, adding a constant to all rewards changes nothing; the
      result is brought to mean 0 and standard deviation 1. What is learned in this way from people who in truth compare
      regrets is not a reward but an optimal advantage (Knox et al., *Learning optimal advantage from preferences and
      mistaking it for reward*, AAAI 2024, arXiv 2310.02456): train on it with a discount near zero.
    * ``"regret"``: minus the regret, how much was lost against optimal behaviour. Source: Knox et al., *Models of human
      preference for learning reward functions* (TMLR 2024, arXiv 2206.02231); see `deterministic_regret`. Its scale and
      constant are meaningful, so the fields are not shifted and the result stays as it is.

    With `prior_weight`, rewards are drawn to the return shared out by the steps' importance: Hindsight PRIOR (Verma &
    Metcalf, ICLR 2024, arXiv 2404.08828); see `redistribution_loss` and `attention_importance`.

    When to use it: segments can be compared; see `LearnedReward` for what becomes of it.

    Known failures: noise in labels is taken for doubt, so one careless judge flattens the reward; and a field that
    happens to go along with what is wanted is as good an explanation as any. Accuracy on held-out pairs shows neither
    where the pairs themselves are alike.
    By regret, a candidate policy that is far from best under the present weights has no say in their next change: begin
    from several seeds.

    Raises:
        ConfigError: The preferences cannot be learned from (see `check_preferences`), too few are left beside those
            held out, a field's number is the same in all states, or segments lack what the model needs.
        RewardRuntimeError: A field is not finite.
    """
    report = check_preferences(preferences, config.fields)
    generator = torch.Generator().manual_seed(config.seed)
    order = torch.randperm(len(preferences), generator=generator).tolist()
    held = round(config.holdout * len(preferences))
    learned_from = [preferences[i] for i in order[held:]]
    held_out = [preferences[i] for i in order[:held]]
    if all(preference.label == 0.5 for preference in learned_from):
        raise ConfigError(f"of {len(preferences)} pairs {held} are held out and the rest says nothing: add pairs")
    reward = _unlearned(learned_from, config)
    pairs = _Pairs.of(learned_from, reward, config)
    loss = _optimise(reward, pairs, config, generator)
    if config.model == "return":
        _standardise(reward, pairs)
    return PreferenceFit(
        reward, report, loss, accuracy(reward, learned_from, config), accuracy(reward, held_out, config)
    )


def accuracy(reward: LearnedReward, preferences: Sequence[Preference], config: PreferenceConfig) -> float | None:
    """Return the share of the preferences that are no ties with which a reward agrees; ``None`` if there are none."""
    decided = [preference for preference in preferences if preference.label != 0.5]
    if not decided:
        return None
    pairs = _Pairs.of(decided, reward, config)
    with torch.no_grad():
        first, second = (_score(reward, side, config)[0] for side in (pairs.first, pairs.second))
    return float(((second > first) == (pairs.labels > 0.5)).float().mean())


class _Side(NamedTuple):
    """One segment of each of P pairs, padded to T steps."""

    features: Tensor
    """``[P, T, D]``."""
    mask: Tensor
    """Which steps are there, bool ``[P, T]``."""
    importance: Tensor | None
    """``[P, T]``."""
    start: Tensor | None
    """Successor features before the first step ``[P, K, D]``."""
    end: Tensor | None
    """Successor features after the last step ``[P, K, D]``."""

    @classmethod
    def of(cls, segments: Sequence[Segment], reward: LearnedReward, config: PreferenceConfig) -> _Side:
        pad = nn.utils.rnn.pad_sequence
        features = [reward.features(dict(segment.state), 1) for segment in segments]
        mask = pad([torch.ones(len(rows), dtype=torch.bool) for rows in features], batch_first=True)
        importance = start = end = None
        if config.prior_weight:
            shares = [segment.importance for segment in segments if segment.importance is not None]
            if len(shares) < len(segments):
                raise ConfigError("prior_weight needs the importance of each segment's steps: see attention_importance")
            importance = pad([share.float() for share in shares], batch_first=True)
        if config.model == "regret":
            starts = [s.start_successors for s in segments if s.start_successors is not None]
            ends = [s.end_successors for s in segments if s.end_successors is not None]
            shapes = {(t.dim(), t.shape[-1]) for t in (*starts, *ends)}
            if min(len(starts), len(ends)) < len(segments) or shapes != {(2, features[0].shape[-1])}:
                raise ConfigError("the regret model needs start_ and end_successors [K, D] of each segment")
            start, end = (torch.stack([*side]).float() / reward.std for side in (starts, ends))
        return cls(pad(features, batch_first=True), mask, importance, start, end)

    def rows(self, which: Tensor) -> _Side:
        """Return the segments of some pairs."""
        return _Side(*(None if values is None else values[which] for values in self))  # type: ignore[arg-type]


class _Pairs(NamedTuple):
    first: _Side
    second: _Side
    labels: Tensor

    @classmethod
    def of(cls, preferences: Sequence[Preference], reward: LearnedReward, config: PreferenceConfig) -> _Pairs:
        sides = ([p.first for p in preferences], [p.second for p in preferences])
        labels = torch.tensor([preference.label for preference in preferences])
        first, second = (_Side.of(segments, reward, config) for segments in sides)
        return cls(first, second, labels)


def _unlearned(preferences: Sequence[Preference], config: PreferenceConfig) -> LearnedReward:
    """Return a network that brings the fields of these preferences to one scale."""
    segments = [segment for preference in preferences for segment in (preference.first, preference.second)]
    states = torch.cat([joined(config.fields, segment.state, 1).double() for segment in segments])
    std = states.std(0, correction=0)
    # The same number everywhere has no place in a difference of returns; rounding can leave it a tiny spread.
    constant = std <= 1e-7 * states.abs().amax(0)
    mean = states.mean(0)
    if config.model == "regret":  # there a constant is the cost of time, and successor features allow no shift
        mean, std = torch.zeros_like(mean), std.where(~constant, 1.0)
    elif bool(constant.any()):
        number = int(constant.nonzero()[0])
        raise ConfigError(f"{_named(number, segments[0], config)} is the same in all states: leave it out")
    return LearnedReward(config.fields, config.hidden, mean, std, config.seed)


def _named(number: int, segment: Segment, config: PreferenceConfig) -> str:
    """Return which entry of which field a feature is."""
    for name in config.fields:
        size = segment.state[name][0].numel()
        if number < size:
            return f"field {name}" if segment.state[name].dim() == 1 else f"entry {number} of field {name}"
        number -= size
    raise AssertionError(number)


def _score(reward: LearnedReward, side: _Side, config: PreferenceConfig) -> tuple[Tensor, Tensor]:
    """Return the score of each segment ``[P]`` and the rewards of its steps ``[P, T]``."""
    rewards = reward.rewards(side.features)
    if config.model == "return":
        return partial_return(rewards, side.mask), rewards
    assert side.start is not None and side.end is not None
    weights = next(iter(reward.network.parameters())).view(-1)
    return -deterministic_regret(rewards, side.mask, side.start, side.end, weights, config.sharpness), rewards


def _loss(reward: LearnedReward, pairs: _Pairs, config: PreferenceConfig) -> tuple[Tensor, Tensor]:
    """Return the loss to be minimised and the cross-entropy in it."""
    first, second = (_score(reward, side, config) for side in (pairs.first, pairs.second))
    entropy = bradley_terry_loss(first[0], second[0], pairs.labels)
    if not config.prior_weight:
        return entropy, entropy
    prior = torch.zeros(())
    for side, (_, rewards) in zip((pairs.first, pairs.second), (first, second), strict=True):
        assert side.importance is not None
        prior = prior + redistribution_loss(rewards, side.mask, side.importance)
    return entropy + config.prior_weight * prior, entropy


def _optimise(reward: LearnedReward, pairs: _Pairs, config: PreferenceConfig, generator: torch.Generator) -> float:
    optimiser = torch.optim.AdamW(
        reward.network.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    for _ in range(config.epochs):
        order = torch.randperm(len(pairs.labels), generator=generator)
        for start in range(0, len(order), config.batch_size):
            batch = order[start : start + config.batch_size]
            part = _Pairs(pairs.first.rows(batch), pairs.second.rows(batch), pairs.labels[batch])
            loss, _ = _loss(reward, part, config)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        return float(_loss(reward, pairs, config)[1])


def _standardise(reward: LearnedReward, pairs: _Pairs) -> None:
    """Bring a reward to mean 0 and standard deviation 1 over the states of the pairs."""
    with torch.no_grad():
        values = torch.cat([reward.rewards(side.features)[side.mask] for side in (pairs.first, pairs.second)])
    spread = float(values.std(correction=0))
    if spread == 0.0:
        raise ConfigError("the learned reward is the same in all states: the labels do not depend on the fields")
    reward.shift, reward.scale = float(values.mean()), spread
