"""State of the tracker's episodes, and what its forms change of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from ...kit.app import Post
from .errands import MAX_PARTS, Errand, Tally, tally
from .issues import CLOSED, LABELS, PEOPLE, USER, Changes, Comment, Issue, Project
from .pages import NO_COMPLAINT, NOBODY, Complaint

MAX_COMMENT = 1_000
"""Characters of a comment."""
MILESTONES = (
    "topic or author of an issue to be found were searched for",
    "topic and author of an issue to be found were searched for",
    "an issue to be found was listed",
    "an issue to be found was opened",
    "all issues to be found were opened",
    *(f"{count} parts of the goal done at once" for count in range(1, MAX_PARTS + 1)),
)


@dataclass
class TrackerState:
    """One episode of the tracker."""

    project: Project = field(repr=False)
    errand: Errand = field(repr=False)
    tally: Tally
    changes: Changes = field(default_factory=dict)
    complaint: Complaint = NO_COMPLAINT
    """About the comment just tried."""
    opened: list[int] = field(default_factory=list, repr=False)
    """Issues to be found whose pages have been shown."""
    milestones: list[float] = field(default_factory=lambda: [0.0] * len(MILESTONES), repr=False)


def take_action(state: TrackerState, number: int, action: str, post: Post) -> bool:
    """Carry out what a form of an issue's page asks for; return whether it has such a form."""
    state.complaint = NO_COMPLAINT
    act = _ACTIONS.get(action)
    after = act(state, state.project.issue(number, state.changes), post) if act is not None else None
    if after is None:
        return False
    if after == state.project.issues[number]:
        state.changes.pop(number, None)
    else:
        state.changes[number] = after
    state.tally = tally(state.project, state.errand, state.changes)
    return True


def _comment(state: TrackerState, issue: Issue, post: Post) -> Issue:
    text = " ".join(post.get("text").split())
    if not text or len(text) > MAX_COMMENT:
        wrong = f"Write at most {MAX_COMMENT} characters." if text else "Write something first."
        state.complaint = Complaint(issue.number, wrong, post.get("text"))
        return issue
    return replace(issue, comments=(*issue.comments, Comment(USER, text)))


def _label(state: TrackerState, issue: Issue, post: Post) -> Issue:
    chosen = post.all("label")
    return replace(issue, labels=tuple(label for label in LABELS if label in chosen))


def _assign(state: TrackerState, issue: Issue, post: Post) -> Issue | None:
    person = post.get("person")
    if person not in (NOBODY, *PEOPLE):
        return None
    return replace(issue, assignee="" if person == NOBODY else person)


def _close_or_reopen(state: TrackerState, issue: Issue, post: Post) -> Issue | None:
    if issue.status != "open":
        return replace(issue, status="open")
    reason = next((reason for reason in CLOSED if reason == post.get("reason")), None)
    return None if reason is None else replace(issue, status=reason)


_ACTIONS: Mapping[str, Callable[[TrackerState, Issue, Post], Issue | None]] = {
    "comments": _comment,
    "labels": _label,
    "assign": _assign,
    "status": _close_or_reopen,
}
