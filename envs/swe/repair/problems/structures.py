"""Containers and what is done with them."""

from __future__ import annotations

import collections
from typing import Any

from ..problem import problem


class LRUCache:
    """A cache of at most capacity entries. get(key) returns the value, or -1 if there is none; put(key, value)
    stores one and, when the cache is full, drops the entry that has gone unused longest. Both count as use.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.entries: collections.OrderedDict[int, int] = collections.OrderedDict()

    def get(self, key: int) -> int:
        """Return a value, or -1."""
        if key not in self.entries:
            return -1
        self.entries.move_to_end(key)
        return self.entries[key]

    def put(self, key: int, value: int) -> None:
        """Store a value."""
        self.entries[key] = value
        self.entries.move_to_end(key)
        if len(self.entries) > self.capacity:
            self.entries.popitem(last=False)


class RingBuffer:
    """A queue of at most size items. push(item) puts one at the end and returns whether there was room; pop()
    takes the first one, or returns None if there is none.
    """

    def __init__(self, size: int) -> None:
        self.items: list[int | None] = [None] * size
        self.start = 0
        self.count = 0

    def push(self, item: int) -> bool:
        """Put an item at the end."""
        if self.count == len(self.items):
            return False
        self.items[(self.start + self.count) % len(self.items)] = item
        self.count += 1
        return True

    def pop(self) -> int | None:
        """Take the first item."""
        if self.count == 0:
            return None
        item = self.items[self.start]
        self.start = (self.start + 1) % len(self.items)
        self.count -= 1
        return item


class MinStack:
    """A stack that knows its smallest item: push(item), pop(), which returns the last item, and smallest(). The
    latter two return None for an empty stack.
    """

    def __init__(self) -> None:
        self.items: list[int] = []
        self.minima: list[int] = []

    def push(self, item: int) -> None:
        """Put an item on top."""
        self.items.append(item)
        if not self.minima or item <= self.minima[-1]:
            self.minima.append(item)

    def pop(self) -> int | None:
        """Take the item on top."""
        if not self.items:
            return None
        item = self.items.pop()
        if item == self.minima[-1]:
            self.minima.pop()
        return item

    def smallest(self) -> int | None:
        """Return the smallest item."""
        return self.minima[-1] if self.minima else None


def flatten(nested: list[Any]) -> list[Any]:
    """Return the items of a list and of all lists within it, in order, as one flat list."""
    result: list[Any] = []
    for item in nested:
        if isinstance(item, list):
            result += flatten(item)
        else:
            result.append(item)
    return result


def chunks(items: list[int], size: int) -> list[list[int]]:
    """Cut a list into pieces of size items; the last one may be shorter. A size below 1 is refused with
    ValueError.
    """
    if size < 1:
        raise ValueError("size must be positive")
    result = []
    for start in range(0, len(items), size):
        result.append(items[start : start + size])
    return result


def most_common(words: list[str], count: int) -> list[str]:
    """Return the count most frequent words, the most frequent first; of equally frequent ones, that which comes
    first in the alphabet.
    """
    tally: dict[str, int] = {}
    for word in words:
        tally[word] = tally.get(word, 0) + 1
    ordered = sorted(tally, key=lambda word: (-tally[word], word))
    return ordered[:count]


def topological_order(edges: list[list[str]]) -> list[str]:
    """Order the nodes of a graph so that in each edge [a, b] a comes before b; where there is a choice, by the
    alphabet. A graph with a cycle gives an empty list.
    """
    waiting: dict[str, int] = {}
    for before, after in edges:
        waiting[before] = waiting.get(before, 0)
        waiting[after] = waiting.get(after, 0) + 1
    order: list[str] = []
    while len(order) < len(waiting):
        ready = [node for node in waiting if waiting[node] == 0 and node not in order]
        if not ready:
            return []
        node = min(ready)
        order.append(node)
        for before, after in edges:
            if before == node:
                waiting[after] -= 1
    return order


def change(amount: int, coins: list[int]) -> int:
    """Return the smallest number of coins that add up to amount, each of which may be used again and again; -1 if
    there is no way.
    """
    best = [0] + [amount + 1] * amount
    for total in range(1, amount + 1):
        for coin in coins:
            if coin <= total:
                best[total] = min(best[total], best[total - coin] + 1)
    return best[amount] if best[amount] <= amount else -1


PROBLEMS = (
    problem(
        LRUCache,
        visible="""
            stored: c = LRUCache(2); c.put(1, 10); c.get(1) == 10
            missing: LRUCache(2).get(5) == -1
            dropped: c = LRUCache(1); c.put(1, 1); c.put(2, 2); [c.get(1), c.get(2)] == [-1, 2]
            used: c = LRUCache(2); c.put(1, 1); c.put(2, 2); c.get(1); c.put(3, 3); [c.get(1), c.get(2)] == [1, -1]
            replaced: c = LRUCache(2); c.put(1, 1); c.put(1, 9); c.get(1) == 9
        """,
        hidden="""
            oldest: c = LRUCache(2); [c.put(k, k) for k in (1, 2, 3)]; [c.get(k) for k in (1, 2, 3)] == [-1, 2, 3]
            put_counts: c = LRUCache(2); [c.put(k, k) for k in (1, 2, 1, 3)]; [c.get(1), c.get(2)] == [1, -1]
            full: c = LRUCache(3); [c.put(k, k) for k in (1, 2, 3)]; [c.get(k) for k in (1, 2, 3)] == [1, 2, 3]
            miss_counts_not: c = LRUCache(2); c.put(1, 1); c.get(7); c.put(2, 2); c.get(1) == 1
        """,
    ),
    problem(
        RingBuffer,
        visible="""
            in_order: b = RingBuffer(3); [b.push(n) for n in (1, 2)]; [b.pop(), b.pop()] == [1, 2]
            full: b = RingBuffer(2); [b.push(n) for n in (1, 2, 3)] == [True, True, False]
            empty: RingBuffer(2).pop() is None
            around: b = RingBuffer(2); b.push(1); b.push(2); b.pop(); b.push(3); [b.pop(), b.pop()] == [2, 3]
            emptied: b = RingBuffer(2); b.push(1); b.pop(); b.pop() is None
        """,
        hidden="""
            one: b = RingBuffer(1); b.push(4); b.pop(); b.push(5); b.pop() == 5
            room_again: b = RingBuffer(1); b.push(1); b.pop(); b.push(2) is True
            many: b = RingBuffer(3); [(b.push(n), b.pop()) for n in range(9)] == [(True, n) for n in range(9)]
            kept: b = RingBuffer(2); [b.push(n) for n in (1, 2, 3)]; [b.pop(), b.pop()] == [1, 2]
        """,
    ),
    problem(
        MinStack,
        visible="""
            last: s = MinStack(); s.push(1); s.push(2); s.pop() == 2
            smallest: s = MinStack(); [s.push(n) for n in (3, 1, 2)]; s.smallest() == 1
            after_pop: s = MinStack(); [s.push(n) for n in (3, 1)]; s.pop(); s.smallest() == 3
            equal: s = MinStack(); [s.push(n) for n in (1, 1)]; s.pop(); s.smallest() == 1
            empty: s = MinStack(); [s.pop(), s.smallest()] == [None, None]
        """,
        hidden="""
            keeps: s = MinStack(); [s.push(n) for n in (1, 5)]; s.pop(); s.smallest() == 1
            all: s = MinStack(); [s.push(n) for n in (2, 0, 3)]; [s.pop() for n in range(4)] == [3, 0, 2, None]
            emptied: s = MinStack(); s.push(7); s.pop(); s.smallest() is None
            down: s = MinStack(); [s.push(n) for n in (3, 2, 1)]; s.pop(); s.pop(); s.smallest() == 3
        """,
    ),
    problem(
        flatten,
        visible="""
            nested: flatten([1, [2, [3]], 4]) == [1, 2, 3, 4]
            flat: flatten([1, 2]) == [1, 2]
            empty: flatten([]) == []
            one: flatten([[1, 2]]) == [1, 2]
        """,
        hidden="""
            empty_inside: flatten([[], [[]], 1]) == [1]
            texts: flatten(["ab", ["c"]]) == ["ab", "c"]
            order: flatten([3, [1, [2]], 0]) == [3, 1, 2, 0]
        """,
    ),
    problem(
        chunks,
        visible="""
            even: chunks([1, 2, 3, 4], 2) == [[1, 2], [3, 4]]
            rest: chunks([1, 2, 3], 2) == [[1, 2], [3]]
            ones: chunks([5, 6], 1) == [[5], [6]]
            empty: chunks([], 3) == []
            zero: raises ValueError: chunks([1], 0)
        """,
        hidden="""
            larger: chunks([1, 2], 5) == [[1, 2]]
            negative: raises ValueError: chunks([1], -2)
            threes: chunks([1, 2, 3, 4, 5, 6, 7], 3) == [[1, 2, 3], [4, 5, 6], [7]]
        """,
    ),
    problem(
        most_common,
        visible="""
            frequent: most_common(["b", "a", "b"], 1) == ["b"]
            order: most_common(["x", "y", "y", "z", "z", "z"], 3) == ["z", "y", "x"]
            ties: most_common(["b", "a"], 2) == ["a", "b"]
            none: most_common([], 2) == []
        """,
        hidden="""
            more_than_there_are: most_common(["q"], 5) == ["q"]
            zero: most_common(["q"], 0) == []
            tie_cut: most_common(["c", "b", "a"], 2) == ["a", "b"]
            mixed: most_common(["a", "b", "b", "c", "c"], 2) == ["b", "c"]
        """,
    ),
    problem(
        topological_order,
        visible="""
            chain: topological_order([["a", "b"], ["b", "c"]]) == ["a", "b", "c"]
            cycle: topological_order([["a", "b"], ["b", "a"]]) == []
            choice: topological_order([["b", "z"], ["a", "z"]]) == ["a", "b", "z"]
            empty: topological_order([]) == []
        """,
        hidden="""
            diamond: topological_order([["a", "c"], ["a", "b"], ["b", "d"], ["c", "d"]]) == list("abcd")
            backwards: topological_order([["c", "b"], ["b", "a"]]) == ["c", "b", "a"]
            late_cycle: topological_order([["a", "b"], ["b", "c"], ["c", "b"]]) == []
        """,
    ),
    problem(
        change,
        visible="""
            two_coins: change(7, [1, 5]) == 3
            not_greedy: change(6, [1, 3, 4]) == 2
            impossible: change(3, [2]) == -1
            nothing: change(0, [1]) == 0
            exact: change(5, [5, 1]) == 1
        """,
        hidden="""
            many: change(11, [1, 2, 5]) == 3
            no_coins: change(4, []) == -1
            large_coin: change(2, [9, 1]) == 2
            one_kind: change(8, [4]) == 2
        """,
    ),
)
"""The problems of this module."""
