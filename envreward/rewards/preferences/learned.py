"""A reward that was learned: a small network over fields, that can be saved and paid."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from envreward.errors import ConfigError

from ..features import joined
from ..function import RewardOutput
from ..tensor_file import read_tensors, write_tensors

_KIND = "learned reward"


class LearnedReward:
    """A multilayer perceptron over chosen fields: ``r(s) = (f((x - mean) / std) - shift) / scale``.

    Preferences tell a reward's differences in units of the judge's doubt, and say nothing of its zero where segments
    are equally long. ``shift`` and ``scale`` bring it to mean 0 and standard deviation 1 over the states it was
    learned from.

    Source: Christiano et al., *Deep reinforcement learning from human preferences* (2017, arXiv 1706.03741), section
    2.2, rewards normalised as there. `fit_preferences` has the models of preference and their sources.

    When to use it: there is no formula for what is wanted, but a person, a language model or a comparison of outcomes
    can say which of two segments is better. `fit_preferences` learns it.

    Known failures: away from the states it was learned from it is made up, and a policy that is trained on it goes
    there: bound it (`PreferenceAsReward`), fit several and be careful where they disagree (`Ensemble`), and label
    segments of the newest policies. High accuracy on held-out pairs of the same policies does not show the contrary.
    """

    doc = "Bradley & Terry on partial returns, arXiv 1706.03741; on regret, arXiv 2206.02231."
    """Where the formula comes from."""

    def __init__(self, fields: Sequence[str], hidden: Sequence[int], mean: Tensor, std: Tensor, seed: int = 0) -> None:
        """Make an unlearned network.

        Args:
            fields: Which fields it reads.
            hidden: Widths of the hidden layers; none: it is linear, without a constant.
            mean: Taken off the fields' numbers ``[D]``.
            std: What they are divided by then ``[D]``.
            seed: Of the initial weights.
        """
        self.hidden = tuple(hidden)
        self.mean, self.std = mean.float(), std.float()
        self.shift, self.scale = 0.0, 1.0
        self._fields = tuple(fields)
        generator = torch.Generator().manual_seed(seed)
        layers: list[nn.Module] = []
        size = len(mean)
        for width in self.hidden:
            layers += [_linear(size, width, generator), nn.Tanh()]
            size = width
        self.network = nn.Sequential(*layers, _linear(size, 1, generator, bias=bool(self.hidden)))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the fields it reads."""
        return self._fields

    def __call__(self, **state: Tensor) -> RewardOutput:
        """Compute the rewards of N states given as field values ``[N, ...]``, on the CPU, wherever these are.

        Raises:
            ConfigError: The fields have another size than those it was learned from.
            RewardRuntimeError: A field is not finite.
        """
        with torch.no_grad():
            total = self.rewards(self.features(state, 1)).to(state[self._fields[0]].device)
        return RewardOutput(total, {"learned": total})

    def features(self, state: dict[str, Tensor], leading: int) -> Tensor:
        """Return the network's input ``[*batch, D]`` of field values with ``leading`` batch dimensions.

        Raises:
            ConfigError: The fields have another size than those it was learned from.
            RewardRuntimeError: A field is not finite.
        """
        features = joined(self._fields, state, leading)
        if features.shape[-1] != len(self.mean):
            raise ConfigError(f"{', '.join(self._fields)} have {features.shape[-1]} numbers, not {len(self.mean)}")
        return (features.to(self.mean) - self.mean) / self.std

    def rewards(self, features: Tensor) -> Tensor:
        """Return the rewards ``[*batch]`` of inputs ``[*batch, D]`` as `features` makes them, with a graph."""
        raw: Tensor = self.network(features).squeeze(-1)
        return (raw - self.shift) / self.scale

    def save(self, path: Path) -> None:
        """Write it as safetensors, with all that `load` needs."""
        about = {
            "fields": self._fields,
            "hidden": self.hidden,
            "shift": self.shift,
            "scale": self.scale,
        }
        tensors = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        tensors |= {"mean": self.mean, "std": self.std}
        write_tensors(path, _KIND, tensors, about)

    @classmethod
    def load(cls, path: Path) -> LearnedReward:
        """Read what `save` wrote.

        Raises:
            ConfigError: The file holds something else.
        """
        tensors, about = read_tensors(path, _KIND)
        reward = cls(about["fields"], about["hidden"], tensors["mean"], tensors["std"])
        weights = {k.removeprefix("network."): v for k, v in tensors.items() if k.startswith("network.")}
        reward.network.load_state_dict(weights)
        reward.shift, reward.scale = about["shift"], about["scale"]
        return reward


def _linear(size: int, width: int, generator: torch.Generator, bias: bool = True) -> nn.Linear:
    layer = nn.Linear(size, width, bias=bias)
    nn.init.orthogonal_(layer.weight, generator=generator)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
