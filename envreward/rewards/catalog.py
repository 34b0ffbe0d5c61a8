"""The forms of reward that this library has, by name: what `envreward rewards` lists and shows.

A form's page of reference is its docstring: formula, source, when to use it, known failures. Nothing is imported until
a form is asked for.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from envreward.errors import UnknownNameError


class Form(NamedTuple):
    """One form of reward."""

    group: str
    """What kind of thing it is, for the list."""
    summary: str
    """What it does, one line."""
    target: str
    """Where it is, ``module:attribute`` within `envreward.rewards`."""
    options: str = ""
    """Where its settings are, if not in its own fields."""

    def load(self) -> Any:
        """Return the class or function."""
        return _load(self.target)

    def settings(self) -> type[Any] | None:
        """Return the dataclass whose fields are its options; ``None`` where it has none."""
        settings = _load(self.options or self.target)
        return settings if isinstance(settings, type) and dataclasses.is_dataclass(settings) else None

    def page(self) -> str:
        """Return its page of reference: its docstring without the sections that are for callers."""
        return re.split(r"\n\n(?:Args|Returns|Raises):\n", inspect.cleandoc(self.load().__doc__ or ""))[0]

    @property
    def import_line(self) -> str:
        """How to import it."""
        module, _, attribute = self.target.partition(":")
        return f"from {__package__}.{module} import {attribute}"


_SHAPING = "shaping and order"
_BOUNDED = "bounded and process rewards"
_COMBINED = "combinations"
_NOVELTY = "novelty"
_LEARNED = "learned"
_AGENTS = "agents"

FORMS: Mapping[str, Form] = {
    "potential": Form(
        _SHAPING, "potential-based shaping: leaves optimal policies as they are", "shaping:PotentialShaping"
    ),
    "machine": Form(_SHAPING, "reward machine: a finite automaton over facts about states", "machines:RewardMachine"),
    "milestones": Form(_SHAPING, "each milestone pays once per episode", "milestones:Milestones"),
    "gated": Form(_SHAPING, "small rewards count only once the large one has been earned", "gated:GatedAccumulation"),
    "par": Form(
        _BOUNDED, "preference as reward: centred sigmoid against reference rewards", "bounded:PreferenceAsReward"
    ),
    "clip": Form(_BOUNDED, "only what is worse than a threshold counts", "bounded:Clip"),
    "delta": Form(_BOUNDED, "pays the rise of a score, so that an episode is worth its last one", "process:Delta"),
    "min-form": Form(_BOUNDED, "an episode is worth its worst step (PURE)", "process:MinForm"),
    "sum": Form(_COMBINED, "weighted sum", "ensemble:WeightedSum"),
    "progress": Form(_COMBINED, "progress times soft penalties in [0, 1] (CaRL)", "products:PenalisedProgress"),
    "kinesthetic": Form(_COMBINED, "signed geometric mean (Lucy-SKG)", "products:KinestheticCombination"),
    "ensemble": Form(_COMBINED, "mean, minimum, or mean less disagreement of several estimates", "ensemble:Ensemble"),
    "barfi": Form(
        _COMBINED, "learns weights of auxiliary rewards that serve the primary one", "barfi:Barfi", "barfi:BarfiConfig"
    ),
    "rnd": Form(_NOVELTY, "random network distillation", "novelty:RandomNetworkDistillation", "novelty:RndConfig"),
    "episodic-count": Form(_NOVELTY, "one over the root of the visits of this episode", "novelty:EpisodicCount"),
    "episodic-elliptical": Form(
        _NOVELTY, "directions this episode has not gone in (E3B)", "novelty:EpisodicElliptical"
    ),
    "preferences": Form(
        _LEARNED,
        "Bradley-Terry on return or regret, Hindsight PRIOR",
        "preferences:fit_preferences",
        "preferences:PreferenceConfig",
    ),
    "learned": Form(_LEARNED, "the network that preferences teach, saved and paid", "preferences:LearnedReward"),
    "verpo": Form(_AGENTS, "unit tests weighted by how seldom they are passed", "verpo:VeRPO"),
    "judge": Form(_AGENTS, "a language model scores steps", "judge:LLMJudge", "judge:JudgeConfig"),
}
"""Every form by the name under which the command line knows it, in the order of the list."""


def find_form(name: str) -> Form:
    """Return a form by its name in `FORMS`, or by that of its class or function.

    Raises:
        UnknownNameError: There is none; the message lists near matches.
    """
    if name in FORMS:
        return FORMS[name]
    for form in FORMS.values():
        if form.target.endswith(f":{name}"):
            return form
    raise UnknownNameError("reward form", name, FORMS, hint="(`envreward rewards` lists all)")


def _load(target: str) -> Any:
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), attribute)
