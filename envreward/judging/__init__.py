"""Judging rewards: what a reward pays for, held against what its task is about, with the evidence for each sentence.

`evidence` plays or reads episodes of a fixed set of policies; `scoring` computes rewards over them; `components`,
`agreement`, `distance`, `sensitivity`, `exploits` and `divergence` each look at one side; `judge` puts them together
into `findings`, and `words` says what they mean. Nothing here trains, and no reward program runs outside a sandbox.
"""

from __future__ import annotations

from .config import JudgingConfig
from .divergence import Curve, divergence
from .evidence import Player
from .findings import Divergence, Judgement
from .judge import judge
from .scoring import Subject
from .words import Remark, Verdict, judgement_verdict

__all__ = [
    "Curve",
    "Divergence",
    "Judgement",
    "JudgingConfig",
    "Player",
    "Remark",
    "Subject",
    "Verdict",
    "divergence",
    "judge",
    "judgement_verdict",
]
