"""Reward machines: finite automata over facts about states, that say which reward counts when."""

from __future__ import annotations

from .machine import RewardMachine, Transition
from .text import parse_machine, write_machine

__all__ = ["RewardMachine", "Transition", "parse_machine", "write_machine"]
