"""Projects for the issue tracker: seeded issues, how they are searched, and what an episode changes of them.

A `Project` is made once per size and number and never changes; an episode's `Changes` are a small mapping over it. So
an episode begins in microseconds, and what it has changed need not be searched for.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Literal, NamedTuple, TypeAlias

from ...kit.page import Page

Status = Literal["open", "completed", "not planned"]
USER = "you"
"""Author of the agent's comments."""
CLOSED: tuple[Status, Status] = ("completed", "not planned")
"""The two ways in which an issue can be closed."""
SIZES = (100, 200, 500, 1000)
"""Issues of a project."""
PROJECTS = 4
"""Projects of each size."""
PER_PAGE = 10
"""Issues on one page of a list."""
SORTS = ("newest", "oldest", "most commented")

_WORD = re.compile(r"\w+")


class Comment(NamedTuple):
    """What somebody wrote below an issue."""

    author: str
    text: str


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue as it is at a moment."""

    number: int
    topic: str
    """What it is about, in few words; part of the title."""
    title: str
    body: str
    author: str
    labels: tuple[str, ...]
    """In alphabetical order."""
    assignee: str
    """Empty for nobody."""
    status: Status
    comments: tuple[Comment, ...]


Changes: TypeAlias = dict[int, Issue]
"""Issues that are no longer as the project has them, by number."""


class Query(NamedTuple):
    """What a list of issues shows; empty strings do not restrict it."""

    words: str = ""
    """Words that title or body must all contain."""
    status: str = "open"
    """``open``, ``closed`` or empty for both."""
    label: str = ""
    author: str = ""
    sort: str = "newest"


@dataclass(frozen=True)
class Project:
    """A fixed set of issues, numbered from 1, and what they are found by."""

    name: str
    issues: Mapping[int, Issue]
    by_word: Mapping[str, frozenset[int]]
    by_label: Mapping[str, frozenset[int]]
    by_author: Mapping[str, frozenset[int]]
    open: frozenset[int]
    distinct: tuple[int, ...]
    """Issues that can be told by their topic and author and are not on the page that an episode begins with."""
    found: dict[Query, tuple[int, ...]]
    """Answers to queries already asked of the unchanged project."""
    pages: dict[str, Page]
    """Pages already made of the unchanged project, by path."""

    def issue(self, number: int, changes: Changes) -> Issue:
        """Return an issue as it is now.

        Raises:
            KeyError: There is none of that number.
        """
        return changes.get(number) or self.issues[number]

    def find(self, query: Query, changes: Changes) -> tuple[int, ...]:
        """Return the numbers of the issues that a query finds now, in its order."""
        found = self.found.get(query)
        if found is None:
            found = self._order(self._search(query), query.sort, {})
            if len(self.found) < KEPT_QUERIES and len(query.words) < 100:
                self.found[query] = found
        if not changes:
            return found
        same = [number for number in found if number not in changes]
        changed = [number for number, issue in changes.items() if matches(issue, query)]
        return self._order([*same, *changed], query.sort, changes)

    def _search(self, query: Query) -> Iterable[int]:
        sets: list[frozenset[int]] = [self.by_word.get(word, frozenset()) for word in words(query.words)]
        if query.label:
            sets.append(self.by_label.get(query.label, frozenset()))
        if query.author:
            sets.append(self.by_author.get(query.author, frozenset()))
        if query.status == "open":
            sets.append(self.open)
        found = frozenset.intersection(*sets) if sets else frozenset(self.issues)
        return found - self.open if query.status == "closed" else found

    def _order(self, numbers: Iterable[int], sort: str, changes: Changes) -> tuple[int, ...]:
        if sort == "most commented":
            return tuple(sorted(numbers, key=lambda n: (-len(self.issue(n, changes).comments), -n)))
        return tuple(sorted(numbers, reverse=sort != "oldest"))


KEPT_QUERIES = 500
"""Answers that a project keeps."""


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, as the search sees them."""
    return _WORD.findall(text.lower())


def matches(issue: Issue, query: Query) -> bool:
    """Return whether a query finds an issue; the meaning of `Project.find`, one issue at a time."""
    if query.status and (issue.status == "open") != (query.status == "open"):
        return False
    if query.label and query.label not in issue.labels:
        return False
    if query.author and query.author != issue.author:
        return False
    return set(words(query.words)) <= set(words(f"{issue.title} {issue.body}"))


def edits(before: Issue, after: Issue) -> set[tuple[str, str]]:
    """Return what is different about an issue, as (kind, value) pairs.

    Kinds: ``status``, ``assignee`` (value: the new one), ``label`` and ``unlabel`` (a label put on or taken off),
    ``comment`` (a text added; the second one with the same text is ``comment again``).
    """
    found: set[tuple[str, str]] = set()
    if before.status != after.status:
        found.add(("status", after.status))
    if before.assignee != after.assignee:
        found.add(("assignee", after.assignee))
    found |= {("label", label) for label in after.labels if label not in before.labels}
    found |= {("unlabel", label) for label in before.labels if label not in after.labels}
    for comment in after.comments[len(before.comments) :]:
        kind = "comment"
        while (kind, comment.text) in found:
            kind += " again"
        found.add((kind, comment.text))
    return found


@functools.cache
def project(size: int, number: int) -> Project:
    """Return a project of ``size`` issues; each ``number`` gives another one."""
    random = Random(f"{size}/{number}")
    issues = {n: _draw_issue(n, random) for n in range(1, size + 1)}
    namesakes = Counter((issue.topic, issue.author) for issue in issues.values())
    by_word: dict[str, set[int]] = {}
    by_label: dict[str, set[int]] = {label: set() for label in LABELS}
    by_author: dict[str, set[int]] = {person: set() for person in PEOPLE}
    for n, issue in issues.items():
        for word in words(f"{issue.title} {issue.body}"):
            by_word.setdefault(word, set()).add(n)
        for label in issue.labels:
            by_label[label].add(n)
        by_author[issue.author].add(n)
    is_open = frozenset(n for n, issue in issues.items() if issue.status == "open")
    first_page = sorted(is_open, reverse=True)[:PER_PAGE]
    distinct = [n for n, issue in issues.items() if namesakes[issue.topic, issue.author] == 1]
    return Project(
        name=_NAMES[number % len(_NAMES)],
        issues=issues,
        by_word=_frozen(by_word),
        by_label=_frozen(by_label),
        by_author=_frozen(by_author),
        open=is_open,
        distinct=tuple(n for n in distinct if n not in first_page),
        found={},
        pages={},
    )


def _frozen(index: Mapping[str, set[int]]) -> dict[str, frozenset[int]]:
    return {key: frozenset(numbers) for key, numbers in index.items()}


def _draw_issue(number: int, random: Random) -> Issue:
    topic = f"{random.choice(_SUBJECTS)} {random.choice(_PROBLEMS)}"
    author, condition = random.choice(PEOPLE), random.choice(_CONDITIONS)
    body = f"{random.choice(_OPENINGS)} {random.choice(_DETAILS)}"
    if random.random() < 0.3:
        body += f" Perhaps related: {random.choice(_SUBJECTS)} {random.choice(_PROBLEMS)}."
    status: Status = "open" if random.random() < 0.65 else random.choice(CLOSED)
    count = max(0, random.randint(-2, 4))
    return Issue(
        number=number,
        topic=topic,
        title=f"{topic} {condition}",
        body=body,
        author=author,
        labels=tuple(sorted(random.sample(LABELS, random.choice((0, 1, 1, 2))))),
        assignee=random.choice(PEOPLE) if random.random() < 0.4 else "",
        status=status,
        comments=tuple(Comment(random.choice(PEOPLE), random.choice(_REPLIES)) for _ in range(count)),
    )


PEOPLE = ("amara", "bruno", "chiara", "dana", "elif", "farid", "greta", "hana", "ivo", "jonas")
"""Who writes and is assigned issues."""
LABELS = ("bug", "docs", "duplicate", "feature", "good first issue", "performance", "security", "urgent")
REMARKS = (
    "Fixed in the next release.",
    "Please attach a log file.",
    "I can reproduce this.",
    "This is by design.",
    "Which version do you use?",
    "Thank you for the report.",
    "A patch is in review.",
    "Closing, see the manual.",
)
"""Comments that goals ask for; none of them stands in a project."""
_NAMES = ("lantern", "orchard", "quarry", "tidepool")
_SUBJECTS = (
    "PDF export",
    "Dark mode",
    "CSV import",
    "Login page",
    "Calendar sync",
    "Search box",
    "Print preview",
    "Video player",
    "Backup job",
    "Map view",
    "Undo button",
    "Photo upload",
    "Chat window",
    "Invoice editor",
    "Command line",
    "Status bar",
    "Address book",
    "File watcher",
)
_PROBLEMS = (
    "crashes",
    "freezes",
    "is slow",
    "loses settings",
    "shows wrong totals",
    "ignores the time zone",
    "leaks memory",
    "duplicates entries",
    "cuts off text",
    "needs two clicks",
    "mixes up languages",
    "fills the disk",
)
_CONDITIONS = (
    "on large files",
    "after an update",
    "when offline",
    "with two monitors",
    "on first start",
    "after midnight",
    "for new users",
    "with long names",
    "on tablets",
    "when zoomed in",
)
_OPENINGS = (
    "It worked in the last release.",
    "Happens every time.",
    "I saw this twice today.",
    "A customer told us.",
    "Hard to say when it began.",
    "Easy to reproduce.",
)
_DETAILS = (
    "Restarting helps for an hour.",
    "Nothing is in the log.",
    "The same with a fresh profile.",
    "Only on our test machine so far.",
    "The settings are the default ones.",
    "See the screenshot in the forum.",
)
_REPLIES = (
    "Same here.",
    "Still there in the nightly build.",
    "Could be the cache.",
    "Works for me.",
    "Any news?",
    "I will look at it this week.",
)
