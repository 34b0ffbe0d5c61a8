"""The problems of the repair tier: well-known small functions, each with its tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import dates, intervals, numbers, parsing, searching, sorting, strings, structures, tables

if TYPE_CHECKING:
    from ..problem import Problem

PROBLEMS: tuple[Problem, ...] = (
    *searching.PROBLEMS,
    *sorting.PROBLEMS,
    *intervals.PROBLEMS,
    *numbers.PROBLEMS,
    *strings.PROBLEMS,
    *tables.PROBLEMS,
    *dates.PROBLEMS,
    *parsing.PROBLEMS,
    *structures.PROBLEMS,
)
"""All problems, in a fixed order: a seed picks one by its place."""
