"""How well a number per episode tells success and fitness: correlation, rank correlation, area under the curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's correlation, or ``None`` where it does not exist: fewer than two pairs, or no spread."""
    x, y = (_centred(np.asarray(values, dtype=np.float64)) for values in (first, second))
    if x is None or y is None:
        return None
    return float(np.clip(x @ y, -1.0, 1.0))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Spearman's rank correlation, with mean ranks for ties, or ``None`` where it does not exist."""
    return pearson(ranks(first).tolist(), ranks(second).tolist())


def area_under_curve(scores: Sequence[float], positive: Sequence[bool]) -> float | None:
    """Return how probable it is that a positive has a higher score than a negative, a tie counting one half.

    This is the area under the receiver operating characteristic, by Mann and Whitney's rank sum (Hanley and McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 143, 1982).

    Args:
        scores: A number each.
        positive: Whether each is a positive.

    Returns:
        0 to 1, or ``None`` where there are no positives or no negatives.
    """
    mask = np.asarray(positive, dtype=np.bool_)
    positives, negatives = int(mask.sum()), int((~mask).sum())
    if not positives or not negatives:
        return None
    above = float(ranks(scores)[mask].sum()) - positives * (positives + 1) / 2
    return above / (positives * negatives)


def ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return the rank of each value from 1, float64 ``[n]``; equal values share the mean of their ranks."""
    _, group, counts = np.unique(np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: Any = last - (counts - 1) / 2
    mean_ranks: NDArray[np.float64] = means[group]
    return mean_ranks


def _centred(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return values about their mean, of length one; ``None`` where they have no spread."""
    if len(values) < 2:
        return None
    scale = float(np.abs(values).max())
    centred: NDArray[np.float64] = values / scale if scale else values  # whose squares cannot overflow
    centred = centred - centred.mean()
    length = float(np.linalg.norm(centred))
    return centred / length if length > 1e-12 else None
