"""Charts: small SVG drawings that take their colours from the page, so that they follow light, dark and print.

A chart is drawn at two or three widths, and the style sheet shows the one that fits: text keeps its size on every
screen. Classes, not colours, are written into the SVG: ``winner``, ``expert``, ``sparse`` and so on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup, escape

NARROW = 340
"""Width in CSS pixels of charts on a phone."""

Point = tuple[float, float]


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers (1, 2 or 5 times a power of ten apart) within ``[low, high]``."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(m for m in (1, 2, 5, 10) if m * power >= raw * 0.999999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def padded(values: Iterable[float], share: float = 0.06) -> tuple[float, float]:
    """Return the range of the finite ``values`` with a margin on both sides; ``(0, 1)`` when there are none."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    margin = (high - low) * share or max(abs(high) * share, 1e-6)
    return low - margin, high + margin


def short(value: float | None) -> str:
    """Return a number as a reader wants it: three significant digits, ``k``/``M``/``G`` from ten thousand on."""
    if value is None:
        return "not measured"
    if not math.isfinite(value):
        return str(value)
    for limit, divisor, suffix in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= limit * 0.9995:
            return f"{value / divisor:.3g}{suffix}".replace("-", "\N{MINUS SIGN}")
    if value == 0 or abs(value) >= 1e-3:
        digits = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
        text = f"{value:.{min(digits, 4)}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.1e}".replace("e-0", "e-")
    return text.replace("-", "\N{MINUS SIGN}")


@dataclass
class Chart:
    """One SVG with an x and a y axis; call the drawing methods in painting order, then `svg`."""

    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    label: str
    """What it shows, for those who cannot see it."""
    left: int = 46
    right: int = 14
    top: int = 14
    bottom: int = 34
    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not (self.x_range[0] < self.x_range[1] and self.y_range[0] < self.y_range[1]):
            raise ValueError(f"empty axis: x {self.x_range}, y {self.y_range}")

    def x(self, value: float) -> float:
        """Map a value to a horizontal pixel."""
        low, high = self.x_range
        return round(self.left + (value - low) / (high - low) * (self.width - self.left - self.right), 1)

    def y(self, value: float) -> float:
        """Map a value to a vertical pixel."""
        low, high = self.y_range
        return round(self.height - self.bottom - (value - low) / (high - low) * self.plot_height, 1)

    @property
    def plot_height(self) -> int:
        """Pixels between the axes' ends."""
        return self.height - self.bottom - self.top

    def x_axis(self, title: str, ticks: Sequence[float] | None = None, name: Callable[[float], str] = short) -> None:
        """Draw tick marks, their labels and a title below the plot."""
        base = self.height - self.bottom
        for tick in nice_ticks(*self.x_range, count=max(2, self.width // 110)) if ticks is None else ticks:
            self.parts.append(f'<path class="tick" d="M{self.x(tick)} {base}v4"/>')
            self.text(self.x(tick), base + 16, name(tick), anchor="middle")
        middle = (self.left + self.width - self.right) / 2
        self.text(middle, self.height - 3, title, anchor="middle", css="axis-title")
        self.parts.append(f'<path class="axis" d="M{self.left} {base}H{self.width - self.right}"/>')

    def y_axis(self, count: int = 4, name: Callable[[float], str] = short) -> None:
        """Draw horizontal grid lines with their labels on the left."""
        for tick in nice_ticks(*self.y_range, count=count):
            y = self.y(tick)
            self.parts.append(f'<path class="grid" d="M{self.left} {y}H{self.width - self.right}"/>')
            self.text(self.left - 6, y + 3.5, name(tick), anchor="end")

    def text(self, x: float, y: float, text: str, *, anchor: str = "start", css: str = "") -> None:
        """Write one line of text; ``anchor`` is SVG's ``text-anchor``."""
        attributes = f' class="{css}"' if css else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}"{attributes}>{escape(text)}</text>')

    def line(self, points: Sequence[tuple[float, float | None]], css: str, tip: str = "") -> None:
        """Draw a line through the points, broken where a value is ``None`` or not finite."""
        path, pen = [], "M"
        for x, y in points:
            if y is None or not math.isfinite(y):
                pen = "M"
                continue
            path.append(f"{pen}{self.x(x)} {self.y(y)}")
            pen = "L"
        if path:
            self.parts.append(f'<path class="line {css}" d="{"".join(path)}"' + _close("path", tip))

    def dot(self, x: float, y: float, css: str, tip: str = "", radius: float = 3.5) -> None:
        """Draw a dot; with ``tip``, one that says what it is when pointed at."""
        place = f'cx="{self.x(x)}" cy="{self.y(y)}" r="{radius:g}"'
        self.parts.append(f'<circle class="dot {css}" {place}' + _close("circle", tip))

    def raw(self, svg: str) -> None:
        """Append SVG markup whose text is already escaped."""
        self.parts.append(svg)

    def svg(self) -> Markup:
        """Return the finished element."""
        return Markup(
            f'<svg viewBox="0 0 {self.width} {self.height}" width="{self.width}" height="{self.height}" role="img" '
            f'aria-label="{escape(self.label)}">{"".join(self.parts)}</svg>'
        )


def at_each_width(draw: Callable[[int], Markup], wide: int, narrow: int = NARROW, middle: int | None = None) -> Markup:
    """Return a chart drawn at two or three widths; the style sheet shows the one that fits the page."""
    drawings = [("wide", wide), *([] if middle is None else [("middle", middle)]), ("narrow", narrow)]
    inner = Markup("").join(Markup('<div class="{}">{}</div>').format(css, draw(width)) for css, width in drawings)
    return Markup('<div class="chart{}">{}</div>').format("" if middle is None else " has-middle", inner)


def _close(tag: str, tip: str) -> str:
    """Return the end of an element, with what it says when pointed at (the page's script shows it faster)."""
    return f"><title>{escape(tip)}</title></{tag}>" if tip else "/>"
