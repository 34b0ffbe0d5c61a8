"""``envreward compare``: judge rewards, alone and against each other."""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import tyro

from ._files import read_text
from ._format import number, percent

if TYPE_CHECKING:
    from rich.console import Console

    from envreward.judging import Judgement, JudgingConfig, Player, Subject, Verdict
    from envreward.judging.findings import Divergence
    from envreward.judging.words import Verdicts
    from envreward.sandbox import Sandbox

Folders: TypeAlias = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="DIR")]
Files: TypeAlias = Annotated[tuple[Path, ...], tyro.conf.UseAppendAction, tyro.conf.arg(metavar="FILE")]
MaybeFile: TypeAlias = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]
MaybeDir: TypeAlias = Annotated[Path | None, tyro.conf.arg(metavar="DIR", help_behavior_hint="")]
MaybeRun: TypeAlias = Annotated[str | None, tyro.conf.arg(metavar="RUN", help_behavior_hint="")]

_STYLES = {"sound": "green", "doubts": "yellow", "distrust": "red", "unclear": "cyan"}
_MARKS = {"against": "red", "doubt": "yellow", "fact": ""}


@dataclass(frozen=True)
class Command:
    """Judge rewards: what they pay for, whether they can be trusted, and how far apart they are.

    All are computed over the same episodes: of the task's own behaviours, the zero action, random policies, and what
    else is named. Each verdict comes with its evidence: how returns order policies that fitness tells apart, components
    that do nothing, which fields matter, archived exploits, the course of trainings; and for each two rewards EPIC and
    STARC distances and the correlation of returns.

    Reward programs run inside the sandbox, the task's own rewards here.
    """

    rewards: Annotated[tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="REWARD...", help_behavior_hint="")]
    """One or more: a program's file; or expert, sparse or another of the task's rewards (see `envreward envs ID`)."""
    env: Annotated[str, tyro.conf.arg(metavar="ID")]
    """The environment, e.g. Hopper (see `envreward envs`)."""
    policies: Folders = ()
    """A folder that holds trained policies, there or below; may be given several times."""
    rollouts: Files = ()
    """A file of recorded episodes, as `envreward agent` writes them; may be given several times."""
    exploits: MaybeDir = None
    """A folder of recorded episodes (*.jsonl) in which an agent cheated; does a reward pay them more than success?"""
    training: MaybeRun = None
    """A search (its folder or name) or a training's folder: what became of success while rewards were learnt."""
    episodes: int = 8
    """Episodes per policy."""
    seed: int = 0
    """Seeds episodes and samples."""
    sandbox: str = "bubblewrap"
    """Where programs run: bubblewrap, or process (no wall around it: for programs you trust)."""
    json: MaybeFile = None
    """Also write everything that was found to this file, as JSON."""

    def run(self) -> int:
        """Judge, and print the verdicts with their evidence."""
        from envreward.errors import ConfigError
        from envreward.judging import judge, judgement_verdict
        from envreward.judging.trainings import read_trainings
        from envreward.registry import find_task_spec

        if not self.rewards:
            raise ConfigError("name at least one reward to judge, e.g. expert sparse")
        if len(set(self.rewards)) < len(self.rewards):
            raise ConfigError("a reward is named twice")
        env_id = find_task_spec(self.env).id
        with tempfile.TemporaryDirectory(prefix="envreward-compare-") as scratch:
            subjects, sandbox = self._subjects(env_id, Path(scratch))
            trainings: list[Divergence] = []
            if self.training is not None:
                trainings = read_trainings(_run_folder(self.training), subjects, env_id)
            players, exploits = self._players(env_id, Path(scratch) / "episodes")
            judgement = judge(
                env_id,
                subjects,
                players,
                exploits=exploits,
                sandbox=sandbox,
                config=self._config(),
            )
        judgement = dataclasses.replace(judgement, trainings=tuple(trainings))
        verdicts = judgement_verdict(judgement)
        if self.json is not None:
            plain = {"judgement": dataclasses.asdict(judgement), "verdicts": dataclasses.asdict(verdicts)}
            self.json.write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
        _print(judgement, verdicts, self.training if self.training is not None and not trainings else None)
        return 0

    def _config(self) -> JudgingConfig:
        from envreward.judging import JudgingConfig

        return JudgingConfig(episodes=self.episodes, seed=self.seed)

    def _subjects(self, env_id: str, scratch: Path) -> tuple[list[Subject], Sandbox | None]:
        """Return the rewards, and the sandbox where a program is among them."""
        from envreward.judging.scoring import trusted_subject
        from envreward.registry import make_task
        from envreward.studies.crew import usable_sandbox

        task = make_task(env_id)
        own = ("expert", "sparse", *task.rewards)
        paths = [Path(name) for name in self.rewards if name not in own and Path(name).is_file()]
        bare = [path.name for path in paths]
        files = {path.name if bare.count(path.name) == 1 else str(path): path for path in paths}
        trusted = {name: trusted_subject(task, name) for name in self.rewards if Path(name) not in paths}
        sandbox = usable_sandbox(self.sandbox) if files else None
        programs = _verified(files, env_id, sandbox, scratch / "verification") if sandbox is not None else []
        known = trusted | {str(files[program.name]): program for program in programs}
        return [known[name if name in trusted else str(Path(name))] for name in self.rewards], sandbox

    def _players(self, env_id: str, folder: Path) -> tuple[list[Player], list[Player]]:
        from envreward.judging.evidence import find_policies, find_rollouts, play_all, read_players, told_apart

        recorded = read_players(self.rollouts, env_id)  # files first: what is wrong with them is known at once
        exploits = read_players(find_rollouts(self.exploits), env_id) if self.exploits is not None else []
        policies = find_policies(self.policies)
        return told_apart([*play_all(env_id, policies, self._config(), folder), *recorded]), exploits


def _verified(files: dict[str, Path], env_id: str, sandbox: Sandbox, folder: Path) -> list[Subject]:
    """Return programs that pass the verification, with what a call costs.

    Raises:
        RewardError: One does not pass; the message says why.
        ConfigError: A file is no text.
    """
    from envreward.errors import RewardRuntimeError
    from envreward.judging import Subject
    from envreward.registry import make_task
    from envreward.rewards.program import RewardProgram
    from envreward.rewards.verify import verify

    fields, answers, programs = make_task(env_id).fields, {}, {}
    for name, file in files.items():
        answers[name] = read_text(file)
        programs[name] = RewardProgram.from_answer(answers[name], fields)
    subjects = []
    for name, verdict in verify(answers, env_id, sandbox, folder).items():
        if verdict.status != "ok":
            raise RewardRuntimeError(f"{name}: {verdict.reason}")
        doc = f"program of {files[name]}"
        subjects.append(Subject(name=name, reward=programs[name], doc=doc, cost_s=verdict.time_per_call_s))
    return subjects


def _run_folder(text: str) -> Path:
    from envreward.judging.trainings import JOB

    from ._runs import find_run

    return Path(text) if (Path(text) / JOB).is_file() else find_run(text)


def _print(judgement: Judgement, verdicts: Verdicts, fruitless: str | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for verdict in (*verdicts.rewards, *verdicts.pairs):
        _print_verdict(console, verdict)
    table = Table(box=None, header_style="dim", pad_edge=False)
    names = [found.name for found in judgement.rewards]
    heads = ("policy", "kind", "episodes", "success", "fitness", *(f"return: {name}" for name in names))
    for index, head in enumerate(heads):
        table.add_column(Text(head), justify="left" if index < 2 else "right")
    for policy in judgement.policies:
        cells = (policy.policy, policy.kind, str(policy.episodes), percent(policy.success), number(policy.fitness))
        table.add_row(*map(Text, (*cells, *(number(policy.returns[name]) for name in names))))
    console.print(table)
    for note in _notes(judgement, fruitless):
        console.print(Text(note, style="dim"), soft_wrap=True)


def _print_verdict(console: Console, verdict: Verdict) -> None:
    from rich.text import Text

    console.print(Text(verdict.headline, style=f"bold {_STYLES[verdict.level]}"), soft_wrap=True)
    for remark in verdict.remarks:
        console.print(Text(f"  {remark.text}", style=_MARKS[remark.level]), soft_wrap=True)
    console.print()


def _notes(judgement: Judgement, fruitless: str | None) -> Sequence[str]:
    found = [f"Fitness: {judgement.fitness_doc}"] if judgement.fitness_doc else []
    if fruitless is not None:
        found.append(f"No training in {fruitless} was with one of these rewards.")
    return found
