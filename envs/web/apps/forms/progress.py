"""Facts of the form wizard: how far the answers, typed ones included, are those wanted."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envreward.fields import Field

from ...kit.client import form_data
from ...kit.view import View
from .state import MAX_PAGES, MILESTONES, SHARES, FormState, answers_in, count_answers

FIELDS: Mapping[str, Field] = {
    "fields_total": Field("Fields of the form, on all pages."),
    "fields_filled": Field("Fields with an answer, those typed and not yet sent included."),
    "fields_valid": Field("Fields whose answer would be accepted; an optional field left empty counts."),
    "fields_right": Field("Fields as the instruction wants them, those to be left empty included."),
    "fields_wrong": Field("Fields with an answer that is neither what the instruction wants nor what stood there."),
    "pages_total": Field("Pages of the form, without the review."),
    "pages_right": Field("Pages that are saved with every field as the instruction wants it."),
    "page_number": Field("Page that is shown, from 1; the review comes after the last; 0 when submitted."),
    "errors_shown": Field("Fields of the page shown beside which an error stands."),
    "submitted": Field("Whether the form was submitted.", dtype="bool", role="flag"),
    "milestones": Field(
        "What has been reached at least once in the episode, 0 or 1 each.",
        shape=(len(MILESTONES),),
        names=MILESTONES,
    ),
    "progress": Field(
        "0 to 1: 0.7 for the share of the fields to be changed that are right, less one per wrong answer, 0.2 for "
        "the share of pages saved right, 0.1 for the submission of a form that is all right."
    ),
    "success": Field("Whether the form was submitted as wanted.", dtype="bool", role="flag", private=True),
    "failure": Field("Whether the episode ends: the form was submitted.", dtype="bool", role="flag", private=True),
    "fitness": Field("See the task's fitness_doc.", private=True),
}


def form_facts(state: FormState, view: View) -> Mapping[str, Any]:
    """Return the value of each of `FIELDS`, and note the milestones."""
    pages = state.wizard.pages
    counts = list(state.saved)
    errors = 0
    step = 0 if state.submitted else len(pages) + 1
    if view.page.kind == "step":
        step = int(view.page.path[-1])
        questions = pages[step - 1][1]
        errors = sum(question.name in state.errors for question in questions)
        if view.typed or view.checks:
            typed = answers_in(questions, form_data(view, view.page.by_id["next"]))
            counts[step - 1] = count_answers(state.wizard.wanted, questions, {**state.answers, **typed})
    filled, valid, right, wrong, done = map(sum, zip(*counts, strict=True))
    right_pages = sum(state.pages_right)
    success = state.submitted and right_pages == len(pages)
    _note(state, done / state.todo, view.page.kind)
    share = max(0, done - wrong) / state.todo
    return {
        "fields_total": len(state.answers),
        "fields_filled": filled,
        "fields_valid": valid,
        "fields_right": right,
        "fields_wrong": wrong,
        "pages_total": len(pages),
        "pages_right": right_pages,
        "page_number": step,
        "errors_shown": errors,
        "submitted": state.submitted,
        "milestones": state.milestones,
        "progress": 0.7 * share + 0.2 * right_pages / len(pages) + 0.1 * success,
        "success": success,
        "failure": state.submitted,
        "fitness": max(0, sum(c.done - c.wrong for c in state.saved) + success) / (state.todo + 1),
    }


def _note(state: FormState, share: float, kind: str) -> None:
    """Mark the milestones that are reached now."""
    missing = [False] * (MAX_PAGES - len(state.pages_right))
    reached = (*(share >= bound for bound in SHARES), *state.pages_right, *missing, kind == "review", state.submitted)
    state.milestones = [1.0 if new else old for old, new in zip(state.milestones, reached, strict=True)]
