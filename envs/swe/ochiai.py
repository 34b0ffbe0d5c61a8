"""Ochiai suspiciousness: which lines a bug is likely to be on, from which tests execute them and which of those fail.

Abreu, Zoeteweij, van Gemund: "On the Accuracy of Spectrum-based Fault Localization", TAIC PART 2007, equation 3:

    s(line) = e_f / sqrt((e_f + n_f) * (e_f + e_p))

with e_f and e_p the numbers of failing and passing tests that execute the line, and n_f that of failing tests that do
not. A line that no failing test executes, and every line while no test fails, has suspiciousness 0.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray


def ochiai(covered: NDArray[np.bool_], failed: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the suspiciousness of each line, in [0, 1].

    Args:
        covered: Whether a test executes a line, ``[tests, lines]``.
        failed: Whether a test fails, ``[tests]``.

    Returns:
        ``[lines]``.
    """
    counts = covered.astype(np.float64)
    failing = failed.astype(np.float64)
    hit_failing = failing @ counts
    root = np.sqrt(failing.sum() * counts.sum(0))
    scores: NDArray[np.float64] = np.divide(hit_failing, root, out=np.zeros_like(hit_failing), where=root > 0)
    return scores


def ochiai_by_line(covered: Mapping[str, Collection[int]], failed: Collection[str]) -> dict[int, float]:
    """Return the suspiciousness of each line that some test executes, sorted by line.

    Args:
        covered: Lines that each test executes, by the test's name.
        failed: Names of the tests that fail; those that are not in ``covered`` execute nothing.
    """
    lines = sorted({line for executed in covered.values() for line in executed})
    tests = [*covered, *sorted(set(failed) - covered.keys())]
    column = {line: index for index, line in enumerate(lines)}
    table = np.zeros((len(tests), len(lines)), dtype=np.bool_)
    for row, test in enumerate(tests):
        table[row, [column[line] for line in covered.get(test, ())]] = True
    scores = ochiai(table, np.isin(tests, list(failed)) if tests else np.zeros(0, dtype=np.bool_))
    return dict(zip(lines, scores.tolist(), strict=True))


def ranks(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return each score's rank, 1 for the highest: one more than the number of higher scores, so that ties share it."""
    higher: NDArray[np.int64] = (scores[None, :] > scores[:, None]).sum(1)
    return higher + 1
