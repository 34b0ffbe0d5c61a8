"""What every algorithm keeps of its members beside what it learns: random state, statistics, running returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from .config import Member, PPOConfig, SACConfig
from .member_state import MemberState, exploration_generator
from .normalize import ObsNormalizer, ReturnScaler, RunningMoments

GENERATOR = "generator"
"""Name of the generators' states, which torch keeps on the CPU whatever they draw on."""


@dataclass(kw_only=True)
class Running:
    """Of M members with N worlds each."""

    generators: list[torch.Generator]
    """On the members' device: what they draw is never copied. CPUs and GPUs draw other numbers from the same seed."""
    normalizer: ObsNormalizer
    scaler: ReturnScaler
    returns: Tensor
    """Undiscounted returns so far of the running episodes, float64 ``[M, N]``."""

    @classmethod
    def load(cls, state: Mapping[str, Tensor], config: PPOConfig | SACConfig) -> Running:
        """Go on from stacked states that hold what `save` returned, on the device where they lie."""
        device = state["returns"].device
        generators = [torch.Generator(device=device) for _ in state[GENERATOR]]
        for generator, saved in zip(generators, state[GENERATOR], strict=True):
            generator.set_state(saved.clone())  # a view of a larger tensor is refused
        scaler = ReturnScaler(_moments(state, "return"), state["return.running"], config.gamma)
        normalizer = ObsNormalizer(_moments(state, "obs"), config.obs_clip, config.obs_min_std)
        return cls(generators=generators, normalizer=normalizer, scaler=scaler, returns=state["returns"])

    def save(self) -> dict[str, Tensor]:
        """Return what belongs into the members' states, stacked."""
        saved = {
            "return.running": self.scaler.running,
            "returns": self.returns,
            GENERATOR: torch.stack([g.get_state() for g in self.generators]),
        }
        for name, moments in (("obs", self.normalizer.moments), ("return", self.scaler.moments)):
            saved |= {f"{name}.mean": moments.mean, f"{name}.var": moments.var, f"{name}.count": moments.count}
        return saved

    def restart(self) -> None:
        """Forget the running episodes."""
        self.returns.zero_()
        self.scaler.running.zero_()


def fresh_running(member: Member, obs_size: int, num_worlds: int, device: torch.device | str) -> MemberState:
    """Return this part of the state of a member that has not trained yet and will do so on ``device``."""
    f64 = torch.float64
    return {
        GENERATOR: exploration_generator(member, device).get_state(),
        "obs.mean": torch.zeros(obs_size, dtype=f64),
        "obs.var": torch.ones(obs_size, dtype=f64),
        "obs.count": torch.zeros(1, dtype=f64),
        "return.mean": torch.zeros(1, dtype=f64),
        "return.var": torch.ones(1, dtype=f64),
        "return.count": torch.zeros(1, dtype=f64),
        "return.running": torch.zeros(num_worlds, dtype=f64),
        "returns": torch.zeros(num_worlds, dtype=f64),
    }


def _moments(state: Mapping[str, Tensor], name: str) -> RunningMoments:
    return RunningMoments(state[f"{name}.mean"], state[f"{name}.var"], state[f"{name}.count"])
