"""Settings of learned rewards, in one word: ``lare``, ``heron:pairs=steps,margin=0.5``, ``rnd:fields=tcp_pos``."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args, get_type_hints

from envreward.errors import ConfigError, UnknownNameError


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network from factors to a reward, and how it is trained; what both learners have in common."""

    hidden: int = 256
    """Units of each of the two hidden layers (ReLU). 256 in both releases: LaRe's mujoco/reward_model/module.py,
    HERON's robots/stable_baselines3/ppo/heron.py."""
    standardize: bool = True
    """Centre and scale the factors by their running statistics. HERON's release does so with its inputs (VecNormalize);
    LaRe's feeds factors as they are, which is ``False``."""
    capacity: int = 100_000
    """Steps of a member that are kept to learn from. LaRe's release keeps a million."""


@dataclass(frozen=True, kw_only=True)
class LareConfig(NetworkConfig):
    """LaRe: a decoder redistributes the episode's return over its steps (Qu et al. 2025, arXiv:2412.11120).

    Values are those of the release (github.com/thu-rllab/LaRe, mujoco/, commit 87704c5).
    """

    loss: Literal["rrd", "rd"] = "rrd"
    """``rrd``: LaRe_RRDu of the release, from `samples` random steps of an episode, unbiased (Ren et al. 2022,
    arXiv:2111.13485). ``rd``: LaRe_RD, from all steps (Efroni et al. 2021)."""
    samples: int = 64
    """Steps drawn from an episode, all where it has fewer (``rrd_k``)."""
    batch_steps: int = 256
    """Steps per gradient step: of ``batch_steps / samples`` episodes, with ``rd`` ``batch_steps / mean length``."""
    learning_rate: float = 3e-4
    """Of Adam."""
    updates_per_step: float = 1 / 32
    """Gradient steps per environment step. The release takes one, which would be most of a training's work here."""


@dataclass(frozen=True, kw_only=True)
class HeronConfig(NetworkConfig):
    """HERON: a Bradley-Terry reward model of preferences by ranked factors (Bukharin et al. 2023, arXiv:2309.02632).

    Values are those of the release's robots (github.com/abukharin3/HERON, robots/, commit 677beb5). There the factors
    are compared in a hierarchy: the first decides if it differs by more than its margin, else the second, and so on.
    """

    pairs: Literal["episodes", "steps"] = "episodes"
    """What is compared: whole episodes, by the sums of their factors, as in the paper; or single steps, as the
    release's robots do."""
    margin: float = 0.1
    """Difference that decides, in standard deviations of the factor over what is compared. The release's run files give
    one per level between 0.1 and 0.5, its default is 0."""
    samples: int = 64
    """Steps drawn from an episode, all where it has fewer; their mean times the episode's length is its return."""
    batch_episodes: int = 16
    """Episodes per gradient step with ``pairs=episodes``; each is compared with each."""
    batch_steps: int = 64
    """Steps per gradient step with ``pairs=steps``, each compared with one other: the minibatch of the release."""
    learning_rate: float = 1e-3
    """Of Adam."""
    updates_per_step: float = 1 / 64
    """Gradient steps per environment step: the release makes one pass over a rollout of 2048 in minibatches of 64."""


@dataclass(frozen=True, kw_only=True)
class NoveltyConfig:
    """RND beside a reward, its predictor learning from each rollout: see `RandomNetworkDistillation`.

    Values that are not there are `RndConfig`'s own.
    """

    fields: str = ""
    """What novelty is measured of: names with ``+`` between them."""
    weight: float = 1.0
    """What the bonus is multiplied by before it is added. Its discounted return has a spread of 1 by then."""
    hidden: int = 128
    """Units of each of the two hidden layers."""
    embedding: int = 64
    """Numbers that are predicted."""
    learning_rate: float = 1e-4
    """Of Adam, for the predictor."""


LearningConfig: TypeAlias = LareConfig | HeronConfig
"""Of rewards that are learned from the components of another one."""

_KINDS: dict[str, type[LareConfig | HeronConfig | NoveltyConfig]] = {
    "lare": LareConfig,
    "heron": HeronConfig,
    "rnd": NoveltyConfig,
}


def parse_learning(text: str) -> LearningConfig | NoveltyConfig:
    """Return the settings that ``NAME`` or ``NAME:setting=value,...`` stands for.

    Raises:
        UnknownNameError: There is no such way of learning, or no such setting or choice; near matches are listed.
        ConfigError: A value cannot be read, or is out of range.
    """
    name, _, given = text.partition(":")
    if name not in _KINDS:
        raise UnknownNameError("learned reward", name, _KINDS)
    kind = _KINDS[name]
    hints = get_type_hints(kind)
    settings: dict[str, Any] = {}
    for pair in filter(None, given.split(",")):
        setting, _, value = pair.partition("=")
        if setting not in hints:
            raise UnknownNameError(f"{name} setting", setting, hints)
        settings[setting] = _read(f"{name} {setting}", hints[setting], value)
    config = kind(**settings)
    for field in dataclasses.fields(config):
        number = getattr(config, field.name)
        if isinstance(number, int | float) and not isinstance(number, bool):
            smallest = 0 if field.name == "margin" else 1 if isinstance(number, int) else 1e-9
            if not number >= smallest or number == math.inf:
                raise ConfigError(f"{name} {field.name} must be at least {smallest} and finite, got {number}")
    return config


def _read(what: str, kind: Any, value: str) -> Any:
    choices = get_args(kind)
    if choices:
        if value not in choices:
            raise UnknownNameError(what, value, choices)
        return value
    if kind is bool:
        if value not in ("True", "False"):
            raise ConfigError(f"{what} is True or False, got {value!r}")
        return value == "True"
    try:
        return kind(value)
    except ValueError:
        raise ConfigError(f"{what} must be a number, got {value!r}") from None
