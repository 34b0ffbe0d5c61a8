"""Experts: reward programs that people wrote, shown to a model as examples (few-shot).

Each is a file of ``designers/examples``: a reward program like any other, whose docstring says what task it is for
and what the fields that it reads are. They are data, read and never imported.
"""

from __future__ import annotations

import ast
import functools
import importlib.resources
import re
from dataclasses import dataclass

from envreward.studies.designer import Brief

from .retrieval import nearest, words

_HEADER = re.compile(r"(?P<instruction>.+?)\n\nEnvironment: (?P<env_id>\S+)\nFields:\n(?P<fields>.+)", re.S)
_ENTRY = re.compile(r"^    (?! )", re.M)  # a line indented further belongs to the field before it


@dataclass(frozen=True, kw_only=True)
class Expert:
    """One example."""

    env_id: str
    instruction: str
    fields: tuple[str, ...]
    """One line per field that the program reads, as in a prompt; a previous value counts as its field."""
    source: str
    """The program."""


@functools.cache
def experts() -> tuple[Expert, ...]:
    """Return all examples, sorted by file name."""
    folder = importlib.resources.files("envreward.designers") / "examples"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".py")), key=lambda f: f.name)
    return tuple(_read(f.read_text(encoding="utf-8")) for f in files)


def nearest_experts(brief: Brief, k: int) -> list[Expert]:
    """Return the ``k`` examples whose instructions are closest to the task's, the closest first; never its own.

    Its own are those of its environment, and those with the same words for an instruction, whatever the environment.
    """
    own = words(brief.instruction)
    others = [e for e in experts() if e.env_id != brief.env_id and words(e.instruction) != own]
    return [others[place] for place in nearest(brief.instruction, [e.instruction for e in others], k)]


def _read(text: str) -> Expert:
    docstring = ast.parse(text).body[0]
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant), text[:80]
    header = _HEADER.fullmatch(str(docstring.value.value).strip())
    assert header is not None, text[:80]
    return Expert(
        env_id=header["env_id"],
        instruction=" ".join(header["instruction"].split()),
        fields=tuple(" ".join(entry.split()) for entry in _ENTRY.split(header["fields"])[1:]),
        source="\n".join(text.splitlines()[docstring.end_lineno :]).strip() + "\n",
    )
