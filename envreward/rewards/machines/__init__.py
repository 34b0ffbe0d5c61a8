"""Reward machines: finite automata over facts about states, that say which reward counts when."""

from __future__ import annotations

from .machine import RewardMachine, Transition
from .program import machine_program
from .text import extract_machine, parse_machine, write_machine

__all__ = ["RewardMachine", "Transition", "extract_machine", "machine_program", "parse_machine", "write_machine"]
