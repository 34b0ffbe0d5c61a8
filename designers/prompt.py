"""Prompts: Jinja templates that several designers share, filled from the brief.

The templates are written for EnvReward; they tell a model what the methods' papers tell theirs (role, contract of the
program, task, fields, advice) in words of our own.
"""

from __future__ import annotations

import functools
from typing import Any

import jinja2

from envreward.fields import describe, public_fields
from envreward.llm import Message
from envreward.studies.designer import Brief


def render(template: str, **values: Any) -> str:
    """Fill the template ``prompts/<template>.j2``; a value that the template needs and does not get is an error."""
    return _environment().get_template(f"{template}.j2").render(**values).strip()


PROMPT = "role, contract of programs, task, fields as a list, tips"
"""What `opening` tells a model, for a designer's `Composition`."""


def opening(brief: Brief, *, system: str = "system", task: str = "task", **more: Any) -> list[Message]:
    """Return the system and the user message that open a conversation about the task.

    Args:
        brief: The task.
        system: Template of the role and the contract of programs.
        task: Template of the task and its fields.
        more: Further values for the templates.
    """
    values = {
        "instruction": brief.instruction.strip(),
        "env_id": brief.env_id,
        "horizon": brief.horizon,
        "fields": describe(brief.fields),
        "example_fields": _example_fields(brief),
        **more,
    }
    return [
        Message(role="system", content=render(system, **values)),
        Message(role="user", content=render(task, **values)),
    ]


def _example_fields(brief: Brief) -> list[str]:
    """Return one or two fields for the sample signature, so that it names what exists: a scalar and a vector."""
    known = public_fields(brief.fields)
    plain = [name for name, field in known.items() if field.role not in ("other", "flag", "action")] or [*known]
    scalar = next((name for name in plain if not known[name].shape), plain[0])
    vector = next((name for name in plain if known[name].shape), plain[-1])
    return list(dict.fromkeys((scalar, vector)))


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("envreward.designers", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # plain text, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
    )
