"""The report's figures, drawn from `ReportData`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import partial

from markupsafe import Markup

from envreward.studies.records import Candidate, Traces

from .charts import Chart, at_each_width, nice_ticks, padded, short
from .data import ARMS, Arm, ReportData
from .statistics import bootstrap_interval, iqm

NAMES = {"winner": "designed", "expert": "expert", "sparse": "sparse"}


def forest(data: ReportData) -> Markup:
    """Draw each arm's runs, mean and 95% interval on one fitness axis; empty where nothing was evaluated."""
    arms = [arm for arm in map(data.arm, ARMS) if arm.evaluations]
    return at_each_width(lambda width: _forest(arms, width), 976, 326, 640) if arms else Markup("")


def _forest(arms: Sequence[Arm], width: int) -> Markup:
    row = 44
    said = "; ".join(f"{NAMES[a.name]} mean {short(statistics.fmean(a.fitness))}" for a in arms)
    chart = Chart(
        width,
        row * len(arms) + 48,
        padded([f for a in arms for f in a.fitness], 0.08),
        (0.0, 1.0),
        f"Fitness: {said}",
        left=74,
    )
    for tick in nice_ticks(*chart.x_range, count=max(3, width // 110)):
        chart.raw(f'<path class="grid" d="M{chart.x(tick)} {chart.top}V{chart.height - chart.bottom}"/>')
    for place, arm in enumerate(arms):
        y = chart.top + row * (place + 0.5)
        mean, interval = statistics.fmean(arm.fitness), bootstrap_interval(arm.fitness)
        chart.text(4, y + 4, NAMES[arm.name], css=f"name {arm.name}")
        if interval is not None:
            low, high = chart.x(interval.low), chart.x(interval.high)
            chart.raw(f'<path class="whisker {arm.name}" d="M{low} {y}H{high}M{low} {y - 6}v12M{high} {y - 6}v12"/>')
        for evaluation in arm.evaluations:
            tip = f"seed {evaluation.seed}: fitness {short(evaluation.fitness)}, success {evaluation.success:.0%}"
            place_xy = f'cx="{chart.x(evaluation.fitness)}" cy="{y}" r="4"'
            chart.raw(f'<circle class="run {arm.name}" {place_xy}><title>{tip}</title></circle>')
        x = chart.x(mean)
        tip = f"mean {short(mean)}, interquartile mean {short(float(iqm(arm.fitness)))}"
        chart.raw(f'<path class="mean {arm.name}" d="M{x} {y - 8}l6 8l-6 8l-6 -8z"><title>{tip}</title></path>')
    chart.x_axis("fitness")
    return chart.svg()


def search(data: ReportData) -> Markup:
    """Draw every candidate by iteration and fitness, with lines to the parents it was made from."""
    return at_each_width(lambda width: _search(data, width), 1030, middle=700) if data.candidates else Markup("")


def _search(data: ReportData, width: int) -> Markup:
    iterations = max(c.iteration for c in data.candidates) + 1
    columns = [[c for c in data.candidates if c.iteration == i] for i in range(iterations)]
    scored = [c for c in data.candidates if c.fitness is not None]
    lost = len(data.candidates) - len(scored)
    label = f"{len(scored)} candidates with a fitness over {iterations} iterations; {lost} without"
    height = 330 if width > 500 else 300
    chart = Chart(
        width, height, (-0.5, iterations - 0.5), padded([c.fitness or 0.0 for c in scored]), label, left=58, bottom=64
    )
    chart.y_axis()
    where: dict[str, tuple[float, float]] = {}
    lane = height - chart.bottom + 14
    for column in columns:
        for place, candidate in enumerate(column):
            x = candidate.iteration + 0.74 * ((place + 0.5) / len(column) - 0.5)
            where[candidate.id] = (chart.x(x), lane if candidate.fitness is None else chart.y(candidate.fitness))
    chart.raw("".join(_lineage(c, where, data.winner_id) for c in data.candidates))
    chart.line(_best_so_far(columns), "best", "best fitness so far")
    chart.raw("".join(_mark(c, where[c.id], c.id == data.winner_id) for c in data.candidates))
    if lost:
        chart.text(chart.left - 6, lane + 3.5, "no score" if width > 500 else "none", anchor="end")
    chart.x_axis("iteration", ticks=[])
    for iteration in range(iterations):
        chart.text(chart.x(iteration), height - 20, str(iteration), anchor="middle")
    return chart.svg()


def _best_so_far(columns: Sequence[Sequence[Candidate]]) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    best: float | None = None
    for iteration, column in enumerate(columns):
        reached = [*([] if best is None else [best]), *(c.fitness for c in column if c.fitness is not None)]
        best = max(reached, default=None)
        points += [(iteration - 0.5, best), (iteration + 0.5, best)]
    return points


def _lineage(candidate: Candidate, where: dict[str, tuple[float, float]], winner: str | None) -> str:
    x, y = where[candidate.id]
    css = "lineage to-winner" if candidate.id == winner else "lineage"
    curves = []
    for parent in candidate.parents:
        if parent in where:
            px, py = where[parent]
            curves.append(
                f'<path class="{css}" d="M{px} {py}C{(px + x) / 2:.1f} {py} {(px + x) / 2:.1f} {y} {x} {y}"/>'
            )
    return "".join(curves)


def _mark(candidate: Candidate, place: tuple[float, float], wins: bool) -> str:
    x, y = place
    score = (
        f"fitness {short(candidate.fitness)}"
        if candidate.fitness is not None
        else str(candidate.status).replace("_", " ")
    )
    origin = f" ({candidate.origin})" if candidate.origin else ""
    title = Markup("<title>{}</title>").format(f"{candidate.id}: {score}{origin}" + (", the winner" if wins else ""))
    if candidate.fitness is None:
        shape = f'<path class="lost" d="M{x - 3.5} {y - 3.5}l7 7m0 -7l-7 7">{title}</path>'
    else:
        ring = f'<circle class="ring" cx="{x}" cy="{y}" r="9"/>' if wins else ""
        shape = f'{ring}<circle class="dot {"winner" if wins else "scored"}" cx="{x}" cy="{y}" r="4.5">{title}</circle>'
    return str(Markup('<a href="#{}" tabindex="-1">{}</a>').format(candidate.id, Markup(shape)))


def learning(data: ReportData, quantity: str) -> Markup:
    """Draw ``quantity`` (``fitness`` or ``success``) over training for each arm: runs thin, their mean bold."""
    arms = [arm for arm in map(data.arm, ARMS) if any(_known(getattr(curve, quantity)) for curve in arm.curves)]
    return at_each_width(lambda width: _learning(arms, quantity, width), 500) if arms else Markup("")


def _learning(arms: Sequence[Arm], quantity: str, width: int) -> Markup:
    values = [v for a in arms for c in a.curves for v in getattr(c, quantity) if v is not None]
    end = max(1, *(s for a in arms for c in a.curves for s in c.steps))
    y_range = (-0.03, 1.03) if quantity == "success" else padded(values)
    chart = Chart(width, 250, (0.0, float(end)), y_range, f"{quantity} during training, by reward", right=18)
    chart.y_axis()
    for arm in reversed(arms):
        for curve in arm.curves if len(arm.curves) > 1 else ():
            chart.line([*zip(curve.steps, getattr(curve, quantity), strict=False)], f"thin {arm.name}")
    for arm in reversed(arms):
        chart.line(mean_curve(arm.curves, quantity), arm.name, f"{NAMES[arm.name]}: mean over {len(arm.curves)} seeds")
    chart.x_axis("environment steps")
    return chart.svg()


def mean_curve(curves: Sequence[Traces], quantity: str) -> list[tuple[float, float | None]]:
    """Average curves that share their checkpoints, where all of them have a value; else the mean is unknown there."""
    if not curves:
        return []
    steps = [s for s in curves[0].steps if all(s in c.steps for c in curves)]
    points: list[tuple[float, float | None]] = []
    for step in steps:
        at = [_at(c, quantity, step) for c in curves]
        known = [v for v in at if v is not None]
        points.append((step, statistics.fmean(known) if len(known) == len(at) else None))
    return points


def _at(curve: Traces, quantity: str, step: int) -> float | None:
    values = getattr(curve, quantity)
    place = curve.steps.index(step)
    return values[place] if place < len(values) else None


def traces(curve: Traces) -> list[tuple[str, Markup]]:
    """Draw one small chart for each reward component, and for the return and the episode length."""
    rows: list[tuple[str, tuple[float | None, ...]]] = [
        *curve.components.items(),
        ("return", curve.episode_return),
        ("episode length", curve.episode_length),
    ]
    drawn = [(name, partial(_trace, name, curve.steps, values)) for name, values in rows if _known(values)]
    return [(name, at_each_width(draw, 235, 164)) for name, draw in drawn]


def _trace(name: str, steps: Sequence[int], values: Sequence[float | None], width: int) -> Markup:
    known = [v for v in values if v is not None]
    label = f"{name}: from {short(known[0])} to {short(known[-1])}"
    chart = Chart(
        width, 110, (0.0, float(max(1, *steps))), padded(known, 0.12), label, left=44, right=8, top=8, bottom=18
    )
    chart.y_axis(count=3)
    if chart.y_range[0] < 0 < chart.y_range[1]:
        chart.raw(f'<path class="zero" d="M{chart.left} {chart.y(0)}H{chart.width - chart.right}"/>')
    chart.line([*zip(steps, values, strict=False)], "winner")
    base = chart.height - chart.bottom
    chart.raw(f'<path class="axis" d="M{chart.left} {base}H{width - chart.right}"/>')
    chart.text(width - chart.right, chart.height - 4, f"{short(max(steps, default=0))} steps", anchor="end")
    return chart.svg()


def _known(values: Sequence[float | None]) -> bool:
    return any(v is not None for v in values)
