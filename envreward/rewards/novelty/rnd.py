"""Random network distillation: a bonus that is high where a network has not learned yet to predict another one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from envreward.errors import ConfigError
from envreward.fields import Field

from ..features import feature_size, joined
from ..function import RewardOutput
from ..tensor_file import read_tensors, write_tensors

_KIND = "random network distillation"


@dataclass(frozen=True, kw_only=True)
class RndConfig:
    """Settings of `RandomNetworkDistillation`. Values that cite nothing are this project's, for low-dimensional fields.

    Raises:
        ConfigError: A setting cannot work.
    """

    fields: tuple[str, ...]
    """What novelty is measured of."""
    hidden: tuple[int, ...] = (128, 128)
    """Hidden layers of both networks."""
    embedding: int = 64
    """Numbers that are predicted; 512 in the paper, from images."""
    learning_rate: float = 1e-4
    """Of Adam, for the predictor; the paper's."""
    batch_size: int = 1024
    """States per gradient step; an update goes through all of its states once."""
    clip: float = 5.0
    """Normalised inputs are kept within plus and minus this; the paper's."""
    gamma: float = 0.99
    """Discount of the intrinsic returns whose spread scales the bonus; the paper's."""
    seed: int = 0
    """Of both networks' initial weights and the order of the states."""

    def __post_init__(self) -> None:
        if not self.fields:
            raise ConfigError("name at least one field")
        if min((*self.hidden, self.embedding, self.batch_size)) < 1:
            raise ConfigError("layers, embedding and batches need a size of at least 1")
        if not (self.learning_rate > 0.0 and self.clip > 0.0 and 0.0 <= self.gamma < 1.0):
            raise ConfigError("learning_rate and clip must be positive, gamma within [0, 1)")


class RandomNetworkDistillation:
    """RND: pays how badly a predictor reproduces a fixed random network on a state; seen often, it is predicted well.

    ``bonus(s) = 1/E * |f_predictor(x) - f_target(x)|^2 / sigma``, where ``x`` are the chosen fields with the running
    mean taken off and divided by the running standard deviation, kept within plus and minus 5; E is the size of the
    embedding; and ``sigma`` is the running standard deviation of each world's intrinsic return,
    ``R_t = gamma R_{t-1} + error_t``, which does not stop at the end of an episode.

    Source: Burda, Edwards, Storkey & Klimov, *Exploration by random network distillation* (ICLR 2019, arXiv
    1810.12894), sections 2.2 to 2.4, and their released ``ppo_agent.py`` (the filter that runs forward in time).
    They give the bonus a value function and a discount of its own; added to another reward it shares the learner's.

    Scoring is pure: calling it changes nothing, so that it is a `RewardFunction` like any other. Learning is a call of
    its own, `update`, once per rollout. In a `WeightedSum` it is one part beside the task's reward. While a policy
    trains, ``envreward train --learning rnd:fields=tcp_pos+obj_pos,weight=0.5`` does both, beside any reward.

    When to use it: rewards are sparse, and there are too many fields to count states. Take fields that say what
    *could* be reached, and leave out what changes by itself.

    Known failures: fields that are pure noise stay new for long. The bonus of rare states fades once they are known,
    whether or not anything came of them, and with it the wish to go back. It drifts over training, so returns of
    different times do not compare. Programs and studies that score a state twice must not update in between.
    """

    doc = "Random network distillation, arXiv 1810.12894."
    """Where the formula comes from."""

    def __init__(self, config: RndConfig, size: int) -> None:
        """Make both networks for states of ``size`` numbers; see `for_fields`."""
        self.config = config
        self.size = size
        generator = torch.Generator().manual_seed(config.seed)
        self._target = _network(size, config, generator)
        self._predictor = _network(size, config, generator)
        self._target.requires_grad_(False)
        self._optimiser = torch.optim.Adam(self._predictor.parameters(), lr=config.learning_rate)
        self._order = torch.Generator().manual_seed(config.seed)
        self._inputs = _Running(size)
        self._spread = _Running(1)
        self._returns = torch.zeros(0, dtype=torch.float64)

    @classmethod
    def for_fields(cls, config: RndConfig, fields: Mapping[str, Field]) -> RandomNetworkDistillation:
        """Make one for a task's fields.

        Raises:
            UnknownNameError: A name is no field.
            ConfigError: A field is text.
        """
        return cls(config, feature_size(config.fields, fields))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return self.config.fields

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Compute the bonus of N states given as field values ``[N, ...]``; nothing is learned from them.

        Networks are small and stay on the CPU; the answer is where the states are.

        Raises:
            ConfigError: The fields have another size than they were declared with.
            RewardRuntimeError: A field is not finite.
        """
        error = self._error(self._normalised(self._features(state, 1)))
        error = error.to(state[self.parameters[0]].device)
        bonus = error / self._scale()
        return RewardOutput(bonus, {"novelty": bonus, "prediction_error": error})

    def update(self, **state: Tensor) -> float:
        """Learn from T steps of N worlds, as `learn` does; return the mean error before it."""
        return float(self.learn(**state).components["prediction_error"].mean(dtype=torch.float64))

    def learn(self, **state: Tensor) -> RewardOutput:
        """Return the bonus of T steps of N worlds, field values ``[T, N, ...]`` in time order, and learn from them.

        First the running statistics take the states in, then the bonus is computed, and last the predictor takes one
        gradient step per batch.

        Raises:
            ConfigError: There is no state, or N differs from that of the updates before.
            RewardRuntimeError: A field is not finite.
        """
        features = self._features(state, 2)
        steps, worlds, _ = features.shape
        if not steps * worlds:
            raise ConfigError("there is no state to learn from")
        if self._returns.numel() not in (0, worlds):
            raise ConfigError(f"updates must keep their number of worlds: {self._returns.numel()}, then {worlds}")
        if not self._returns.numel():
            self._returns = torch.zeros(worlds, dtype=torch.float64)
        self._inputs.add(features.flatten(0, 1).double())
        rows = self._normalised(features)
        error = self._error(rows).double()
        returns = torch.empty_like(error)
        for t in range(steps):
            self._returns = self.config.gamma * self._returns + error[t]
            returns[t] = self._returns
        self._spread.add(returns.view(-1, 1))
        bonus = (error / self._scale()).to(torch.float32)
        self._improve(rows.flatten(0, 1))
        return RewardOutput(bonus, {"novelty": bonus, "prediction_error": error.to(torch.float32)})

    def tensors(self) -> dict[str, Tensor]:
        """Return copies of all that decides how it goes on: networks, optimiser, statistics, random state."""
        tensors = {f"target.{name}": value for name, value in self._target.state_dict().items()}
        tensors |= {f"predictor.{name}": value for name, value in self._predictor.state_dict().items()}
        for number, parameter in enumerate(self._predictor.parameters()):
            moments = self._optimiser.state.get(parameter, {})
            tensors |= {f"adam.{number}.{name}": value for name, value in moments.items()}
        tensors |= self._inputs.tensors("inputs") | self._spread.tensors("spread") | {"returns": self._returns}
        return {name: value.clone() for name, value in tensors.items()} | {"order": self._order.get_state()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `tensors` returned."""
        for name, network in (("target", self._target), ("predictor", self._predictor)):
            network.load_state_dict(_below(f"{name}.", tensors))
        for number, parameter in enumerate(self._predictor.parameters()):
            moments = {name: value.clone() for name, value in _below(f"adam.{number}.", tensors).items()}
            if moments:
                self._optimiser.state[parameter] = moments
        self._inputs.restore(tensors, "inputs")
        self._spread.restore(tensors, "spread")
        self._returns = tensors["returns"].clone()
        self._order.set_state(tensors["order"].clone())

    def save(self, path: Path) -> None:
        """Write all of `tensors` as safetensors."""
        write_tensors(path, _KIND, self.tensors(), {"config": asdict(self.config), "size": self.size})

    @classmethod
    def load(cls, path: Path) -> RandomNetworkDistillation:
        """Read what `save` wrote.

        Raises:
            ConfigError: The file holds something else.
        """
        tensors, about = read_tensors(path, _KIND)
        settings = about["config"]
        config = RndConfig(**{**settings, "fields": tuple(settings["fields"]), "hidden": tuple(settings["hidden"])})
        loaded = cls(config, about["size"])
        loaded.restore(tensors)
        return loaded

    def _features(self, state: Mapping[str, Tensor], leading: int) -> Tensor:
        features = joined(self.config.fields, state, leading)
        if features.shape[-1] != self.size:
            raise ConfigError(f"{', '.join(self.parameters)} have {features.shape[-1]} numbers, not {self.size}")
        return features.to(self._returns.device)

    def _normalised(self, features: Tensor) -> Tensor:
        shifted = (features.double() - self._inputs.mean) / self._inputs.std()
        return shifted.clamp(-self.config.clip, self.config.clip).float()

    def _error(self, rows: Tensor) -> Tensor:
        with torch.no_grad():
            error: Tensor = (self._predictor(rows) - self._target(rows)).square().mean(-1)
        return error

    def _scale(self) -> float:
        return float(self._spread.std())

    def _improve(self, rows: Tensor) -> None:
        order = torch.randperm(len(rows), generator=self._order)
        for start in range(0, len(rows), self.config.batch_size):
            batch = order[start : start + self.config.batch_size]
            loss = (self._predictor(rows[batch]) - self._target(rows[batch])).square().mean()
            self._optimiser.zero_grad()
            loss.backward()
            self._optimiser.step()


class _Running:
    """Mean and variance of all rows so far, by Chan, Golub & LeVeque's rule for joining two samples (1983)."""

    def __init__(self, size: int) -> None:
        self.count = torch.zeros((), dtype=torch.float64)
        self.mean = torch.zeros(size, dtype=torch.float64)
        self.squares = torch.zeros(size, dtype=torch.float64)  # sum of squared deviations

    def add(self, rows: Tensor) -> None:
        """Take in rows ``[M, size]``."""
        more, mean = len(rows), rows.mean(0)
        both = self.count + more
        away = mean - self.mean
        self.squares = self.squares + (rows - mean).square().sum(0) + away.square() * self.count * more / both
        self.mean = self.mean + away * more / both
        self.count = both

    def std(self) -> Tensor:
        """Return the standard deviation ``[size]``; 1 before there are rows and where all rows are equal."""
        variance = self.squares / self.count.clamp(min=1.0)
        return variance.sqrt().where(variance > 0.0, 1.0)

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Return what is to be saved."""
        return {f"{name}.count": self.count, f"{name}.mean": self.mean, f"{name}.squares": self.squares}

    def restore(self, tensors: Mapping[str, Tensor], name: str) -> None:
        """Take over what was saved."""
        self.count, self.mean, self.squares = (tensors[f"{name}.{part}"] for part in ("count", "mean", "squares"))


def _below(start: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(start): value for name, value in tensors.items() if name.startswith(start)}


def _network(size: int, config: RndConfig, generator: torch.Generator) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in config.hidden:
        layers += [nn.Linear(size, width), nn.ReLU()]
        size = width
    network = nn.Sequential(*layers, nn.Linear(size, config.embedding))
    for layer in network:
        if isinstance(layer, nn.Linear):
            nn.init.orthogonal_(layer.weight, gain=math.sqrt(2.0), generator=generator)
            nn.init.zeros_(layer.bias)
    return network
