"""Intervals, given as lists [start, end]."""

from __future__ import annotations

from ..problem import problem


def merge_intervals(intervals: list[list[int]]) -> list[list[int]]:
    """Merge the intervals [start, end] that overlap or touch, and return the result by ascending start."""
    merged: list[list[int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def overlap(a: list[int], b: list[int]) -> int:
    """Return the length that two intervals [start, end] have in common, or 0."""
    start = max(a[0], b[0])
    end = min(a[1], b[1])
    return max(0, end - start)


def free_slots(busy: list[list[int]], start: int, end: int) -> list[list[int]]:
    """Return the gaps between the busy intervals, which are ascending and do not overlap, within [start, end].
    Gaps of no length are left out.
    """
    slots = []
    current = start
    for first, last in busy:
        if first > current:
            slots.append([current, first])
        current = last
    if current < end:
        slots.append([current, end])
    return slots


def max_concurrent(intervals: list[list[int]]) -> int:
    """Return how many of the intervals [start, end) there are at the same time at most; one that ends when another
    starts does not meet it.
    """
    events = []
    for start, end in intervals:
        events.append((start, 1))
        events.append((end, -1))
    best = 0
    active = 0
    for _, change in sorted(events):
        active += change
        best = max(best, active)
    return best


def missing_ranges(numbers: list[int], low: int, high: int) -> list[list[int]]:
    """Return the ranges [first, last] of integers from low to high, both included, that are not among the
    ascending numbers.
    """
    ranges = []
    expected = low
    for number in numbers:
        if number > expected:
            ranges.append([expected, number - 1])
        expected = number + 1
    if expected <= high:
        ranges.append([expected, high])
    return ranges


PROBLEMS = (
    problem(
        merge_intervals,
        visible="""
            overlapping: merge_intervals([[1, 4], [2, 6]]) == [[1, 6]]
            apart: merge_intervals([[1, 2], [4, 5]]) == [[1, 2], [4, 5]]
            touching: merge_intervals([[1, 3], [3, 5]]) == [[1, 5]]
            unsorted: merge_intervals([[6, 8], [1, 2]]) == [[1, 2], [6, 8]]
            empty: merge_intervals([]) == []
        """,
        hidden="""
            inside: merge_intervals([[1, 9], [2, 3]]) == [[1, 9]]
            chain: merge_intervals([[5, 7], [1, 3], [2, 5], [9, 10]]) == [[1, 7], [9, 10]]
            one: merge_intervals([[4, 4]]) == [[4, 4]]
            almost: merge_intervals([[1, 3], [4, 6]]) == [[1, 3], [4, 6]]
        """,
    ),
    problem(
        overlap,
        visible="""
            partly: overlap([1, 5], [3, 8]) == 2
            apart: overlap([1, 2], [5, 6]) == 0
            inside: overlap([0, 10], [2, 4]) == 2
            touching: overlap([1, 3], [3, 4]) == 0
        """,
        hidden="""
            turned: overlap([3, 8], [1, 5]) == 2
            equal: overlap([2, 7], [2, 7]) == 5
            apart_turned: overlap([5, 6], [1, 2]) == 0
            negative: overlap([-5, -1], [-3, 4]) == 2
        """,
    ),
    problem(
        free_slots,
        visible="""
            between: free_slots([[2, 3], [5, 6]], 0, 8) == [[0, 2], [3, 5], [6, 8]]
            none_busy: free_slots([], 1, 4) == [[1, 4]]
            all_busy: free_slots([[0, 9]], 0, 9) == []
            adjacent: free_slots([[0, 2], [2, 5]], 0, 7) == [[5, 7]]
        """,
        hidden="""
            starts_busy: free_slots([[0, 1], [4, 8]], 0, 8) == [[1, 4]]
            one_unit: free_slots([[1, 2], [3, 4]], 0, 5) == [[0, 1], [2, 3], [4, 5]]
            no_time: free_slots([], 3, 3) == []
        """,
    ),
    problem(
        max_concurrent,
        visible="""
            two_meet: max_concurrent([[1, 4], [2, 5], [7, 8]]) == 2
            back_to_back: max_concurrent([[1, 3], [3, 5]]) == 1
            nested: max_concurrent([[0, 9], [1, 5], [2, 3]]) == 3
            empty: max_concurrent([]) == 0
        """,
        hidden="""
            equal: max_concurrent([[1, 2], [1, 2], [1, 2]]) == 3
            one: max_concurrent([[5, 6]]) == 1
            unsorted: max_concurrent([[8, 9], [1, 3], [2, 8]]) == 2
            chain: max_concurrent([[1, 2], [2, 3], [3, 4]]) == 1
        """,
    ),
    problem(
        missing_ranges,
        visible="""
            middle: missing_ranges([1, 2, 5], 1, 5) == [[3, 4]]
            ends: missing_ranges([3], 1, 5) == [[1, 2], [4, 5]]
            single: missing_ranges([0, 2], 0, 3) == [[1, 1], [3, 3]]
            none: missing_ranges([1, 2, 3], 1, 3) == []
        """,
        hidden="""
            empty: missing_ranges([], 2, 4) == [[2, 4]]
            long: missing_ranges([0, 1, 3, 50, 75], 0, 99) == [[2, 2], [4, 49], [51, 74], [76, 99]]
            last_only: missing_ranges([1, 2, 3], 1, 4) == [[4, 4]]
        """,
    ),
)
"""The problems of this module."""
