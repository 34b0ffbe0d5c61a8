"""Errands of the issue tracker: what an episode asks for, and how much of it has been done."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Literal, NamedTuple

from ...kit.app import Goal, Slot
from .issues import CLOSED, LABELS, PEOPLE, REMARKS, USER, Changes, Comment, Issue, Project, edits

PartKind = Literal["comment", "label", "status", "assignee"]
MAX_PARTS = 3


class Part(NamedTuple):
    """One thing to do; ``kind`` and ``value`` are those of `issues.edits`."""

    number: int
    """Of the issue."""
    kind: PartKind
    value: str


@dataclass(frozen=True)
class Errand:
    """What an episode is to do."""

    targets: tuple[int, ...]
    """Numbers of the issues to find, in the instruction's order."""
    parts: tuple[Part, ...]
    """What to do, one to `MAX_PARTS` things, sorted by target."""
    wanted: Mapping[int, Issue]
    """The targets as they should be in the end."""
    goal: Goal
    """The same in words."""


class Tally(NamedTuple):
    """How far the changes made are those wanted."""

    done: tuple[bool, ...]
    """Of each part."""
    unwanted: int
    """Edits that are not asked for."""
    spoiled: bool
    """Whether one of these cannot be taken back: all but labels, and closing or reopening, of an issue to be found. The
    others notify people."""


def draw_errand(project: Project, random: Random) -> Errand:
    """Return an errand that the project allows: each issue can be told by topic and author, each part changes it."""
    count = random.choice((1, 2, 2, 3))
    several = count > 1 and random.random() < 0.4
    targets = [project.issues[number] for number in random.sample(project.distinct, 2 if several else 1)]
    kinds: list[tuple[int, PartKind]] = [(t, k) for t in range(len(targets)) for k in _KINDS]
    random.shuffle(kinds)
    chosen = [next(pair for pair in kinds if pair[0] == t) for t in range(len(targets))]  # something to do on each
    chosen += [pair for pair in kinds if pair not in chosen][: count - len(chosen)]
    parts = [_draw_part(targets[t], kind, random) for t, kind in sorted(chosen)]
    told = Goal(_instruct(project, targets, parts), _slots(project, parts), parts=len(parts))
    wanted = {issue.number: _with_parts(issue, parts) for issue in targets}
    return Errand(tuple(wanted), tuple(parts), wanted, told)


def _with_parts(issue: Issue, parts: list[Part]) -> Issue:
    """Return an issue with its parts of an errand done."""
    for part in parts:
        if part.number != issue.number:
            continue
        match part.kind:
            case "comment":
                issue = replace(issue, comments=(*issue.comments, Comment(USER, part.value)))
            case "label":
                issue = replace(issue, labels=tuple(sorted((*issue.labels, part.value))))
            case "assignee":
                issue = replace(issue, assignee=part.value)
            case "status":
                issue = replace(issue, status=part.value)  # type: ignore[arg-type]
    return issue


_KINDS: tuple[PartKind, ...] = ("comment", "label", "status", "assignee")


def _draw_part(issue: Issue, kind: PartKind, random: Random) -> Part:
    match kind:
        case "comment":
            value = random.choice(REMARKS)
        case "label":
            value = random.choice([label for label in LABELS if label not in issue.labels])
        case "status":
            value = random.choice(CLOSED) if issue.status == "open" else "open"
        case "assignee":
            value = random.choice([person for person in PEOPLE if person != issue.assignee])
    return Part(issue.number, kind, value)


def _instruct(project: Project, targets: list[Issue], parts: list[Part]) -> str:
    sentences = []
    for issue in targets:
        wishes = [_wish(part) for part in parts if part.number == issue.number]
        last = wishes.pop()
        wanted = f"{', '.join(wishes)} and {last}" if wishes else last
        sentences.append(f'find the issue about "{issue.topic}" opened by {issue.author}: {wanted}.')
    return f"In the issue tracker of {project.name}, {' Then '.join(sentences)} Change nothing else."


def _wish(part: Part) -> str:
    match part.kind:
        case "comment":
            return f'comment "{part.value}"'
        case "label":
            return f'add the label "{part.value}"'
        case "assignee":
            return f"assign it to {part.value}"
        case "status":
            return "reopen it" if part.value == "open" else f"close it as {part.value}"


def _slots(project: Project, parts: list[Part]) -> tuple[Slot, ...]:
    slots: list[Slot] = []
    for index, part in enumerate(parts):
        issue = project.issues[part.number]
        slots += [Slot("topic", issue.topic, index), Slot("author", issue.author, index)]
        if part.kind != "status":
            slots.append(Slot(part.kind, part.value, index))
        elif part.value == "open":
            slots.append(Slot("status", "reopen", index))
        else:
            slots.append(Slot("close as", part.value, index))
    return tuple(slots)


def tally(project: Project, errand: Errand, changes: Changes) -> Tally:
    """Compare the issues as they are now with the project as it was."""
    made: set[tuple[int, str, str]] = set()
    unwanted, spoiled = 0, False
    for number, issue in changes.items():
        for kind, value in edits(project.issues[number], issue):
            edit = (number, kind, value)
            if edit in errand.parts:
                made.add(edit)
            else:
                unwanted += 1
                spoiled |= number not in errand.targets or kind not in _REVERSIBLE
    return Tally(tuple(part in made for part in errand.parts), unwanted, spoiled)


_REVERSIBLE = ("label", "unlabel", "status")
