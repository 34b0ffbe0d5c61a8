"""State of the wizard's episodes, and what its forms change of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ...kit.app import Goal, Post
from ...kit.page import Page
from .pages import NOTHING
from .questions import Question, Wizard, validate

SHARES = (0.25, 0.5, 0.75, 1.0)
MAX_PAGES = 4
MILESTONES = (
    *(f"{share:.0%} of the fields right" for share in SHARES),
    *(f"page {number} saved with all fields right" for number in range(1, MAX_PAGES + 1)),
    "review seen",
    "submitted",
)


class Count(NamedTuple):
    """How the answers to some questions stand."""

    filled: int
    valid: int
    right: int
    wrong: int
    """Neither as wanted nor as the form begins."""
    done: int
    """Right, and not as the form begins."""


@dataclass
class FormState:
    """One episode of the wizard."""

    wizard: Wizard = field(repr=False)
    goal: Goal = field(repr=False)
    todo: int = field(repr=False)
    """Fields that do not begin as wanted."""
    answers: dict[str, str]
    """Saved answers by question, valid or not."""
    errors: dict[str, str] = field(default_factory=dict)
    """What is wrong with saved answers, by question, where it has been said."""
    reached: int = 1
    """Last step that may be opened, from 1; the one after the last page is the review."""
    submitted: bool = False
    saved: list[Count] = field(default_factory=list, repr=False)
    """Of the saved answers, for each page."""
    pages_right: tuple[bool, ...] = field(default=(), repr=False)
    """Which pages are saved with every field as wanted."""
    milestones: list[float] = field(default_factory=lambda: [0.0] * len(MILESTONES), repr=False)
    shown: dict[str, Page] = field(default_factory=dict, repr=False)
    """Pages made since the state last changed."""

    def count(self) -> None:
        """Count anew how the saved answers stand."""
        pages = self.wizard.pages
        self.saved = [count_answers(self.wizard.wanted, questions, self.answers) for _, questions in pages]
        right = zip(self.saved, pages, strict=True)
        self.pages_right = tuple(count.right == len(questions) for count, (_, questions) in right)


def count_answers(wanted: Mapping[str, str], questions: Sequence[Question], answers: Mapping[str, str]) -> Count:
    """Count how the answers to a page's questions stand; ``answers`` are those to all questions."""
    filled = valid = right = wrong = done = 0
    for question in questions:
        answer, goal = answers[question.name], wanted[question.name]
        filled += answer != ""
        valid += not validate(question, answer, answers)
        if answer == goal:
            right += 1
            done += goal != question.default
        elif answer != question.default:
            wrong += 1
    return Count(filled, valid, right, wrong, done)


def answers_in(questions: Sequence[Question], pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the answers to a page's questions as its form sends them."""
    sent = dict(pairs)
    answers = {question.name: sent.get(question.name, "").replace("\r\n", "\n").strip() for question in questions}
    return {name: "" if answer == NOTHING else answer for name, answer in answers.items()}


def save_page(state: FormState, step: int, post: Post) -> str:
    """Take over a page's answers and return where its button leads."""
    questions = state.wizard.pages[step - 1][1]
    button = post.get("button")
    if button == "clear":
        answers = {question.name: question.default for question in questions}
    else:
        answers = answers_in(questions, post.fields)
    state.answers.update(answers)
    for name in answers:
        state.errors.pop(name, None)
    state.count()
    if button == "clear":
        return f"/step/{step}"
    if button == "back":
        return f"/step/{max(1, step - 1)}"
    if _complain(state, step):
        return f"/step/{step}"
    state.reached = max(state.reached, step + 1)
    return "/review" if step == len(state.wizard.pages) else f"/step/{step + 1}"


def _complain(state: FormState, step: int) -> bool:
    """Note what is wrong with the answers of a page; return whether anything is."""
    messages = {q.name: validate(q, state.answers[q.name], state.answers) for q in state.wizard.pages[step - 1][1]}
    wrong = {name: message for name, message in messages.items() if message}
    state.errors.update(wrong)
    return bool(wrong)


def submit(state: FormState) -> str:
    """Submit the form, or return to the first page with an answer that is not valid; return where to go."""
    for step in range(1, len(state.wizard.pages) + 1):
        if _complain(state, step):  # a page can be left by "Back" with invalid answers
            return f"/step/{step}"
    state.submitted = True
    return "/done"
