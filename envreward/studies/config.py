"""StudyConfig: everything that decides how a study runs, kept in its record as JSON."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from envreward.errors import ConfigError
from envreward.llm import LLMConfig
from envreward.training.config import CheckpointRule, PPOConfig, RacingConfig, SACConfig, TrainerName

from .budget import Budget

MAX_SEED = 10_000
# Seeds of the search and of the report never meet: candidates are ranked on policies trained and scored with seeds of
# the study's own; what is reported comes from seeds that all studies share, so that baselines can be kept.
_SEARCH_EVALUATION, _REPORT, _REPORT_EVALUATION = 50_000_000, 100_000_000, 150_000_000


@dataclass(frozen=True, kw_only=True)
class StudyConfig:
    """One search for a reward."""

    env_id: str
    """Gymnasium id of the task."""
    instruction: str
    """What the agent should do, as the designer is told."""
    designer: str = "evolve"
    designer_options: Mapping[str, Any] = field(default_factory=dict)
    """Keyword arguments of the designer's class."""
    llm: str | None = None
    """Which language model, in the words of `envreward.llm.open_llm`; ``None`` for designers that need none."""
    llm_config: LLMConfig = field(default_factory=LLMConfig)
    """How it is asked."""
    samples: int = 8
    """Reward programs per iteration."""
    iterations: int = 3
    steps: int = 500_000
    """Environment steps per training."""
    seeds: int = 1
    """Trainings per candidate during the search."""
    final_seeds: int = 5
    """Trainings of the winner and of each baseline, on fresh seeds, for the report."""
    eval_episodes: int = 20
    """Episodes over which a trained policy is scored."""
    trainer: TrainerName = "ppo"
    ppo: PPOConfig = field(default_factory=PPOConfig)
    sac: SACConfig = field(default_factory=SACConfig)
    racing: RacingConfig | None = None
    processes: int = 0
    """Training processes; 0: one per core."""
    device: str = "cpu"
    """Where trainings have their worlds, networks and replays: see `envreward.training.config.TrainingJob`."""
    checkpoint: CheckpointRule = "final"
    """Which policy of each training is scored: see `envreward.training.config.TrainingJob`."""
    sandbox: str = "bubblewrap"
    budget: Budget = field(default_factory=Budget)
    seed: int = 0
    """Decides everything random in the search."""

    def __post_init__(self) -> None:
        for name in ("samples", "iterations", "steps", "seeds", "final_seeds", "eval_episodes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 <= self.seed < MAX_SEED:
            raise ConfigError(f"seed must be between 0 and {MAX_SEED - 1}, got {self.seed}")
        if max(self.seeds, self.final_seeds) > 1000:
            raise ConfigError("seeds and final_seeds must be at most 1000")
        if self.checkpoint != "final" and self.trainer.startswith("sb3:"):
            raise ConfigError(
                f"{self.trainer} keeps its last policy only, and checkpoint {self.checkpoint} is wanted: "
                "take checkpoint final, or ppo or sac"
            )
        if not self.instruction.strip():
            raise ConfigError("the instruction is empty: say in a sentence what the agent should do")

    def search_seeds(self) -> tuple[int, ...]:
        """Return the training seeds of every candidate, the same for all so that they differ by reward alone."""
        return tuple(self.seed * 1000 + i for i in range(self.seeds))

    def report_seeds(self) -> tuple[int, ...]:
        """Return the training seeds of the final comparison: disjoint from the search's, the same in all studies."""
        return tuple(_REPORT + i for i in range(self.final_seeds))

    def evaluation_seed(self, *, final: bool) -> int:
        """Return the seed of the evaluation episodes; the search's never occurs in the final comparison."""
        return _REPORT_EVALUATION if final else _SEARCH_EVALUATION + self.seed * 1000

    def to_json(self) -> str:
        """Return the config as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> StudyConfig:
        """Read what `to_json` wrote.

        Raises:
            ConfigError: It holds settings that this version does not know.
        """
        raw: dict[str, Any] = json.loads(text)
        try:
            return cls._from_plain(raw)
        except (TypeError, KeyError) as error:
            raise ConfigError(f"the study's settings are another version's ({error}): use that version") from error

    @classmethod
    def _from_plain(cls, raw: dict[str, Any]) -> StudyConfig:
        for name, settings in (("ppo", PPOConfig), ("sac", SACConfig)):
            if name in raw:  # what was written before SAC has no settings of it
                raw[name] = settings(**raw[name] | {"hidden_sizes": tuple(raw[name]["hidden_sizes"])})
        raw["racing"] = RacingConfig(**raw["racing"]) if raw["racing"] else None
        if raw["llm_config"]["price_usd_per_mtok"] is not None:
            raw["llm_config"]["price_usd_per_mtok"] = tuple(raw["llm_config"]["price_usd_per_mtok"])
        raw["llm_config"] = LLMConfig(**raw["llm_config"])
        raw["budget"] = Budget(**raw["budget"])
        return cls(**raw)
