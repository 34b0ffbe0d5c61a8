"""Prompts: what a model is told is complete, true and filled in."""

from __future__ import annotations

import jinja2
import pytest

from envreward import registry
from envreward.designers.prompt import opening, render
from envreward.fields import Field, public_fields
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief


def brief_of(env_id: str) -> Brief:
    task = registry.make_task(env_id)
    return Brief(
        env_id=task.spec.id,
        instruction=task.spec.instruction,
        fields=public_fields(task.fields),
        horizon=task.spec.horizon,
        fitness_doc=task.fitness_doc,
    )


@pytest.mark.parametrize("env_id", registry.task_specs())
def test_every_task_is_described(env_id: str) -> None:
    """For each installed task: every public field with its description, no private one, nothing left unfilled."""
    brief = brief_of(env_id)
    private = [name for name, field in registry.make_task(env_id).fields.items() if field.private]
    system, user = (m["content"] for m in opening(brief))
    for name, field in brief.fields.items():
        assert f"- {name}: " in user and field.doc in user
    for name in private:
        assert f"- {name}: " not in user
    assert brief.instruction in user and "{{" not in system + user and "None" not in system + user


def test_the_example_in_the_contract_is_sound() -> None:
    """The sample program, with a body in place of its dots, passes the very check that answers go through."""
    brief = brief_of("Hopper")
    system = opening(brief)[0]["content"]
    program = system.split("```python\n")[1].split("```")[0]
    names = [part.split(":")[0].strip() for part in program.split("(", 1)[1].split(")")[0].split(",")]
    body = f"    first = {names[0]}\n    second = {names[0]}.square()\n    total = first + second\n"
    assert RewardProgram.from_answer(program.replace("    ...\n", body), brief.fields).parameters == tuple(names)


@pytest.mark.parametrize("names", [["only"], ["a", "action"], ["a", "b"]])
def test_small_tasks(names: list[str]) -> None:
    """A task with one field, or none but the action beside it, still gets a contract."""
    fields = {n: Field("Something.", role="action" if n == "action" else "other") for n in names}
    brief = Brief(env_id="T", instruction="Go.", fields=fields, horizon=10, fitness_doc="")
    assert f"def compute_reward({names[0]}: Tensor" in opening(brief)[0]["content"]


def test_a_missing_value_is_an_error() -> None:
    """A template is never filled with nothing."""
    with pytest.raises(jinja2.UndefinedError):
        render("task", instruction="Go.")


def test_instructions_are_text_not_templates() -> None:
    """Whatever a user writes reaches the model as it is."""
    brief = Brief(env_id="T", instruction="Jump {{ 7 * 7 }} <b>", fields={"a": Field("A.")}, horizon=1, fitness_doc="")
    assert "Jump {{ 7 * 7 }} <b>" in opening(brief)[1]["content"]
