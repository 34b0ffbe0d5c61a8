"""``envreward show``: one search in detail."""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from envreward.errors import RewardError, UnknownNameError
from envreward.studies import Candidate, TrainedMember, best
from envreward.studies.store import StudyStore

from ._format import count, duration, money, number, percent, status_text
from ._options import MaybeText, Run
from ._runs import find_run


@dataclass(frozen=True, kw_only=True)
class Command:
    """Show one search: its candidates with status and score, the final comparison, what it has cost."""

    folder: Run
    """The run's folder, or its name as `envreward runs` shows it."""
    candidate: MaybeText = None
    """Show this candidate alone, e.g. c003: its program, where it came from, how it did."""
    code: bool = False
    """Print the program and nothing else: the candidate's, or else the winner's."""
    answer: bool = False
    """With --candidate: print the text it came from (the language model's whole answer) and nothing else."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Print what was asked for."""
        with StudyStore.open(find_run(self.folder)) as store:
            chosen = self._chosen(store)
            if self.json:
                _write(json.dumps(dataclasses.asdict(chosen) if chosen else _as_dict(store), indent=1))
            elif self.code or self.answer:
                _write(_text_of(chosen or _winner(store), answer=self.answer))
            elif chosen is not None:
                _print_candidate(Console(), chosen)
            else:
                _print_study(Console(), store)
        return 0

    def _chosen(self, store: StudyStore) -> Candidate | None:
        if self.candidate is None:
            return None
        by_id = {c.id: c for c in store.candidates()}
        if self.candidate not in by_id:
            raise UnknownNameError("candidate", self.candidate, by_id)
        return by_id[self.candidate]


def _winner(store: StudyStore) -> Candidate:
    winner = best(store.candidates())
    if winner is None:
        raise RewardError(f"{store.folder} has no winner: no candidate has been scored yet")
    return winner


def _text_of(candidate: Candidate, *, answer: bool) -> str:
    if answer:
        return candidate.answer
    if candidate.source is None:
        raise RewardError(
            f"{candidate.id} has no program: {candidate.reason}", fix="--answer shows the text it came from."
        )
    return candidate.source


def _as_dict(store: StudyStore) -> dict[str, Any]:
    winner = best(store.candidates())
    return {
        "folder": str(store.folder),
        "state": store.state(),
        "config": json.loads(store.config.to_json()),
        "winner": winner.id if winner else None,
        "candidates": [dataclasses.asdict(c) for c in store.candidates()],
        "comparison": [dataclasses.asdict(m) for m in store.members("winner", "expert", "sparse")],
        "spent": dataclasses.asdict(store.spent()),
        "phases_s": store.phases_s(),
        "versions": store.versions(),
        "events": [event._asdict() for event in store.events()],
    }


def _print_study(console: Console, store: StudyStore) -> None:
    config, candidates = store.config, store.candidates()
    winner = best(candidates)
    console.print(Text(f"{store.folder.name}: {config.env_id}, {config.designer}, {store.state()}", style="bold"))
    console.print(Text(f"instruction: {config.instruction}"))
    table = Table(box=None, header_style="dim")
    for name in ("id", "iteration", "status", "fitness", "success", "made by", "reason"):
        table.add_column(name, justify="right" if name in ("iteration", "fitness", "success") else "left")
    for c in candidates:
        mark = Text(f"{c.id} *" if winner is not None and c.id == winner.id else c.id)
        made = Text(c.origin + (f" of {', '.join(c.parents)}" if c.parents else ""))
        reason = Text(" ".join(c.reason.split())[:160])
        row = (mark, str(c.iteration), status_text(c.status), number(c.fitness), percent(c.success), made, reason)
        table.add_row(*row)
    console.print(table)
    _print_comparison(console, store.members("winner", "expert", "sparse"), winner)
    spent = store.spent()
    text = f"used: {duration(spent.wall_s)}, {count(spent.env_steps)} environment steps, {spent.trainings} trainings"
    if spent.llm_calls:
        text += f", {spent.llm_calls} LLM calls, {count(spent.tokens)} tokens, {money(spent.usd)}"
    console.print(Text(text))
    for event in store.events():
        if event.kind in ("stopped", "note") and event.text:
            console.print(Text(f"{event.kind}: {event.text}"))


def _print_comparison(console: Console, members: list[TrainedMember], winner: Candidate | None) -> None:
    mine = [m for m in members if m.candidate is None or (winner is not None and m.candidate == winner.id)]
    if not mine:
        return
    table = Table(title="final comparison, fresh seeds", title_justify="left", box=None, header_style="dim")
    for name in ("reward", "seed", "status", "fitness", "success"):
        table.add_column(name)
    for member in mine:
        score = member.evaluation
        name = f"{member.role} ({member.candidate})" if member.candidate else member.role
        status = f"{member.status}, kept from an earlier study" if member.reused else member.status
        fitness, success = (score.fitness, score.success) if score else (None, None)
        table.add_row(name, str(member.seed), status, number(fitness), percent(success))
    console.print(table)


def _print_candidate(console: Console, candidate: Candidate) -> None:
    console.print(Text(f"{candidate.id}, iteration {candidate.iteration}: {candidate.status}", style="bold"))
    facts = [
        ("made by", candidate.origin),
        ("learned", candidate.learning),
        ("from", ", ".join(candidate.parents)),
        ("reason", candidate.reason),
        ("fitness", number(candidate.fitness) if candidate.fitness is not None else ""),
        ("success", percent(candidate.success) if candidate.success is not None else ""),
    ]
    for name, text in facts:
        if text:
            console.print(Text(f"{name + ':':<9} {text}"))
    console.print()
    console.print(Text(candidate.source if candidate.source is not None else candidate.answer))


def _write(text: str) -> None:
    sys.stdout.write(text.rstrip("\n") + "\n")
