"""Counter-based random numbers: each a pure function of (seed, episode, index).

Resets draw from here. There is no generator to advance, so what a world draws depends on nothing but its own seed
and the number of its episode: not on its neighbours, nor on when they were reset.

The bits are those of SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014;
constants as in Vigna's public-domain splitmix64.c), started for each (seed, episode) from a key that mixes both.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

UInt64 = NDArray[np.uint64]
Float64 = NDArray[np.float64]

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def splitmix64(state: UInt64, count: int) -> UInt64:
    """Return the first ``count`` outputs of SplitMix64 from each ``state`` ``[k]``, as uint64 ``[k, count]``."""
    steps = np.arange(1, count + 1, dtype=np.uint64) * _GAMMA
    return _mix(state[:, None] + steps)


def keys(seeds: UInt64, episodes: UInt64) -> UInt64:
    """Return one key per (seed, episode), uint64 ``[k]``; neighbouring seeds or episodes give unrelated keys."""
    return _mix(_mix(seeds + _GAMMA) ^ _mix(episodes * _GAMMA + _MIX_1))


def uniform_and_normal(keys: UInt64, count: int) -> tuple[Float64, Float64]:
    """Return ``count`` uniform numbers in [0, 1) and as many standard normal ones per key, float64 ``[k, count]`` each.

    The normal ones are by Box and Muller (1958), from bits of their own.
    """
    bits = splitmix64(keys, 3 * count)
    unit = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    uniform, radius, angle = unit[:, :count], unit[:, count : 2 * count], unit[:, 2 * count :]
    normal = np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * np.pi * angle)
    return np.ascontiguousarray(uniform), normal


def _mix(z: UInt64) -> UInt64:
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))
