"""Charts: round ticks, honest gaps, readable numbers."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from envreward.reports.charts import Chart, at_each_width, nice_ticks, padded, short


@pytest.mark.parametrize(
    ("low", "high", "count", "expected"),
    [
        (0, 1, 5, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-3, 17, 4, [0, 5, 10, 15]),
        (0, 500_000, 4, [0, 200_000, 400_000]),
        (0.11, 0.14, 3, [0.11, 0.12, 0.13, 0.14]),
        (5, 5, 4, [5]),
    ],
)
def test_ticks_are_round_and_within(low: float, high: float, count: int, expected: list[float]) -> None:
    """Ticks are 1, 2 or 5 times a power of ten apart and never outside of the range."""
    assert nice_ticks(low, high, count) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, "0"),
        (1, "1"),
        (0.126, "0.126"),
        (12.345, "12.3"),
        (2797.14, "2797"),
        (100.0, "100"),
        (500_000, "500k"),
        (999_999, "1M"),
        (19_500_000, "19.5M"),
        (-0.5, "\u22120.5"),
        (0.00012, "1.2e\u22124"),
        (float("nan"), "nan"),
        (None, "not measured"),
    ],
)
def test_numbers_are_short(value: float | None, expected: str) -> None:
    """Three digits that matter, and never a zero for what is missing."""
    assert short(value) == expected


def test_a_missing_value_breaks_the_line() -> None:
    """Nothing is drawn where nothing was measured."""
    chart = Chart(200, 100, (0, 4), (0, 1), "a line")
    chart.line([(0, 0.1), (1, 0.2), (2, None), (3, float("nan")), (4, 0.3)], "winner")
    path = ET.fromstring(chart.svg())[0].attrib["d"]
    assert path.count("M") == 2 and path.count("L") == 1


def test_text_is_escaped() -> None:
    """What a model called its component or mutation stays text."""
    chart = Chart(200, 100, (0, 1), (0, 1), 'a "label" <b>')
    chart.text(0, 0, "<script>")
    chart.dot(0.5, 0.5, "winner", tip='"><script>alert(1)</script>')
    root = ET.fromstring(chart.svg())
    assert root.attrib["aria-label"] == 'a "label" <b>'
    assert root[0].text == "<script>" and root[1][0].text == '"><script>alert(1)</script>'


def test_a_flat_curve_has_a_range() -> None:
    """One value, or none, still gives an axis."""
    low, high = padded([3.0, 3.0])
    assert low < 3 < high
    assert padded([]) == (0.0, 1.0) and padded([float("inf")]) == (0.0, 1.0)


def test_each_width_is_drawn() -> None:
    """Wide and narrow screens each get a drawing of their own."""
    markup = at_each_width(lambda width: Chart(width, 50, (0, 1), (0, 1), "x").svg(), 700, 300)
    assert 'width="700"' in markup and 'width="300"' in markup
