"""A way through the tracker: search for an issue by topic and author, open it, change it."""

from __future__ import annotations

from ...kit.events import Click, Event, Fill, Select
from ...kit.view import View
from .issues import LABELS, Issue
from .pages import ANY, NOBODY, issue_number, label_id
from .state import TrackerState


def next_event(state: TrackerState, view: View) -> Event:
    """Return the next event that makes the first issue that is not as wanted so."""
    number, wanted = _next_issue(state)
    if view.page.kind == "list":
        return _towards(state, view, number)
    if issue_number(view.page.path) != number:
        return Click("all")
    return _change(view, state.project.issue(number, state.changes), wanted)


def _next_issue(state: TrackerState) -> tuple[int, Issue]:
    """Return the first issue that is not as wanted, or else the first one named, and how it should be."""
    errand, changes = state.errand, state.changes
    for number in errand.targets:
        wanted = errand.wanted[number]
        if state.project.issue(number, changes) != wanted:
            return number, wanted
    return errand.targets[0], errand.wanted[errand.targets[0]]


def _towards(state: TrackerState, view: View, number: int) -> Event:
    """Return the next event on the way from a list to an issue's page."""
    by_id = view.page.by_id
    if f"i{number}" in by_id:
        return Click(f"i{number}")
    issue = state.project.issue(number, state.changes)
    if view.value(by_id["label"]) != ANY:
        return Click("all")  # a long list need not offer "any" to a small policy
    if view.value(by_id["q"]) != issue.topic:
        return Fill("q", issue.topic)
    if view.value(by_id["author"]) != issue.author:
        return Select("author", issue.author)
    if view.value(by_id["status"]) not in (ANY, "open" if issue.status == "open" else "closed"):
        return Select("status", ANY)
    if view.typed or "next" not in by_id:
        return Click("search")  # which begins at the first page
    return Click("next")


def _change(view: View, issue: Issue, wanted: Issue) -> Event:
    """Return the next event that makes an issue, whose page is shown, as it should be."""
    by_id = view.page.by_id
    if len(issue.comments) < len(wanted.comments):
        text = wanted.comments[-1].text
        return Click("send") if view.value(by_id["comment"]) == text else Fill("comment", text)
    if issue.labels != wanted.labels:
        for label in LABELS:
            if view.checked(by_id[label_id(label)]) != (label in wanted.labels):
                return Click(label_id(label))
        return Click("save-labels")
    if issue.assignee != wanted.assignee:
        person = wanted.assignee or NOBODY
        return Click("assign") if view.value(by_id["assignee"]) == person else Select("assignee", person)
    if issue.status != "open":
        return Click("reopen")
    return Click("close") if view.value(by_id["reason"]) == wanted.status else Select("reason", wanted.status)
