"""Ranking: which component matters most, as a person or a model says it, and the program in that order."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from envreward.fields import MEMORY
from envreward.rewards.program import RewardProgram

_ITEM = re.compile(r"^\s*(?:[-*]\s+|\d+[.):]\s*)?(.*?)\s*$")


def read_ranking(answer: str, names: Sequence[str]) -> list[str]:
    """Return the names that an answer lists, the most important first.

    Args:
        answer: Names apart by commas, ``>`` or lines, which may be numbered; of several lines, the last ones that name
            as many as there are.
        names: What is to be ranked.

    Raises:
        ValueError: A name is missing, twice there or unknown; the message says which.
    """
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    listed = [item for item in re.split(r"[,>]", lines[-1]) if item.strip()] if lines else []
    if len(listed) < 2:
        listed = lines[-len(names) :]
    found = [_ITEM.sub(r"\1", item).strip(" `'\"*.;") for item in listed]
    for name in found:
        if name not in names:
            raise ValueError(f"{name[:60]!r} is none of {', '.join(names)}")
        if found.count(name) > 1:
            raise ValueError(f"{name} is there twice: it cannot be both more and less important than another")
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{', '.join(missing)} is missing: name all of {', '.join(names)}")
    return found


def complaint(answer: str, names: Sequence[str]) -> str | None:
    """Return what is wrong with a ranking; ``None``: nothing."""
    try:
        read_ranking(answer, names)
    except ValueError as error:
        return str(error)
    return None


def in_order(program: RewardProgram, names: Sequence[str]) -> str:
    """Return a program's source whose components come in another order.

    Args:
        program: A checked program.
        names: All of its components, in the order wanted.
    """
    inner = "unranked"
    while re.search(rf"\b{inner}\b", program.source):
        inner += "_factors"
    source = re.sub(rf"\b{re.escape(program.function)}\b", inner, program.source)
    arguments = [*program.parameters]
    if program.memory_at is not None:
        arguments.insert(program.memory_at, MEMORY)
    extra = ", remembered" if program.remembers else ""
    ordered = ", ".join(f"{json.dumps(name)}: parts[{json.dumps(name)}]" for name in names)
    return "\n".join(
        [
            source.rstrip(),
            "",
            "",
            f"def compute_reward({', '.join(arguments)}):",
            '    """The factors above in the order of their importance."""',
            f"    total, parts{extra} = {inner}({', '.join(arguments)})",
            f"    return total, {{{ordered}}}{extra}",
            "",
        ]
    )
