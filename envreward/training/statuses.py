"""How a reward that failed in training ends its member."""

from __future__ import annotations

from envreward.errors import RewardCrashError, RewardRuntimeError, RewardTimeoutError

from .config import MemberStatus


def status_of(error: RewardRuntimeError) -> MemberStatus:
    """Return the status of a member whose reward raised ``error``."""
    if isinstance(error, RewardTimeoutError):
        return "timed_out"
    return "crashed" if isinstance(error, RewardCrashError) else "failed"
