"""What examining a source of a repair problem has found."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..ast_edits import Edit, Edits
from ..inproc import Outcome
from .actions import MakeEdit


@dataclass(frozen=True, eq=False)
class Examined:
    """What is known of one source of a problem. Arrays are read-only by convention."""

    source: str
    parses: bool
    imports: bool
    """Whether the program could be loaded, so that its tests ran at all."""
    outcomes: dict[str, Outcome]
    """Of all tests by name, the visible ones first."""
    passed: int
    """The tests that pass, one bit each in the order of ``outcomes``, the first one lowest."""
    tests: int
    """Number of all tests, V + H."""
    visible: int
    """Number of visible tests, V."""
    status: NDArray[np.float32]
    """Of each visible test, ``[V]``: 1 passed, 0 failed, -1 stopped by an exception or by its budget."""
    suspicion: NDArray[np.float64]
    """Ochiai suspiciousness by line number, ``[lines + 1]``, from the visible tests."""
    rank: NDArray[np.int64]
    """Rank of each line's suspiciousness among all statements', ``[lines + 1]``; 0 where no statement is."""
    edits: Edits | None
    """The edits offered; ``None`` for a source that does not parse."""
    offers: tuple[MakeEdit, ...]
    """The edits as actions, the most suspicious lines first."""
    index: dict[Edit, int]
    """Place of each edit among ``offers``."""
    lines: NDArray[np.int64]
    """Line of each of ``offers``."""
    features: NDArray[np.float32]
    """What describes each of ``offers`` whatever went before, ``[offers, STATIC]``."""
    failure: tuple[str, Outcome] | None
    """The first visible test that does not pass, and its outcome."""

    @property
    def solved(self) -> bool:
        """Whether all tests pass, the hidden ones too."""
        return self.passed == (1 << self.tests) - 1
