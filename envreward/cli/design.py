"""``envreward design``: search for a reward."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from envreward.errors import ConfigError
from envreward.llm import LLMConfig
from envreward.studies import Budget, Spent, StudyConfig
from envreward.studies.folder import runs_root
from envreward.training.config import CheckpointRule, PPOConfig, RacingConfig, SACConfig, TrainerName

from ._options import MaybeFloat, MaybeFolder, MaybeInt, MaybeText, Texts
from ._session import run_study

Preset = Literal["demo"]
PRESETS = {"demo": {"samples": 6, "iterations": 2, "steps": 120_000, "seeds": 2, "final_seeds": 3}}


@dataclass(frozen=True, kw_only=True)
class Command:
    """Search for a reward function that teaches an agent a task.

    A designer proposes reward programs. Each is verified, then used to train a policy from scratch; the policies are
    scored by the task's own success test, which no reward can see, and the designer proposes better ones. At the end
    the best program is trained again on fresh seeds, next to the human-written and the sparse reward under the same
    budget, and a report says what was found.

    Without an API key: envreward design --env Hopper

    With a language model: envreward design --env HopperFrontFlip --designer eureka --llm openai/gpt-4o --max-usd 2

    --llm takes a litellm name (openai/gpt-4o, anthropic/..., ollama/llama3), replay:FILE (play recorded answers),
    record:FILE=MODEL (record them), or manual (carry prompts and answers to and from any chat window).

    A search that was stopped or killed goes on with: envreward resume RUN. Nothing is paid for twice.
    """

    env: str
    """The task, e.g. Hopper; `envreward envs` lists them."""
    preset: Annotated[Preset | None, tyro.conf.arg(help_behavior_hint="")] = None
    """Settings for what is not given: demo ends within minutes on a laptop, with weaker evidence."""
    designer: str = "evolve"
    """Who proposes rewards: evolve needs no language model; `envreward designers` lists them all."""
    option: Texts = ()
    """An option of the designer; may be given several times."""
    llm: MaybeText = None
    """The language model, where the designer asks one; see above."""
    instruction: MaybeText = None
    """What the agent should do, in place of the task's own sentence. The test of success stays."""
    samples: MaybeInt = None
    """Reward programs per iteration (default: the designer's own)."""
    iterations: MaybeInt = None
    """Rounds of proposing, training and scoring (default: the designer's own)."""
    steps: MaybeInt = None
    """Environment steps with which each policy is trained (default: 500000)."""
    seeds: MaybeInt = None
    """Policies trained per program during the search; their mean score counts, as one may be lucky (default: 1)."""
    final_seeds: MaybeInt = None
    """Policies trained with the winner, and with each baseline, for the report (default: 5)."""
    episodes: int = 20
    """Episodes over which a trained policy is scored."""
    trainer: TrainerName = "ppo"
    """Trainer: ppo and sac train all programs together, sb3:... uses Stable-Baselines3, one after another."""
    racing: bool = False
    """Stop the worse half of the programs early, several times during each training."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of PPO; a task's own take the place of these defaults (`--env TASK --help` shows them)."""
    sac: SACConfig = field(default_factory=SACConfig)
    """Settings of SAC, likewise."""
    processes: int = 0
    """Training processes; 0 is one per CPU core."""
    device: str = "cpu"
    """Where worlds and networks live while training: cpu, or cuda for a GPU. Policies are scored on the CPU."""
    checkpoint: Annotated[CheckpointRule | None, tyro.conf.arg(help_behavior_hint="")] = None
    """Which policy of a training is scored: final, the last one, or peak_return, the one that earned most of its own
    reward (default: what the designer wants, mostly final)."""
    sandbox: str = "bubblewrap"
    """Where reward programs run: bubblewrap, or process (no wall around them: for programs you trust)."""
    max_usd: MaybeFloat = None
    """Hard limit on what the language model costs, US dollars."""
    max_calls: MaybeInt = None
    """Hard limit on answers asked of the language model."""
    max_tokens: MaybeInt = None
    """Hard limit on tokens, prompts and answers together."""
    max_minutes: MaybeFloat = None
    """Hard limit on wall-clock time. Time for the final comparison is set aside, so the search ends earlier."""
    max_env_steps: MaybeInt = None
    """Hard limit on environment steps of all trainings, the final comparison included."""
    max_trainings: MaybeInt = None
    """Hard limit on policies trained, the final comparison included."""
    llm_config: LLMConfig = field(default_factory=LLMConfig)
    """How the language model is asked."""
    seed: int = 0
    """Decides everything random in the search: same seed and same answers, same result."""
    video: bool = True
    """Film the winner's policy, and judge its reward on episodes, for the report."""
    name: MaybeText = None
    """Name of the run (default: task, designer and time)."""
    out: MaybeFolder = None
    """Folder in which the run's own folder is made (default: $ENVREWARD_RUNS, else runs)."""

    @classmethod
    def for_task(cls, env: str) -> Command:
        """Return the command's defaults for a task.

        Raises:
            UnknownNameError: No such environment.
        """
        from envreward.registry import find_task_spec
        from envreward.training.task_settings import task_settings

        return cls(env=env, **task_settings(find_task_spec(env))._asdict())

    def run(self) -> int:
        """Begin the study and see it through."""
        from envreward.studies.comparison import require_minimum
        from envreward.studies.crew import assemble, versions
        from envreward.studies.jobs import make_job
        from envreward.studies.store import StudyStore
        from envreward.training.runner import check_device

        config = self.config()
        crew = assemble(config, Spent())
        require_minimum(config, crew.task)
        check_device(make_job(config, (), racing=False), crew.task)
        return run_study(StudyStore.create(self._folder(config), config, versions()), crew, video=self.video)

    def config(self) -> StudyConfig:
        """Return the study's settings.

        Raises:
            UnknownNameError: No such environment or designer.
            ConfigError: Settings that cannot work.
        """
        from envreward.registry import find, find_task_spec
        from envreward.studies.designer import default_checkpoint

        spec = find_task_spec(self.env)
        designer = find("designers", self.designer)
        return StudyConfig(
            env_id=spec.id,
            instruction=spec.instruction if self.instruction is None else self.instruction,
            designer=self.designer,
            designer_options=_options(self.option),
            llm=self.llm,
            llm_config=self.llm_config,
            samples=self._setting("samples", designer.default_samples),
            iterations=self._setting("iterations", designer.default_iterations),
            steps=self._setting("steps", 500_000),
            seeds=self._setting("seeds", 1),
            final_seeds=self._setting("final_seeds", 5),
            eval_episodes=self.episodes,
            trainer=self.trainer,
            ppo=self.ppo,
            sac=self.sac,
            racing=RacingConfig() if self.racing else None,
            processes=self.processes,
            device=self.device,
            checkpoint=self.checkpoint or default_checkpoint(designer),
            sandbox=self.sandbox,
            budget=Budget(
                env_steps=self.max_env_steps,
                trainings=self.max_trainings,
                llm_calls=self.max_calls,
                tokens=self.max_tokens,
                usd=self.max_usd,
                wall_s=None if self.max_minutes is None else self.max_minutes * 60,
            ),
            seed=self.seed,
        )

    def _setting(self, name: str, default: int) -> int:
        given: int | None = getattr(self, name)
        return given if given is not None else PRESETS.get(self.preset or "", {}).get(name, default)

    def _folder(self, config: StudyConfig) -> Path:
        root = self.out or runs_root()
        if self.name is not None:
            if self.name in ("", ".", "..") or "/" in self.name:
                raise ConfigError(f"a run's name is that of a folder, got {self.name!r}: leave out slashes")
            return root / self.name
        task = config.env_id.rpartition("/")[2].removesuffix("-v0")
        stem = f"{task}-{config.designer}-{time.strftime('%Y%m%d-%H%M%S')}"
        free = (root / (stem if not n else f"{stem}-{n}") for n in range(1000))
        return next(folder for folder in free if not folder.exists())


def _options(texts: tuple[str, ...]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"--option takes NAME=VALUE, got {text!r}")
        try:
            options[name.replace("-", "_")] = json.loads(value)
        except json.JSONDecodeError:
            options[name.replace("-", "_")] = value
    return options
