"""``envreward agent``: record episodes of a language model, an oracle or a policy."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from envreward.errors import BudgetExceededError, ConfigError, InfraError, LLMError
from envreward.llm import LLMConfig
from envreward.studies.folder import runs_root

from ._format import count, money, number, percent
from ._options import MaybeFloat, MaybeInt, MaybeText

if TYPE_CHECKING:
    from rich.console import Console

    from envreward.agents.rollout_file import RolloutFile
    from envreward.agents.rollouts import Header
    from envreward.agents.summary import Summary
    from envreward.task import Task
    from envreward.task_vector_env import TaskVectorEnv

MaybeFile = Annotated[Path | None, tyro.conf.arg(metavar="FILE", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class Command:
    """Let a language model act in an environment, and record every step: all facts, actions, errors, tokens, dollars.

    envreward agent --env ID --llm openai/gpt-4o --episodes 50 --max-usd 2

    The rollouts can be scored with any reward afterwards: see `envreward rescore`. A run that was stopped goes on when
    the same command is given with the same --out: episodes that have ended are not played again. Episodes in which the
    machinery failed (a browser, a container, the model's provider) are lost: counted, not scored.

    --llm takes a litellm name (openai/gpt-4o, anthropic/..., ollama/llama3), replay:FILE (play recorded answers),
    record:FILE=MODEL (record them), or manual (carry prompts and answers to and from any chat window).

    --policy records without a language model, in every environment: oracle, random, or a trained policy's folder.

    Exit code 0: all episodes have ended. 4: all were lost. 5: the model cannot be asked. 6: a limit was reached.
    """

    env: str
    """The task; `envreward envs` lists them."""
    llm: MaybeText = None
    """The language model; see above."""
    policy: MaybeText = None
    """In place of a language model: oracle, random, or the folder of a trained policy."""
    episodes: int = 20
    """Episodes to play, one from each seed."""
    seed: int = 0
    """Seed of the first episode; the others follow. A seed gives the same episode to everyone who acts."""
    concurrency: int = 4
    """Episodes under way at once."""
    out: MaybeFile = None
    """Rollouts file, continued where it exists (default: a new one in $ENVREWARD_RUNS, else runs)."""
    retry_lost: bool = False
    """Play episodes again that were lost."""
    max_steps: MaybeInt = None
    """Steps after which an episode is cut off (default: the task's own)."""
    max_usd: MaybeFloat = None
    """Hard limit on what the language model costs, US dollars, earlier sessions of the file included."""
    max_calls: MaybeInt = None
    """Hard limit on answers asked of the language model, earlier sessions included."""
    max_tokens: MaybeInt = None
    """Hard limit on tokens, prompts and answers together, earlier sessions included."""
    max_minutes: MaybeFloat = None
    """Hard limit on the wall-clock time of this session."""
    temperature: float = 0.0
    """Sampling temperature."""
    context_tokens: int = 32_000
    """Longest conversation, in tokens; older observations are shortened to keep within it."""
    max_failures: int = 5
    """Actions in a row that cannot be taken, until an episode is cut off."""
    text_calls: bool = False
    """Let calls be written as JSON text, for models that cannot call tools; always so with manual."""
    llm_config: LLMConfig = field(default_factory=LLMConfig)
    """How the language model is asked."""
    json: bool = False
    """Print the summary as JSON."""

    def run(self) -> int:
        """Play what is to be played, then say what came of all of it."""
        from envreward.registry import find_task_spec, make_task

        from ._session import _terminated_is_interrupted

        self._check()
        spec = find_task_spec(self.env)
        task = make_task(spec.id)
        out = self.out or _new_file(spec.id)
        play = self._play_llm if self.llm is not None else self._play_policy
        try:
            with _terminated_is_interrupted():
                play(task, out)
        except KeyboardInterrupt:
            sys.stderr.write(f"envreward: stopped, nothing is lost; the same command with --out {out} goes on\n")
            if out.exists():
                self._print_summary(out)
            raise
        except (BudgetExceededError, InfraError, LLMError, OSError):
            if out.exists():
                sys.stderr.write(f"envreward: what was played is kept; the same command with --out {out} goes on\n")
                self._print_summary(out)
            raise
        summary = self._print_summary(out)
        if summary.outcomes["lost"] == summary.asked:
            raise InfraError(f"all {summary.asked} episodes were lost; {out} says why")
        return 0

    def _check(self) -> None:
        if (self.llm is None) == (self.policy is None):
            raise ConfigError(
                "who acts? name a language model with --llm, e.g. --llm openai/gpt-4o, or give --policy oracle, "
                "--policy random or --policy POLICY_DIR; one of the two"
            )
        for name in ("episodes", "concurrency", "max_steps", "max_minutes", "max_usd", "max_calls", "max_tokens"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ConfigError(f"--{name.replace('_', '-')} must be positive, got {value}")
        if self.seed < 0:
            raise ConfigError(f"--seed cannot be negative, got {self.seed}")

    @property
    def _seeds(self) -> range:
        return range(self.seed, self.seed + self.episodes)

    def _left(self, file: RolloutFile) -> list[int]:
        """Return the seeds whose episodes have not ended yet."""
        ended = file.before.episodes if file.before is not None else ()
        done = {e.seed for e in ended if not (self.retry_lost and e.outcome == "lost")}
        return [seed for seed in self._seeds if seed not in done]

    def _play_llm(self, task: Task, out: Path) -> None:
        from envreward.agents.episode import AgentConfig, agent_header
        from envreward.agents.rollout_file import RolloutFile
        from envreward.agents.rollouts import read_rollouts
        from envreward.agents.runner import run_agent
        from envreward.llm import Caps, Usage, open_llm
        from envreward.world_task import WorldTask

        assert self.llm is not None
        if not isinstance(task, WorldTask) or not task.tools:
            raise ConfigError(f"{task.spec.id} has no tools that a language model could call; --policy works in it")
        by_hand = self.llm.partition("=")[2] if self.llm.startswith("record:") else self.llm
        config = AgentConfig(
            temperature=self.temperature,
            context_tokens=self.context_tokens,
            max_failures=self.max_failures,
            text_calls=self.text_calls or by_hand.startswith("manual"),
        )
        spent = read_rollouts(out).usage if out.exists() and out.stat().st_size else Usage()
        caps = Caps(calls=self.max_calls, tokens=self.max_tokens, cost_usd=self.max_usd)
        llm = open_llm(self.llm, config=self.llm_config, caps=caps, spent=spent)
        header = agent_header(task, llm.model, config, self._horizon(task))
        with RolloutFile(out, header) as file:
            seeds = self._left(file)
            with _Progress(len(seeds), out, live=not by_hand.startswith("manual")) as progress:
                run_agent(
                    task,
                    llm,
                    file,
                    seeds,
                    config=config,
                    concurrency=self.concurrency,
                    wall_s=None if self.max_minutes is None else self.max_minutes * 60,
                    ended=lambda end: progress.ended(end.seed, end.outcome),
                )

    def _play_policy(self, task: Task, out: Path) -> None:
        from envreward.agents.recording import record_rollouts, rollouts_header
        from envreward.agents.rollout_file import RolloutFile
        from envreward.vector_env import make_vector_env
        from envreward.world_task import WorldTask

        assert self.policy is not None
        alone = self.policy == "oracle" and not isinstance(task, WorldTask)  # it knows the step of one world
        worlds = 1 if alone else min(self.concurrency, self.episodes)
        env = make_vector_env(task.spec.id, worlds, reward="none", max_episode_steps=self._horizon(task))
        try:
            act = _policy(self.policy, env)
            actor = self.policy if self.policy in ("oracle", "random") else str(Path(self.policy).resolve())
            header: Header = rollouts_header(env, actor)
            with RolloutFile(out, header) as file:
                seeds = self._left(file)
                with _Progress(len(seeds), out) as progress:
                    record_rollouts(env, act, file, seeds, progress.ended)
        finally:
            env.close()

    def _horizon(self, task: Task) -> int:
        return task.spec.horizon if self.max_steps is None else self.max_steps

    def _print_summary(self, out: Path) -> Summary:
        from rich.console import Console

        from envreward.agents.rollouts import read_rollouts
        from envreward.agents.summary import summarize

        rollouts = read_rollouts(out)
        summary = summarize(rollouts.episodes, self._seeds)
        if self.json:
            about = {"rollouts": str(out), "env_id": rollouts.header.env_id, "actor": rollouts.header.actor}
            plain = {**about, **dataclasses.asdict(summary), "usage_of_file": dataclasses.asdict(rollouts.usage)}
            sys.stdout.write(json.dumps(plain, indent=1) + "\n")
        else:
            _print(Console(), summary, rollouts.header, out, llm=self.llm is not None)
        return summary


def _policy(name: str, env: TaskVectorEnv) -> Callable[[Any], Any]:
    from envreward.agents.recording import RandomPolicy, oracle_policy

    if name == "oracle":
        return oracle_policy(env)
    if name == "random":
        return RandomPolicy(env)
    from envreward.training.policy_io import load_policy

    if not Path(name).is_dir():
        raise ConfigError(f"--policy {name!r} is neither oracle, random nor the folder of a trained policy")
    policy = load_policy(Path(name))
    form = policy.form
    fits = tuple(env.single_observation_space.shape or ()) == form.obs_shape
    if not fits or tuple(env.single_action_space.shape or ()) != form.action_shape:
        raise ConfigError(f"the policy in {name} was trained on {form.env_id} and does not fit {env.task.spec.id}")
    return policy.act


def _new_file(env_id: str) -> Path:
    name = Path(env_id.rpartition("/")[2]).stem if ":" not in env_id else env_id.rpartition(":")[2]
    stem = f"rollouts-{name.removesuffix('-v0')}-{time.strftime('%Y%m%d-%H%M%S')}"
    free = (runs_root() / f"{stem if not n else f'{stem}-{n}'}.jsonl" for n in range(1000))
    return next(path for path in free if not path.exists())


class _Progress:
    """A bar on a terminal, a line per episode elsewhere; on standard error, so that the summary can be piped."""

    def __init__(self, total: int, out: Path, *, live: bool = True) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        self._console: Console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._live = live and self._console.is_terminal
        self._bar = Progress(*columns, console=self._console, transient=True, disable=not self._live)
        self._task = self._bar.add_task("episodes", total=total)
        self._successes = self._done = 0
        self._total, self._out = total, out

    def __enter__(self) -> _Progress:
        self._console.print(f"{self._total} episodes to play, into {self._out}", soft_wrap=True, markup=False)
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def ended(self, seed: int, outcome: str) -> None:
        """Count an episode that has ended."""
        self._done += 1
        self._successes += outcome == "success"
        self._bar.update(self._task, advance=1, description=f"episodes, {self._successes} succeeded")
        if not self._live:
            self._console.print(f"[{self._done}/{self._total}] seed {seed}: {outcome}", soft_wrap=True, markup=False)


def _print(console: Console, summary: Summary, header: Header, out: Path, *, llm: bool) -> None:
    from rich.table import Table
    from rich.text import Text

    counts = [f"{n} {name}" for name, n in summary.outcomes.items() if n]
    if summary.unfinished:
        counts.append(f"{summary.unfinished} not finished")
    interval = summary.success_interval
    spread = "" if interval is None else f" (95% interval {interval.low:.1%} to {interval.high:.1%})"
    rows = [
        ("task", header.env_id),
        ("actor", header.actor),
        ("episodes", f"{summary.asked}: {', '.join(counts)}"),
        (
            "success",
            f"{percent(summary.success)}{spread}" + (", lost ones left out" if summary.outcomes["lost"] else ""),
        ),
        ("fitness", f"{number(summary.fitness)} on average"),
        ("steps", f"{number(summary.mean_steps)} per episode"),
        ("action errors", f"{summary.action_errors} of {summary.steps} actions could not be taken"),
    ]
    if llm:
        usage = summary.usage
        tokens = f"{count(usage.prompt_tokens)} in, {count(usage.completion_tokens)} out"
        rows.append(("language model", f"{usage.calls} calls, {tokens}, {money(usage.cost_usd)}"))
    rows.append(("rollouts", str(out)))
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, Text(text))
    console.print(table)
