"""Tracker: a project's issues, to be found among hundreds and commented, labelled, assigned, closed or reopened.

Labels, closing and reopening of an issue that the instruction names can be taken back. A comment, an assignment and any
change of another issue cannot, since people are told of them at once: one that is not wanted ends the episode.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

from ...kit.app import App, Goal, Post, split
from ...kit.events import Event
from ...kit.page import Page
from ...kit.task import WebTask
from ...kit.view import View
from .errands import draw_errand, tally
from .issues import PER_PAGE, PROJECTS, SIZES, Changes, Project, project
from .oracle import next_event
from .pages import NO_COMPLAINT, Complaint, issue_number, issue_page, list_page, query_of
from .progress import FIELDS, tracker_facts
from .state import TrackerState, take_action

_KEPT_PAGES = 300  # of one project, unchanged; some 8 kB each


class Tracker(App[TrackerState]):
    """An issue tracker."""

    name = "tracker"
    page_kinds = ("list", "issue")
    commands = (
        *("Search", "Next page", "All issues"),
        *("Send comment", "Save labels", "Assign", "Close issue", "Reopen issue"),
    )
    fields = FIELDS
    success_doc = (
        "Every change that the instruction asks for is made, and no other; the episode ends then, or with an unwanted "
        "change that cannot be taken back."
    )
    fitness_doc = "Share of the changes asked for that are made, less as much for each unwanted change; at least 0."

    def new_state(self, seed: int) -> TrackerState:
        """Draw a project and what to do in it."""
        random = Random(seed)
        chosen = project(random.choice(SIZES), random.randrange(PROJECTS))
        errand = draw_errand(chosen, random)
        return TrackerState(chosen, errand, tally(chosen, errand, {}))

    def goal(self, state: TrackerState) -> Goal:
        """Return what to do; its parts are the single changes."""
        return state.errand.goal

    def key(self, state: TrackerState) -> Any:
        """Return project, instruction and changes."""
        changes = sorted(state.changes.items())
        return state.project.name, len(state.project.issues), state.errand.goal.instruction, changes, state.complaint

    def page(self, state: TrackerState, path: str) -> Page | None:
        """Return a list of issues or an issue."""
        if state.changes or state.complaint.number:
            return _page(state.project, state.changes, state.complaint, path)
        pages = state.project.pages
        page = pages.get(path)
        if page is None:
            page = _page(state.project, {}, NO_COMPLAINT, path)
            if page is not None and len(pages) < _KEPT_PAGES and len(path) < 200:
                pages[path] = page
        return page

    def visit(self, state: TrackerState, path: str) -> None:
        """Note which of the issues to be found have been opened."""
        number = issue_number(path)
        if number in state.errand.targets and number not in state.opened:
            state.opened.append(number)

    def handle(self, state: TrackerState, post: Post) -> str | None:
        """Comment, label, assign, close or reopen an issue."""
        path, _, action = post.path.rpartition("/")
        number = issue_number(path)
        if number is None or number not in state.project.issues or not take_action(state, number, action, post):
            return None
        return path

    def parts_done(self, state: TrackerState) -> tuple[bool, ...]:
        """Return which changes are made."""
        return state.tally.done

    def facts(self, state: TrackerState, view: View) -> Mapping[str, Any]:
        """Compare what is there and on the screen with what is wanted, and note the milestones."""
        return tracker_facts(state, view)

    def oracle(self, state: TrackerState, view: View) -> Event:
        """Find the first issue that is not as wanted and make it so."""
        return next_event(state, view)


class TrackerTask(WebTask):
    """Find issues and change them."""

    app_type = Tracker


def _page(project: Project, changes: Changes, complaint: Complaint, path: str) -> Page | None:
    route, values = split(path)
    if route == "/":
        asked = query_of(values)
        if asked is None:
            return None
        query, number = asked
        found = project.find(query, changes)
        shown = [project.issue(n, changes) for n in found[(number - 1) * PER_PAGE : number * PER_PAGE]]
        return list_page(path, project.name, query, number, shown, len(found))
    issue = issue_number(path)
    if issue is None or issue not in project.issues:
        return None
    return issue_page(project.issue(issue, changes), complaint if complaint.number == issue else NO_COMPLAINT)
