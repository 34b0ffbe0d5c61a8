"""Resource limits as the kernel knows them."""

from __future__ import annotations

from envreward.sandbox import Limits

NO_LIMITS = Limits()


def resource_limits(limits: Limits) -> dict[str, int]:
    """Return the limits that the kernel enforces per process (per user for processes), by their names in `resource`."""
    named = {
        "RLIMIT_AS": limits.memory_bytes,
        "RLIMIT_NPROC": limits.processes,
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_CORE": 0,
    }
    return {name: value for name, value in named.items() if value is not None}
