"""Trained policies on disk: weights and observation statistics as safetensors, their form as JSON, no code."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from envreward.errors import ConfigError
from envreward.worlds import CandidateShape

from .candidate_networks import EXCLUDED, split
from .networks import Activation, HeadName, NetworkSpec, activate

WEIGHTS, FORM = "policy.safetensors", "policy.json"


@dataclass(frozen=True, kw_only=True)
class PolicyForm:
    """What a policy's weights mean."""

    env_id: str
    obs_shape: tuple[int, ...]
    action_shape: tuple[int, ...]
    """Of one action; empty for a discrete one."""
    action_size: int
    """Entries of a continuous action, or number of discrete ones."""
    layers: tuple[int, ...]
    """Units of the hidden layers."""
    activation: Activation
    head: HeadName
    squash: bool = False
    """Whether the mean goes through tanh and is scaled to the action space (SAC, TD3)."""
    candidates: CandidateShape | None = None
    """Sizes of the candidates it chooses from (see `envreward.worlds`)."""
    obs_clip: float
    """Normalised observations are clipped to this; observations are not normalised without ``obs_mean``."""


class Policy:
    """A trained policy that acts without exploration."""

    def __init__(self, form: PolicyForm, tensors: Mapping[str, Tensor]) -> None:
        """Use ``tensors``: ``actor.<layer>.weight`` ``[in, out]`` and ``.bias``, and ``obs_mean``, ``obs_scale``."""
        self.form, self.tensors = form, dict(tensors)

    def act(self, obs: Tensor) -> Tensor:
        """Return the action for each observation.

        Args:
            obs: ``[N, *obs_shape]``, any float type.

        Returns:
            Float32 ``[N, A]`` within the bounds of the action space, or int64 ``[N]``.
        """
        if self.form.candidates is not None:
            return self._choose(obs, self.form.candidates)
        x = obs.flatten(1)
        if "obs_mean" in self.tensors:
            clip = self.form.obs_clip
            x = ((x - self.tensors["obs_mean"]) * self.tensors["obs_scale"]).clamp(-clip, clip)
        x = x.to(torch.float32)
        last = len(self.form.layers)
        for layer in range(last + 1):
            x = torch.addmm(self.tensors[f"actor.{layer}.bias"], x, self.tensors[f"actor.{layer}.weight"])
            if layer < last:
                x = activate(x, self.form.activation)
        if self.form.head == "categorical":
            return x.argmax(-1)
        low, high = self.tensors["action_low"], self.tensors["action_high"]
        if self.form.squash:
            return low + (torch.tanh(x) + 1) * 0.5 * (high - low)
        return x.clamp(low, high)

    def _choose(self, obs: Tensor, shape: CandidateShape) -> Tensor:
        context, mask, x = split(obs.to(torch.float32), shape)
        shared = context @ self.tensors["actor.context.weight"]
        last = len(self.form.layers)
        for layer in range(last + 1):
            x = x @ self.tensors[f"actor.{layer}.weight"] + self.tensors[f"actor.{layer}.bias"]
            if layer == 0:
                x = x + shared.unsqueeze(1)
            if layer < last:
                x = activate(x, self.form.activation)
        return x.squeeze(-1).masked_fill(~mask, EXCLUDED).argmax(-1)


def save_policy(folder: Path, form: PolicyForm, tensors: Mapping[str, Tensor]) -> None:
    """Write ``policy.safetensors`` and ``policy.json`` into ``folder``, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: t.contiguous() for name, t in tensors.items()}, folder / WEIGHTS)
    (folder / FORM).write_text(json.dumps(dataclasses.asdict(form), indent=1))


def load_policy(folder: Path, device: torch.device | str = "cpu") -> Policy:
    """Load the policy in ``folder``, to act on ``device``.

    Raises:
        ConfigError: There is none, or its files do not fit each other.
    """
    try:
        raw: dict[str, Any] = json.loads((folder / FORM).read_text())
        for name in ("obs_shape", "action_shape", "layers"):
            raw[name] = tuple(raw[name])
        if raw.get("candidates") is not None:
            raw["candidates"] = CandidateShape(*raw["candidates"])
        form = PolicyForm(**raw)
        tensors = load_file(folder / WEIGHTS, str(device))
    except FileNotFoundError as error:
        raise ConfigError(f"{folder} holds no policy: {Path(error.filename or WEIGHTS).name} is missing") from None
    except (ValueError, TypeError, KeyError, SafetensorError) as error:
        raise ConfigError(f"{folder} holds no readable policy: {error}") from None
    _check(folder, form, tensors)
    return Policy(form, tensors)


def network_form(env_id: str, spec: NetworkSpec, obs_shape: tuple[int, ...], obs_clip: float) -> PolicyForm:
    """Return the form of the policies that a population with networks of form ``spec`` learns."""
    return PolicyForm(
        env_id=env_id,
        obs_shape=obs_shape,
        action_shape=(spec.action_size,) if spec.head == "gaussian" else (),
        action_size=spec.action_size,
        layers=spec.hidden_sizes,
        activation=spec.activation,
        head=spec.head,
        candidates=spec.candidates,
        obs_clip=obs_clip,
    )


def action_bounds(space: gym.spaces.Space[Any], device: torch.device | str = "cpu") -> dict[str, Tensor]:
    """Return the tensors that tell a policy the bounds of a continuous action space; none for others."""
    if not isinstance(space, gym.spaces.Box):
        return {}
    bounds = {"action_low": space.low, "action_high": space.high}
    return {name: torch.as_tensor(bound, device=device) for name, bound in bounds.items()}


def _check(folder: Path, form: PolicyForm, tensors: Mapping[str, Tensor]) -> None:
    if form.candidates is None:
        sizes = [torch.Size(form.obs_shape).numel(), *form.layers, form.action_size]
    else:
        sizes = [form.candidates.features, *form.layers, 1]
    for layer, shape in enumerate(itertools.pairwise(sizes)):
        found = tensors.get(f"actor.{layer}.weight")
        if found is None or tuple(found.shape) != shape:
            got = "nothing" if found is None else list(found.shape)
            raise ConfigError(f"{folder}: policy.json asks for a layer {layer} of {list(shape)}, {WEIGHTS} holds {got}")
