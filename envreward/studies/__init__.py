"""Studies: the loop that searches for a reward, its budget, and the record from which a killed search goes on."""

from .budget import Budget, Spent
from .config import StudyConfig
from .records import Candidate, Evaluation, Outcome, Proposal, Status, Traces, TrainedMember, best

__all__ = [
    "Budget",
    "Candidate",
    "Evaluation",
    "Outcome",
    "Proposal",
    "Spent",
    "Status",
    "StudyConfig",
    "Traces",
    "TrainedMember",
    "best",
]
