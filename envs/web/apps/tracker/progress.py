"""Facts of the issue tracker: what is found, entered and changed of what is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envreward.fields import Field

from ...kit.view import View
from .errands import MAX_PARTS, Part
from .issues import Issue
from .pages import issue_number, label_id
from .state import MILESTONES, TrackerState

FIELDS: Mapping[str, Field] = {
    "targets": Field("Issues that the instruction names."),
    "targets_opened": Field("How many of them have been opened so far."),
    "search_entered": Field(
        "Share of topic and author of the first open part's issue that stand in the list's filter, sent or not."
    ),
    "search_right": Field(
        "Share of topic and author of the first open part's issue that the list shown is filtered by."
    ),
    "target_listed": Field("Whether one of them is on the list shown.", dtype="bool", role="flag"),
    "target_open": Field("Whether one of them is shown.", dtype="bool", role="flag"),
    "parts_total": Field("Things that the instruction asks to do."),
    "parts_done": Field("How many of them are done as things stand."),
    "part_done": Field("Which of them are done, 0 or 1 each; 0 for those there are none of.", shape=(MAX_PARTS,)),
    "value_entered": Field(
        "Whether what the first open part asks for is entered on its issue's page and not sent yet.",
        dtype="bool",
        role="flag",
    ),
    "unwanted_changes": Field("Changes made, as things stand, that the instruction does not ask for."),
    "issues_changed": Field("Issues that are not as they were."),
    "milestones": Field(
        "What has been reached at least once in the episode, 0 or 1 each.",
        shape=(len(MILESTONES),),
        names=MILESTONES,
    ),
    "progress": Field(
        "0 to 1: share of the parts done; of the first open one 0.05 for topic and author as entered, 0.1 for those "
        "searched for, 0.05 when its issue is listed, 0.4 when that is shown, 0.6 when what the part asks for is "
        "entered there; less 0.25 for each unwanted change."
    ),
    "success": Field("Whether all is done and nothing else.", dtype="bool", role="flag", private=True),
    "failure": Field("Whether the episode ends; see success_doc.", dtype="bool", role="flag", private=True),
    "fitness": Field("See the task's fitness_doc.", private=True),
}


def tracker_facts(state: TrackerState, view: View) -> Mapping[str, Any]:
    """Return the value of each of `FIELDS`, and note the milestones."""
    errand, (done, unwanted, spoiled) = state.errand, state.tally
    count, total = sum(done), len(done)
    page = view.page
    is_list = page.kind == "list"
    listed = is_list and any(f"i{target}" in page.by_id for target in errand.targets)
    shown = None if is_list else issue_number(page.path)
    is_open = shown in errand.targets
    part = next((part for part, is_done in zip(errand.parts, done, strict=True) if not is_done), None)
    typed = searched = near = 0.0
    entered = False
    if part is not None:
        if is_list:
            typed, searched = _search(state.project.issues[part.number], view)
            near = 0.05 * typed + 0.1 * searched + 0.05 * (f"i{part.number}" in page.by_id)
        elif shown == part.number:
            entered = _entered(view, part)
            near = 0.6 if entered else 0.4
    opened_all = len(state.opened) == len(errand.targets)
    found = (searched > 0, searched == 1, listed, bool(state.opened), opened_all)
    reached = (*found, *(count >= n for n in range(1, MAX_PARTS + 1)))
    state.milestones = [1.0 if new else old for old, new in zip(state.milestones, reached, strict=True)]
    success = count == total and not unwanted
    return {
        "targets": len(errand.targets),
        "targets_opened": len(state.opened),
        "search_entered": typed,
        "search_right": searched,
        "target_listed": listed,
        "target_open": is_open,
        "parts_total": total,
        "parts_done": count,
        "part_done": (*done, *[False] * (MAX_PARTS - total)),
        "value_entered": entered,
        "unwanted_changes": unwanted,
        "issues_changed": len(state.changes),
        "milestones": state.milestones,
        "progress": max(0.0, (count + near) / total - 0.25 * unwanted),
        "success": success,
        "failure": success or spoiled,
        "fitness": max(0, count - unwanted) / total,
    }


def _search(issue: Issue, view: View) -> tuple[float, float]:
    """Return the shares of an issue's topic and author that a list's filter holds, and that are in force."""
    by_id = view.page.by_id
    wanted = ((by_id["q"], issue.topic), (by_id["author"], issue.author))
    typed = sum(view.value(element) == value for element, value in wanted)
    return typed / 2, sum(element.value == value for element, value in wanted) / 2


def _entered(view: View, part: Part) -> bool:
    """Return whether an issue's page holds what a part asks for, not sent yet."""
    element = view.page.by_id.get(label_id(part.value) if part.kind == "label" else _FIELD_IDS[part.kind])
    if element is None:  # a closed issue has no reason to close it for; reopening takes none
        return False
    if part.kind == "label":
        return view.checked(element)
    return " ".join(view.value(element).split()) == part.value


_FIELD_IDS = {"comment": "comment", "assignee": "assignee", "status": "reason"}
