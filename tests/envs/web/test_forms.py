"""The form wizard: what is asked, what is refused, what is kept, and what counts."""

from __future__ import annotations

import random
from typing import Any

import pytest

from envreward.envs.web.apps.forms.app import Forms
from envreward.envs.web.apps.forms.questions import MAX_LINE, Question, Wizard, draw_form, validate
from envreward.envs.web.apps.forms.schemas import SCHEMAS
from envreward.envs.web.apps.forms.state import FormState
from envreward.envs.web.kit.events import Back, Click, Fill, GoTo, Select
from envreward.envs.web.kit.tree import Tree
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError


def make_world(title: str, pages: int = 2) -> WebWorld[FormState]:
    """Return a world in an episode of the schema with this title."""
    world: WebWorld[FormState] = WebWorld(Forms(), Tree(), 40)
    for seed in range(500):
        world.reset(seed)
        if world.state.wizard.title == title:
            assert len(world.state.wizard.pages) == pages
            return world
    raise AssertionError(f"no seed draws {title}")


def fill_page(world: WebWorld[FormState], *but: str) -> None:
    """Let the oracle fill the page shown, then undo that for the questions named."""
    while (event := world.oracle()) != Click("next"):
        world.act(event)
    for name in but:
        world.act(Fill(f"f-{name}", ""))


def errors(world: WebWorld[FormState]) -> dict[str, str]:
    return {element.name: element.error for element in world.view.page.elements if element.error}


def test_ten_schemas_of_two_to_four_pages() -> None:
    """There are ten schemas of two to four pages; over all seeds every kind of field occurs, with unique names."""
    assert len(SCHEMAS) == 10 and {len(schema.pages) for schema in SCHEMAS} == {2, 3, 4}
    wizards = [draw_form(schema, random.Random(seed)) for schema in SCHEMAS for seed in range(20)]
    kinds = {q.kind for wizard in wizards for _, questions in wizard.pages for q in questions}
    assert kinds == {"text", "email", "phone", "date", "number", "select", "radio", "checkbox", "textarea"}
    for wizard in wizards:
        names = [q.name for _, questions in wizard.pages for q in questions]
        assert len(names) == len(set(names)) and set(names) == set(wizard.wanted)
        assert all(questions for _, questions in wizard.pages)


def test_answers_wanted_are_valid() -> None:
    """Every answer that an instruction gives is accepted, and required questions all have one."""
    for seed in range(300):
        wizard = draw_form(SCHEMAS[seed % 10], random.Random(seed))
        for _, questions in wizard.pages:
            for question in questions:
                answer = wizard.wanted[question.name]
                assert validate(question, answer, wizard.wanted) == "", (question, answer)
                assert answer or not question.required


def test_instruction_names_every_answer() -> None:
    """The instruction holds each answer beside its field's label; the slots give the same."""
    app = Forms()
    for seed in range(50):
        state = app.new_state(seed)
        goal, wizard = app.goal(state), state.wizard
        assert goal.parts == len(wizard.pages) and app.goal(state) is goal
        for part, (_, questions) in enumerate(wizard.pages):
            for q in questions:
                answer = wizard.wanted[q.name]
                if q.kind == "checkbox":
                    assert (repr(q.label) in goal.instruction) == bool(answer)
                elif answer:
                    assert f"{q.label}: {answer}" in goal.instruction
                    assert any(s.value == answer and s.part == part for s in goal.slots)


@pytest.mark.parametrize(
    ("kind", "answer", "message"),
    [
        ("text", "", "This field is required."),
        ("text", "x" * (MAX_LINE + 1), "Enter at most 80 characters."),
        ("textarea", "x" * 501, "Enter at most 500 characters."),
        ("email", "ada.example.org", "Enter an e-mail address such as name@example.org."),
        ("email", "ada@example", "Enter an e-mail address such as name@example.org."),
        ("email", "a b@example.org", "Enter an e-mail address such as name@example.org."),
        ("email", "ada@example.org", ""),
        ("phone", "12345", "Enter a phone number of 7 to 15 digits."),
        ("phone", "call me", "Enter a phone number of 7 to 15 digits."),
        ("phone", "+44 20 123456", ""),
        ("number", "9", "Enter a whole number from 10 to 20."),
        ("number", "21", "Enter a whole number from 10 to 20."),
        ("number", "10.5", "Enter a whole number from 10 to 20."),
        ("number", "٣", "Enter a whole number from 10 to 20."),
        ("number", "20", ""),
        ("date", "2027-13-01", "Enter a date as YYYY-MM-DD."),
        ("date", "1 May 2027", "Enter a date as YYYY-MM-DD."),
        ("date", "2027-01-10", "Enter a date from 2027-01-11 to 2027-01-21."),
        ("date", "2027-01-21", ""),
        ("select", "blue", "Choose one of the options."),
        ("radio", "", "This field is required."),
        ("radio", "red", ""),
        ("checkbox", "", "Tick this box to go on."),
        ("checkbox", "on", ""),
    ],
)
def test_validation(kind: Any, answer: str, message: str) -> None:
    """Each kind of field accepts what it should and says what is wrong with the rest."""
    question = Question(name="q", label="Q", kind=kind, choices=("red", "green"), low=10, high=20)
    assert validate(question, answer, {}) == message


def test_optional_answers_may_be_missing() -> None:
    """An optional field may stay empty, but what is entered there must still be valid."""
    question = Question(name="q", label="Q", kind="email", required=False)
    assert validate(question, "", {}) == ""
    assert validate(question, "nobody", {}) != ""


def test_date_counts_from_another() -> None:
    """A return must lie after the departure entered."""
    question = Question(name="return", label="Return", kind="date", low=1, high=30, after="departure")
    assert validate(question, "2027-05-02", {"departure": "2027-05-01"}) == ""
    assert validate(question, "2027-05-01", {"departure": "2027-05-01"}) == (
        "Enter a date from 2027-05-02 to 2027-05-31."
    )


def test_next_refuses_and_keeps() -> None:
    """ "Next" stays on a page with a wrong answer, says so beside the field alone, and keeps what was typed."""
    world = make_world("Registration")
    fill_page(world, "first_name")
    world.act(Fill("f-email", "no address"))
    world.act(Click("next"))
    assert world.view.page.path == "/step/1"
    assert errors(world) == {
        "first_name": "This field is required.",
        "email": "Enter an e-mail address such as name@example.org.",
    }
    assert world.facts()["errors_shown"] == 2 and not any(world.facts()["milestones"][4:8])
    by_id = world.view.page.by_id
    assert by_id["f-email"].value == "no address" and by_id["complaint"].label == "Please correct 2 answers below."
    assert by_id["f-last_name"].value == world.state.wizard.wanted["last_name"]
    fill_page(world)
    world.act(Click("next"))
    assert world.view.page.path == "/step/2" and errors(world) == {}


def test_back_and_forward_keep_answers() -> None:
    """Answers survive "Back", even invalid ones, and "Next"; the browser's own way back shows what is saved."""
    world = make_world("Registration")
    fill_page(world)
    world.act(Click("next"))
    world.act(Fill("f-user_name", "half done"))
    world.act(Click("back"))
    assert world.view.page.path == "/step/1"
    assert world.view.page.by_id["f-last_name"].value == world.state.wizard.wanted["last_name"]
    world.act(Click("next"))
    assert world.view.page.by_id["f-user_name"].value == "half done"
    world.act(Back())
    assert world.view.page.by_id["f-last_name"].value == world.state.wizard.wanted["last_name"]


def test_pages_open_in_order() -> None:
    """No page can be reached by its address before the ones in front of it are done."""
    world = make_world("Registration")
    for path in ("/step/2", "/review", "/done", "/step/0", "/step/9", "/step/12"):
        with pytest.raises(ActionError, match="no page"):
            world.act(GoTo(path))
    fill_page(world)
    world.act(Click("next"))
    world.act(GoTo("/step/1"))
    world.act(GoTo("/step/2"))
    with pytest.raises(ActionError, match="no page"):
        world.act(GoTo("/review"))


def test_clear_page() -> None:
    """ "Clear page" puts the page's fields back as they were at first, and no other."""
    world = make_world("Registration")
    fill_page(world)
    world.act(Click("next"))
    fill_page(world)
    world.act(Click("clear"))
    facts, state = world.facts(), world.state
    assert world.view.page.path == "/step/2" and facts["pages_right"] == 1
    assert state.answers["user_name"] == "" and state.answers["last_name"] == state.wizard.wanted["last_name"]
    if "offers" in state.answers:
        assert state.answers["offers"] == "on"


def _to_review(world: WebWorld[FormState]) -> None:
    while world.view.page.kind == "step":
        world.act(world.oracle())


def test_review_shows_answers() -> None:
    """The review lists every answer as saved, and leads back to each page."""
    world = make_world("Insurance claim", pages=3)
    _to_review(world)
    page, wizard = world.view.page, world.state.wizard
    for _, questions in wizard.pages:
        for q in questions:
            answer = wizard.wanted[q.name]
            shown = ("yes" if answer else "no") if q.kind == "checkbox" else answer or "-"
            assert page.by_id[f"a-{q.name}"].label == f"{q.label}: {shown}"
    world.act(Click("change-2"))
    assert world.view.page.path == "/step/2"


def test_wrong_submission_is_no_success() -> None:
    """A form submitted with another valid answer ends the episode without success, worth what is right of it."""
    world = make_world("Registration")
    fill_page(world)
    world.act(Fill("f-first_name", "Zoe"))
    world.act(Click("next"))
    _to_review(world)
    assert world.facts()["fields_wrong"] == 1
    world.act(Click("submit"))
    facts = world.facts()
    assert facts["failure"] and facts["submitted"] and not facts["success"]
    assert 0 < facts["fitness"] < 1 and facts["progress"] < 1


def test_submission_checks_all_pages() -> None:
    """A page left by "Back" with an invalid answer holds the submission up: its page is shown again, with the error."""
    world = make_world("Registration")
    _to_review(world)
    world.act(Click("change-2"))
    world.act(Fill("f-user_name", ""))
    world.act(Click("back"))
    world.act(GoTo("/review"))
    world.act(Click("submit"))
    assert world.view.page.path == "/step/2" and errors(world) == {"user_name": "This field is required."}
    assert not world.facts()["submitted"]


def test_typed_answers_count_before_they_are_sent() -> None:
    """Fields typed and not sent count as filled and right; sending changes pages_right alone."""
    world = make_world("Registration")
    before = world.facts()
    world.act(Fill("f-first_name", world.state.wizard.wanted["first_name"]))
    typed = world.facts()
    assert typed["fields_right"] == before["fields_right"] + 1
    assert typed["fields_filled"] == before["fields_filled"] + 1
    assert typed["progress"] > before["progress"] and typed["fitness"] == before["fitness"] == 0
    world.act(Fill("f-first_name", "Zoe"))
    assert world.facts()["fields_wrong"] == 1 and world.facts()["fields_right"] == before["fields_right"]


def test_hash_depends_on_state_alone() -> None:
    """The order in which fields were filled, and errors met, leaves no trace in the hash; values do."""
    one, two = make_world("Registration"), make_world("Registration")
    for world, ids in ((one, ("f-first_name", "f-last_name")), (two, ("f-last_name", "f-first_name"))):
        for id in ids:
            world.act(Fill(id, "x"))
        world.act(Click("f-email"))
    assert one.state_hash() == two.state_hash()
    one.act(Fill("f-last_name", "y"))
    assert one.state_hash() != two.state_hash()


def test_lists_can_be_unchosen() -> None:
    """The option that stands for no answer is one, and is refused where an answer is required."""
    for seed in range(300):
        world: WebWorld[FormState] = WebWorld(Forms(), Tree(), 40)
        world.reset(seed)
        choice = next((e for e in world.view.page.elements if e.kind == "select"), None)
        if choice is not None:
            break
    assert choice is not None
    world.act(Select(choice.id, choice.options[1]))
    world.act(Select(choice.id, choice.options[0]))
    world.act(Click("next"))
    assert errors(world)[choice.name] == "This field is required."


def test_signature_tells_forms_apart() -> None:
    """Forms that differ in a wanted answer alone have different signatures."""
    one = Wizard("Form", (), {"name": "Ada"})
    assert one.signature != Wizard("Form", (), {"name": "Eva"}).signature
    assert one.signature == Wizard("Form", (), {"name": "Ada"}).signature
