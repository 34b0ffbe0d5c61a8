"""History: the ring of factors, and which episodes are whole in it."""

from __future__ import annotations

import torch

from envreward.rewards.sequence import Flow
from envreward.training.learned.history import History


def flow(first: list[list[int]], last: list[list[int]]) -> Flow:
    """Return a flow ``[T, N]`` in which ends are terminations."""
    begins, ends = torch.tensor(first).bool(), torch.tensor(last).bool()
    return Flow(begins, ends, torch.zeros_like(ends))


def test_episodes_by_hand() -> None:
    """Two worlds, three rollouts: episodes that began in an earlier rollout are whole, unseen beginnings left out."""
    memory: dict[str, torch.Tensor] = {}
    history = History(memory, 100, 4)
    assert len(history.episodes().length) == 0
    factors = torch.arange(12.0).view(6, 2, 1)  # world 0: 0 2 4 6 8 10; world 1: 1 3 5 7 9 11
    sparse = torch.ones(6, 2)
    starts = [[1, 0], [0, 0], [0, 1], [1, 0], [0, 0], [0, 1]]
    ends = [[0, 0], [0, 1], [1, 0], [0, 0], [0, 1], [0, 0]]
    for begin in range(0, 6, 2):
        part = slice(begin, begin + 2)
        history.add(factors[part], sparse[part], flow(starts[part], ends[part]))
    found = history.episodes()
    assert found.world.tolist() == [0, 1] and found.start.tolist() == [0, 2] and found.length.tolist() == [3, 3]
    assert found.returns.tolist() == [3.0, 3.0]
    assert found.factors.tolist() == [[0.0 + 2 + 4], [5.0 + 7 + 9]]
    steps = torch.tensor([[0, 1, 2], [2, 0, 0]])
    assert history.factors(found, steps).squeeze(-1).tolist() == [[0.0, 2.0, 4.0], [9.0, 5.0, 5.0]]
    assert history.recent(2).squeeze(-1).tolist() == [8.0, 9.0, 10.0, 11.0]


def test_episodes_cut_short_are_left_out() -> None:
    """An episode that was never to have its whole time is no episode to compare or to redistribute."""
    history = History({}, 100, 4)
    ends = flow([[1, 1], [0, 0]], [[0, 0], [1, 1]])
    history.add(torch.ones(2, 2, 1), torch.ones(2, 2), ends._replace(cut_short=torch.tensor([[0, 0], [1, 0]]).bool()))
    assert history.episodes().world.tolist() == [1]
    history.add(torch.ones(2, 2, 1), torch.ones(2, 2), ends)
    assert history.episodes().world.tolist() == [1, 0, 1]


def test_what_is_overwritten_is_forgotten() -> None:
    """Only episodes of which every step is still in the ring are given, and the values are the newest ones."""
    history = History({}, 1, 4)  # four steps of one world
    for number in range(5):
        values = torch.full((2, 1, 1), float(number))
        history.add(values, torch.zeros(2, 1), flow([[1], [0]], [[0], [1]]))
    found = history.episodes()
    assert found.start.tolist() == [6, 8]
    assert history.factors(found, torch.tensor([[0, 1], [0, 1]])).squeeze(-1).tolist() == [[3.0, 3.0], [4.0, 4.0]]


def test_worlds_that_were_started_anew() -> None:
    """An episode that never ended, because its world began again, is not joined to the next one."""
    history = History({}, 100, 10)
    history.add(torch.ones(2, 1, 1), torch.ones(2, 1), flow([[1], [0]], [[0], [0]]))
    history.add(torch.ones(3, 1, 1), torch.ones(3, 1), flow([[1], [0], [0]], [[0], [0], [1]]))
    assert history.episodes().length.tolist() == [3] and history.episodes().returns.tolist() == [3.0]
