"""Finding things in sequences."""

from __future__ import annotations

from ..problem import problem


def binary_search(items: list[int], target: int) -> int:
    """Return the index of target in the ascending list items, which holds no value twice, or -1 if it is not
    there.
    """
    low = 0
    high = len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == target:
            return middle
        if items[middle] < target:
            low = middle + 1
        else:
            high = middle - 1
    return -1


def insertion_point(items: list[int], value: int) -> int:
    """Return the leftmost index at which value can be inserted into the ascending list items to keep it ascending."""
    low = 0
    high = len(items)
    while low < high:
        middle = (low + high) // 2
        if items[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


def max_subarray(numbers: list[int]) -> int:
    """Return the largest sum of a run of neighbouring numbers; the run has at least one number. An empty list is
    refused with ValueError.
    """
    if not numbers:
        raise ValueError("no numbers")
    best = numbers[0]
    current = numbers[0]
    for number in numbers[1:]:
        current = max(number, current + number)
        best = max(best, current)
    return best


def two_sum(numbers: list[int], target: int) -> list[int]:
    """Return the indices [i, j], i < j, of two numbers that add up to target, the pair with the smallest j; an
    empty list if there is none.
    """
    seen: dict[int, int] = {}
    for index, number in enumerate(numbers):
        missing = target - number
        if missing in seen:
            return [seen[missing], index]
        if number not in seen:
            seen[number] = index
    return []


def second_largest(numbers: list[int]) -> int | None:
    """Return the second largest of the distinct values in numbers, or None if there are fewer than two."""
    first = None
    second = None
    for number in numbers:
        if first is None or number > first:
            second = first
            first = number
        elif number < first and (second is None or number > second):
            second = number
    return second


def longest_run(items: list[int]) -> int:
    """Return the length of the longest run of equal neighbours in items; 0 for an empty list."""
    if not items:
        return 0
    best = 1
    length = 1
    for index in range(1, len(items)):
        if items[index] == items[index - 1]:
            length += 1
        else:
            length = 1
        best = max(best, length)
    return best


def peak_index(items: list[int]) -> int:
    """Return the index of the largest item of a list that first ascends and then descends strictly."""
    low = 0
    high = len(items) - 1
    while low < high:
        middle = (low + high) // 2
        if items[middle] < items[middle + 1]:
            low = middle + 1
        else:
            high = middle
    return low


PROBLEMS = (
    problem(
        binary_search,
        visible="""
            first: binary_search([1, 3, 5, 7], 1) == 0
            last: binary_search([1, 3, 5, 7], 7) == 3
            middle: binary_search([1, 3, 5, 7, 9], 5) == 2
            missing: binary_search([1, 3, 5, 7], 4) == -1
            one: binary_search([4], 4) == 0
        """,
        hidden="""
            empty: binary_search([], 3) == -1
            below: binary_search([2, 4, 6], 1) == -1
            above: binary_search([2, 4, 6], 9) == -1
            two: binary_search([2, 4], 4) == 1
            long: [binary_search([1, 2, 4, 8, 9, 12, 15], n) for n in (2, 9, 12, 13)] == [1, 4, 5, -1]
        """,
    ),
    problem(
        insertion_point,
        visible="""
            between: insertion_point([1, 3, 5], 4) == 2
            equal_goes_left: insertion_point([1, 3, 3, 5], 3) == 1
            front: insertion_point([2, 4], 1) == 0
            back: insertion_point([2, 4], 9) == 2
            empty: insertion_point([], 7) == 0
        """,
        hidden="""
            one_equal: insertion_point([5], 5) == 0
            all_equal: insertion_point([2, 2, 2, 2], 2) == 0
            all_equal_above: insertion_point([2, 2, 2, 2], 3) == 4
            long: insertion_point(list(range(0, 60, 3)), 31) == 11
        """,
    ),
    problem(
        max_subarray,
        visible="""
            mixed: max_subarray([1, -3, 4, -1, 2, -6, 3]) == 5
            all_negative: max_subarray([-4, -2, -7]) == -2
            all_positive: max_subarray([1, 2, 3]) == 6
            one: max_subarray([5]) == 5
            empty: raises ValueError: max_subarray([])
        """,
        hidden="""
            first_negative: max_subarray([-1, 4, 5]) == 9
            first_best: max_subarray([9, -20, 3, 4]) == 9
            zeros: max_subarray([0, 0, -1]) == 0
            two_runs: max_subarray([4, -5, 2, 3, -1, 2]) == 6
        """,
    ),
    problem(
        two_sum,
        visible="""
            pair: two_sum([2, 7, 11, 15], 9) == [0, 1]
            later: two_sum([3, 2, 4], 6) == [1, 2]
            twice: two_sum([3, 3], 6) == [0, 1]
            none: two_sum([1, 2, 3], 7) == []
            not_itself: two_sum([5, 1], 10) == []
        """,
        hidden="""
            negative: two_sum([-3, 4, 3, 90], 0) == [0, 2]
            smallest_second: two_sum([1, 9, 2, 8], 10) == [0, 1]
            first_of_equals: two_sum([4, 4, 1, 6], 10) == [0, 3]
            empty: two_sum([], 0) == []
        """,
    ),
    problem(
        second_largest,
        visible="""
            ascending: second_largest([1, 2, 3]) == 2
            descending: second_largest([9, 7, 5]) == 7
            repeated: second_largest([4, 4, 3]) == 3
            one: second_largest([1]) is None
            mixed: second_largest([3, 8, 1, 6]) == 6
        """,
        hidden="""
            all_equal: second_largest([2, 2, 2]) is None
            negative: second_largest([-5, -2, -9]) == -5
            empty: second_largest([]) is None
            late: second_largest([10, 1, 2, 9]) == 9
            zero: second_largest([0, 5]) == 0
        """,
    ),
    problem(
        longest_run,
        visible="""
            middle: longest_run([1, 2, 2, 2, 3]) == 3
            end: longest_run([1, 2, 3, 3]) == 2
            all_different: longest_run([1, 2, 3]) == 1
            empty: longest_run([]) == 0
            start: longest_run([7, 7, 7, 1]) == 3
        """,
        hidden="""
            one: longest_run([5]) == 1
            two_runs: longest_run([1, 1, 2, 2, 2, 1, 1, 1, 1]) == 4
            alternating: longest_run([1, 2, 1, 2, 1]) == 1
            all_equal: longest_run([3, 3]) == 2
        """,
    ),
    problem(
        peak_index,
        visible="""
            middle: peak_index([1, 4, 9, 3]) == 2
            early: peak_index([2, 8, 5, 1, 0]) == 1
            only_descending: peak_index([5, 4, 3]) == 0
            only_ascending: peak_index([1, 2, 3, 4]) == 3
        """,
        hidden="""
            one: peak_index([7]) == 0
            two: peak_index([1, 2]) == 1
            late: peak_index([1, 2, 3, 4, 5, 6, 2]) == 5
            even: peak_index([3, 5, 9, 8, 7, 1]) == 2
        """,
    ),
)
"""The problems of this module."""
