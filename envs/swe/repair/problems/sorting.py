"""Putting sequences in order."""

from __future__ import annotations

from ..problem import problem


def insertion_sort(items: list[int]) -> list[int]:
    """Return the items in ascending order; the list that is given stays as it is."""
    result = list(items)
    for index in range(1, len(result)):
        value = result[index]
        place = index
        while place > 0 and result[place - 1] > value:
            result[place] = result[place - 1]
            place -= 1
        result[place] = value
    return result


def merge_sorted(left: list[int], right: list[int]) -> list[int]:
    """Merge two ascending lists into one ascending list."""
    merged = []
    i = 0
    j = 0
    while i < len(left) and j < len(right):
        if left[i] <= right[j]:
            merged.append(left[i])
            i += 1
        else:
            merged.append(right[j])
            j += 1
    return merged + left[i:] + right[j:]


def partition(items: list[int], pivot: int) -> list[list[int]]:
    """Split items into three lists: those below the pivot, those equal to it, those above it; each in the given
    order.
    """
    below: list[int] = []
    equal: list[int] = []
    above: list[int] = []
    for item in items:
        if item < pivot:
            below.append(item)
        elif item > pivot:
            above.append(item)
        else:
            equal.append(item)
    return [below, equal, above]


def bubble_passes(items: list[int]) -> int:
    """Count the passes that bubble sort makes over items until one of them swaps nothing; that last one counts
    too.
    """
    values = list(items)
    passes = 0
    swapped = True
    while swapped:
        swapped = False
        passes += 1
        for index in range(len(values) - 1):
            if values[index] > values[index + 1]:
                values[index], values[index + 1] = values[index + 1], values[index]
                swapped = True
    return passes


def rank_scores(scores: list[int]) -> list[int]:
    """Return each score's rank: 1 for the highest; equal scores share a rank, and the next lower one follows on
    without a gap.
    """
    ordered = sorted(set(scores), reverse=True)
    ranks = {}
    for position, score in enumerate(ordered):
        ranks[score] = position + 1
    return [ranks[score] for score in scores]


def count_inversions(items: list[int]) -> int:
    """Count the pairs of items in which the earlier one is larger than the later one."""
    count = 0
    for i in range(len(items)):
        for j in range(i + 1, len(items)):
            if items[i] > items[j]:
                count += 1
    return count


PROBLEMS = (
    problem(
        insertion_sort,
        visible="""
            reversed: insertion_sort([3, 2, 1]) == [1, 2, 3]
            sorted: insertion_sort([1, 2, 3]) == [1, 2, 3]
            repeated: insertion_sort([2, 1, 2, 1]) == [1, 1, 2, 2]
            empty: insertion_sort([]) == []
            keeps_argument: given = [2, 1]; insertion_sort(given); given == [2, 1]
            two: insertion_sort([2, 1]) == [1, 2]
        """,
        hidden="""
            one: insertion_sort([4]) == [4]
            negative: insertion_sort([0, -5, 3, -1]) == [-5, -1, 0, 3]
            long: insertion_sort([9, 1, 8, 2, 7, 3, 6, 4, 5]) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
            smallest_last: insertion_sort([5, 6, 7, 1]) == [1, 5, 6, 7]
        """,
    ),
    problem(
        merge_sorted,
        visible="""
            interleaved: merge_sorted([1, 3, 5], [2, 4]) == [1, 2, 3, 4, 5]
            left_empty: merge_sorted([], [1, 2]) == [1, 2]
            right_empty: merge_sorted([1, 2], []) == [1, 2]
            equal: merge_sorted([1, 2], [2, 3]) == [1, 2, 2, 3]
            one_after_other: merge_sorted([1, 2], [3, 4]) == [1, 2, 3, 4]
        """,
        hidden="""
            both_empty: merge_sorted([], []) == []
            right_first: merge_sorted([8, 9], [1, 2, 3]) == [1, 2, 3, 8, 9]
            all_equal: merge_sorted([1, 1], [1]) == [1, 1, 1]
            uneven: merge_sorted([4], [1, 2, 3, 5, 6]) == [1, 2, 3, 4, 5, 6]
        """,
    ),
    problem(
        partition,
        visible="""
            mixed: partition([3, 1, 2, 5], 2) == [[1], [2], [3, 5]]
            no_equal: partition([1, 5], 3) == [[1], [], [5]]
            all_below: partition([1, 2], 9) == [[1, 2], [], []]
            all_above: partition([8, 7], 2) == [[], [], [8, 7]]
        """,
        hidden="""
            all_equal: partition([4, 4], 4) == [[], [4, 4], []]
            empty: partition([], 1) == [[], [], []]
            keeps_order: partition([5, 1, 6, 0, 3, 3], 3) == [[1, 0], [3, 3], [5, 6]]
        """,
    ),
    problem(
        bubble_passes,
        visible="""
            sorted: bubble_passes([1, 2, 3]) == 1
            one_swap: bubble_passes([2, 1, 3]) == 2
            reversed: bubble_passes([3, 2, 1]) == 3
            equal: bubble_passes([2, 2]) == 1
            empty: bubble_passes([]) == 1
        """,
        hidden="""
            smallest_last: bubble_passes([2, 3, 4, 1]) == 4
            largest_first: bubble_passes([9, 1, 2, 3]) == 2
            one: bubble_passes([1]) == 1
            last_pair: bubble_passes([1, 2, 4, 3]) == 2
        """,
    ),
    problem(
        rank_scores,
        visible="""
            distinct: rank_scores([10, 30, 20]) == [3, 1, 2]
            ties: rank_scores([5, 5, 3]) == [1, 1, 2]
            one: rank_scores([7]) == [1]
            empty: rank_scores([]) == []
        """,
        hidden="""
            all_equal: rank_scores([2, 2, 2]) == [1, 1, 1]
            negative: rank_scores([-1, 0, -5]) == [2, 1, 3]
            many_ties: rank_scores([1, 4, 4, 2, 1]) == [3, 1, 1, 2, 3]
        """,
    ),
    problem(
        count_inversions,
        visible="""
            sorted: count_inversions([1, 2, 3]) == 0
            reversed: count_inversions([3, 2, 1]) == 3
            one: count_inversions([2, 1, 3]) == 1
            equal: count_inversions([2, 2]) == 0
            empty: count_inversions([]) == 0
        """,
        hidden="""
            mixed: count_inversions([2, 4, 1, 3, 5]) == 3
            last_smallest: count_inversions([3, 4, 5, 1]) == 3
            single: count_inversions([9]) == 0
            repeated: count_inversions([3, 1, 3, 1]) == 3
        """,
    ),
)
"""The problems of this module."""
