"""Racing: who goes on, decided by hand."""

from __future__ import annotations

from envreward.training.config import Member, MetricRow, RacingConfig
from envreward.training.racing import group_fitness, recent_fitness, rungs, spread, survivors


def make_member(key: str, group: str) -> Member:
    return Member(key=key, group=group, reward="expert", seed=0)


def make_row(key: str, step: int, fitness: float | None) -> MetricRow:
    return MetricRow(
        key=key, step=step, wall_s=0.0, success=None, fitness=fitness, episode_return=None, episode_length=None,
        components={}, reward_mean=0.0, entropy=0.0, kl=0.0, clip_fraction=0.0, value_loss=0.0,
        explained_variance=None, learning_rate=0.0,
    )  # fmt: skip


def test_rungs_halve_the_budget() -> None:
    """Three rungs lie at an eighth, a quarter and a half; without racing the end is the only mark."""
    assert rungs(800, RacingConfig(rungs=3)) == [100, 200, 400, 800]
    assert rungs(800, None) == [800]
    assert rungs(1, RacingConfig(rungs=3)) == [1]
    assert rungs(5, RacingConfig(rungs=3)) == [1, 2, 5]


def test_recent_fitness_forgets_the_beginning() -> None:
    """Only the last quarter counts, or the last episode where none ended in it; no episode, no score."""
    rows = [make_row("a", 100, 0.0), make_row("a", 310, 4.0), make_row("a", 400, 6.0)]
    rows += [make_row("b", 100, 7.0), make_row("b", 400, None), make_row("c", 400, None)]
    assert recent_fitness(rows) == {"a": 5.0, "b": 7.0}


def test_groups_are_scored_by_their_mean() -> None:
    """Seeds of one candidate are averaged; a candidate without any score has none."""
    members = [make_member("a0", "a"), make_member("a1", "a"), make_member("b0", "b"), make_member("c0", "c")]
    assert group_fitness(members, {"a0": 1.0, "a1": 3.0, "b0": -1.0}) == {"a": 2.0, "b": -1.0, "c": None}


def test_survivors() -> None:
    """The best half goes on, rounded up; no score ranks last; the earlier wins a tie; the minimum holds."""
    fitness = {"a": 1.0, "b": 5.0, "c": None, "d": 3.0, "e": -9.0}
    assert survivors(fitness, RacingConfig(keep=0.5)) == {"b", "d", "a"}
    assert survivors(fitness, RacingConfig(keep=0.8)) == {"b", "d", "a", "e"}
    assert survivors({"a": 1.0, "b": 1.0}, RacingConfig(keep=0.5)) == {"a"}
    assert survivors({"a": None, "b": None}, RacingConfig(keep=0.1, min_survivors=2)) == {"a", "b"}


def test_spread_is_even() -> None:
    """No process has two members more than another, and none has none."""
    members = [make_member(str(i), str(i)) for i in range(5)]
    assert [len(part) for part in spread(members, 2)] == [3, 2]
    assert [len(part) for part in spread(members, 9)] == [1] * 5
    assert sorted(m.key for part in spread(members, 3) for m in part) == ["0", "1", "2", "3", "4"]
