"""Components of a reward: on what scale each moves, and which of them teach nothing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from envreward.agents.rescoring import Score

from .findings import ComponentFinding, ComponentState

NEGLIGIBLE = 0.01
"""Share of the spread of all components below which one does not show next to the others."""
STUCK = 0.95
"""Share of steps at one end of its range from which on a component counts as stuck there."""
_END = 0.01
_EQUAL = 1e-6


def component_findings(scores: Sequence[Score]) -> tuple[ComponentFinding, ...]:
    """Return what each component did over all steps of all episodes, in the reward's own order.

    Steps in which a reward could not be measured are left out. A reward that names no components has none.
    """
    names = list(dict.fromkeys(name for score in scores for name in score.components))
    columns = {name: _column(scores, name) for name in names}
    columns = {name: values for name, values in columns.items() if len(values)}
    spreads = {name: float(values.std(correction=0)) for name, values in columns.items()}
    moving = {name for name, values in columns.items() if not is_constant(values)}
    total = sum(spreads[name] for name in moving)
    found = []
    for name, values in columns.items():
        share = (spreads[name] if name in moving else 0.0) / total if total else None
        at_low, at_high = _at_ends(values)
        at_one_end = max(at_low, at_high)
        found.append(
            ComponentFinding(
                name=name,
                mean=float(values.mean()),
                spread=spreads[name],
                low=float(values.min()),
                high=float(values.max()),
                share=share,
                at_one_end=at_one_end,
                end="low" if at_low >= at_high else "high",
                state=_state(name in moving, share, at_one_end),
            )
        )
    return tuple(found)


def is_constant(values: Tensor) -> bool:
    """Return whether values differ by no more than rounding."""
    span = float(values.max()) - float(values.min())
    return span <= _EQUAL * float(values.abs().max())


def _column(scores: Sequence[Score], name: str) -> Tensor:
    parts = [score.components[name].double() for score in scores if name in score.components]
    values = torch.cat(parts)
    return values[torch.isfinite(values)]


def _at_ends(values: Tensor) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    margin = _END * (high - low)
    return float((values <= low + margin).double().mean()), float((values >= high - margin).double().mean())


def _state(moves: bool, share: float | None, at_one_end: float) -> ComponentState:
    if not moves:
        return "constant"
    if share is not None and share < NEGLIGIBLE:
        return "negligible"
    return "stuck" if at_one_end >= STUCK else "live"
