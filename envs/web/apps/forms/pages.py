"""Pages of the form wizard, made of its questions, the answers saved and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping

from ...kit.page import Element, Form, Page
from .questions import TICKED, Question, Wizard

NOTHING = "Choose one"
"""Option of a list that stands for no answer."""


def step_page(wizard: Wizard, step: int, answers: Mapping[str, str], errors: Mapping[str, str]) -> Page:
    """Return a page of the wizard, ``step`` from 1, with the answers saved and what is wrong with them."""
    title, questions = wizard.pages[step - 1]
    elements = [
        Element(id="title", kind="heading", label=wizard.title),
        Element(id="step", kind="text", label=f"Step {step} of {len(wizard.pages)}: {title}"),
    ]
    wrong = sum(question.name in errors for question in questions)
    if wrong:
        some = "1 answer" if wrong == 1 else f"{wrong} answers"
        elements.append(Element(id="complaint", kind="text", label=f"Please correct {some} below."))
    for question in questions:
        elements += _controls(question, answers[question.name], errors.get(question.name, ""))
    elements.append(Element(id="next", kind="button", label="Next", name="button", value="next", form="form"))
    if step > 1:
        elements.append(Element(id="back", kind="button", label="Back", name="button", value="back", form="form"))
    elements.append(Element(id="clear", kind="button", label="Clear page", name="button", value="clear", form="form"))
    form = Form("form", f"/save/{step}", "post")
    return Page(f"/step/{step}", f"{wizard.title}: {title}", "step", tuple(elements), (form,))


_TYPES = {"text": "text", "email": "email", "phone": "tel", "date": "text", "number": "number"}
"""HTML types of one-line fields. A date is typed as text, so that what is no date can be sent and complained about."""


def _controls(question: Question, answer: str, error: str) -> list[Element]:
    """Return the elements of one field."""
    name, id = question.name, f"f-{question.name}"
    label = f"{question.label} (YYYY-MM-DD)" if question.kind == "date" else question.label
    match question.kind:
        case "select":
            options = (NOTHING, *question.choices)
            value = answer if answer in options else NOTHING
            return [Element(id, "select", label, name, value, options, form="form", error=error)]
        case "radio":
            return [
                Element(
                    f"{id}-{number}",
                    "radio",
                    option,
                    name,
                    option,
                    checked=option == answer,
                    form="form",
                    group=label,
                    error="" if number else error,
                )
                for number, option in enumerate(question.choices)
            ]
        case "checkbox":
            ticked = answer == TICKED
            return [Element(id, "checkbox", label, name, TICKED, checked=ticked, form="form", error=error)]
        case "textarea":
            return [Element(id, "textarea", label, name, answer, form="form", error=error)]
        case _:
            kind = _TYPES[question.kind]
            return [Element(id, "textbox", label, name, answer, form="form", type=kind, error=error)]


def review_page(wizard: Wizard, answers: Mapping[str, str]) -> Page:
    """Return the review of all answers."""
    elements = [Element(id="title", kind="heading", label=f"{wizard.title}: review")]
    for step, (title, questions) in enumerate(wizard.pages, 1):
        elements.append(Element(id=f"part-{step}", kind="heading", label=title))
        for question in questions:
            answer = answers[question.name]
            shown = " ".join(answer.split()) if question.kind != "checkbox" else "yes" if answer else "no"
            elements.append(Element(id=f"a-{question.name}", kind="text", label=f"{question.label}: {shown or '-'}"))
        elements.append(Element(id=f"change-{step}", kind="link", label=f"Change page {step}", href=f"/step/{step}"))
    elements.append(Element(id="submit", kind="button", label="Submit", form="send"))
    form = Form("send", "/submit", "post")
    return Page("/review", f"{wizard.title}: review", "review", tuple(elements), (form,))


def done_page(wizard: Wizard) -> Page:
    """Return the confirmation."""
    title = wizard.title
    elements = (
        Element(id="title", kind="heading", label="Thank you"),
        Element(id="text", kind="text", label=f"The form was received: {title}."),
    )
    return Page("/done", f"{title}: received", "done", elements)
