"""Which sets of preferences can be learned from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.errors import ConfigError
from envreward.rewards.preferences import Preference, Segment, check_preferences


def segment(*values: float) -> Segment:
    return Segment(state={"x": torch.tensor(values)})


def pair(first: Segment, second: Segment, label: float) -> Preference:
    return Preference(first=first, second=second, label=label)


A, B, C, D = segment(1.0), segment(2.0), segment(3.0), segment(4.0)


def test_a_sound_set() -> None:
    """Pairs, ties, and no circle."""
    report = check_preferences([pair(A, B, 1.0), pair(C, B, 0.0), pair(A, C, 0.5)], ["x"])
    assert (report.pairs, report.ties, report.cycles) == (3, 1, ())
    assert report.describe() == "3 pairs, 1 of them ties; no preference contradicts another."


def test_circles_are_allowed_and_reported() -> None:
    """A over B over C over A: three pairs go round; the pair beside them does not."""
    circle = [pair(B, A, 1.0), pair(C, B, 1.0), pair(C, A, 0.0), pair(A, D, 1.0)]
    report = check_preferences(circle, ["x"])
    assert report.cycles == ((0, 1, 2),)
    assert "3 go round in 1 circles, such as pairs 0, 1, 2" in report.describe()


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda e: e[0] != e[1]),
        min_size=1,
        max_size=16,
        unique_by=lambda e: frozenset(e),
    )
)
@settings(max_examples=60, deadline=None)
def test_circles_are_the_strongly_connected_components(edges: list[tuple[int, int]]) -> None:
    """Pairs go round together if and only if each one's segments reach the other's, by the transitive closure."""
    segments = [segment(float(i)) for i in range(8)]
    report = check_preferences([pair(segments[lost], segments[won], 1.0) for lost, won in edges], ["x"])
    reach = np.eye(8, dtype=bool)
    reach[tuple(np.array(edges).T)] = True
    for _ in range(3):
        reach = reach @ reach
    together = reach & reach.T
    expected = {
        tuple(i for i, (lost, won) in enumerate(edges) if together[node, lost] and together[node, won])
        for node in range(8)
    } - {()}
    assert set(report.cycles) == expected and len(report.cycles) == len(expected)


def test_a_long_chain_does_not_exhaust_the_stack() -> None:
    """Three thousand segments in a ring are one circle."""
    ring = [segment(float(i)) for i in range(3000)]
    report = check_preferences([pair(ring[i - 1], ring[i], 1.0) for i in range(3000)], ["x"])
    assert len(report.cycles) == 1 and len(report.cycles[0]) == 3000


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([], "no preferences to learn from"),
        ([pair(A, B, 0.5)], "every label is a tie"),
        ([pair(A, B, 1.0), pair(A, B, 0.0)], "pairs 0 and 1 are the same two segments with opposite labels"),
        ([pair(A, B, 1.0), pair(C, D, 1.0), pair(B, A, 0.9)], "pairs 0 and 2 are the same"),
        ([pair(A, segment(1.0), 1.0)], "pair 0 prefers a segment to itself"),
        ([pair(A, B, 2.0)], "pair 0: the label must be within"),
        ([pair(A, B, float("nan"))], "pair 0: the label must be within"),
        ([pair(A, Segment(state={"y": torch.zeros(1)}), 1.0)], "its second segment lacks field x"),
        ([pair(segment(), B, 1.0)], "its first segment must have"),
        (
            [pair(B, Segment(state={"x": torch.zeros(2), "z": torch.zeros(3)}), 1.0)],
            "its first segment lacks field z",
        ),
    ],
)
def test_sets_that_cannot_be_learned_from(pairs: list[Preference], message: str) -> None:
    """Empty sets, contradictions and broken pairs are told with the numbers of the pairs."""
    fields = ["x", "z"] if "field z" in message else ["x"]
    with pytest.raises(ConfigError) as caught:
        check_preferences(pairs, fields)
    assert message in str(caught.value)


@pytest.mark.parametrize("importance", [[0.5, 0.4], [1.5, -0.5], [1.0]])
def test_bad_importance(importance: list[float]) -> None:
    """Shares are as many as steps, not negative, and add up to one."""
    odd = Segment(state={"x": torch.zeros(2)}, importance=torch.tensor(importance))
    with pytest.raises(ConfigError, match="importance must be 2 non-negative numbers with sum 1"):
        check_preferences([pair(odd, segment(1.0, 2.0), 1.0)], ["x"])


def test_the_same_steps_from_elsewhere_are_another_segment() -> None:
    """Where successor features tell segments' ends apart, opposite labels are no contradiction."""
    near, far = (
        Segment(state={"x": torch.ones(1)}, start_successors=torch.ones(1, 1) * d, end_successors=torch.zeros(1, 1))
        for d in (1.0, 2.0)
    )
    assert check_preferences([pair(A, near, 1.0), pair(A, far, 0.0), pair(near, far, 0.0)], ["x"]).pairs == 3


def test_equal_labels_twice_are_no_contradiction() -> None:
    """The same judgement given twice, in either order of the segments, is allowed."""
    again = Segment(state={"x": torch.from_numpy(np.array([1.0], dtype=np.float32))})
    report = check_preferences([pair(A, B, 1.0), pair(again, B, 1.0), pair(B, A, 0.0)], ["x"])
    assert report.pairs == 3 and not report.cycles
