"""The texts that an agent reads, from the Jinja files in ``prompts/``."""

from __future__ import annotations

import functools
import json
from typing import Any

import jinja2


def render(name: str, **values: Any) -> str:
    """Return the prompt ``name`` with its values filled in."""
    return _environment().get_template(f"{name}.j2").render(**values).strip()


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("envreward.agents", "prompts"),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # plain text, not HTML
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain_json"] = functools.partial(json.dumps, ensure_ascii=False)  # tojson escapes for HTML
    return environment
