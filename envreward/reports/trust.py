"""Can the winner's reward be trusted? What the study's own record says, and, where it was judged on episodes, that too.

Fresh trainings under the same budget exist for the designed, the expert and the sparse reward. In each, the return of
the reward trained with and the task's fitness were recorded; how they moved together is the first evidence. The second
are the components of the designed reward over its training. The third, if there is one, is the judgement over recorded
episodes of fixed policies (`envreward.judging`).
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from envreward.judging import Curve, Divergence, Remark, Verdict, divergence
from envreward.judging.words import conclude, course_remark, figure
from envreward.studies.records import Traces

from .data import ARMS, Arm, ArmName, ReportData
from .judged import left_out, unjudged

_NEGLIGIBLE = 0.01
_EQUAL = 1e-6
_NAME = "The designed reward"


@dataclass(frozen=True, kw_only=True)
class CourseRow:
    """How the trainings with one reward went."""

    arm: ArmName
    trainings: int
    courses: str
    """How many ended in which way."""
    correlation: float | None
    """Median over the trainings: own return and fitness up to the stretch of highest fitness."""
    own: str
    """Mean own return in the first and in the last stretch."""
    fitness: str
    """Mean fitness in the same."""


@dataclass(frozen=True, kw_only=True)
class ComponentRow:
    """What a component of the designed reward did over the winner's training in the search."""

    name: str
    first: float | None
    """Mean per step at the first checkpoint that has one."""
    last: float | None
    share: float | None
    """How far it moved over the training, as a share of how far all components did."""
    remark: str


@dataclass(frozen=True, kw_only=True)
class Trust:
    """The section "Can this reward be trusted?"."""

    verdict: Verdict
    courses: tuple[CourseRow, ...]
    components: tuple[ComponentRow, ...]
    others: tuple[Verdict, ...]
    """The designed reward against each of the task's own, where it was judged on episodes."""
    basis: str
    """What the judgement is based on, and what it lacks."""


def trust(data: ReportData) -> Trust | None:
    """Return what can be said of the winner's reward, or ``None`` where there is no winner."""
    winner = data.winner
    if winner is None:
        return None
    found = {name: _courses(data.arm(name)) for name in ARMS}
    components = component_rows(winner.traces) if winner.traces is not None else ()
    remarks = [*_summed_up(found["winner"]), *_component_remarks(components, judged=data.judged is not None)]
    remarks += _broken(data.arm("winner"))
    if data.judged is not None:
        remarks += data.judged.own.remarks
    if data.call_s is not None:
        cost = Remark("fact", f"It costs {figure(data.call_s * 1e3)} ms per 1,024 transitions.")
        remarks += [cost] * (cost not in remarks)  # a judgement kept by an earlier version says it itself
    learnt = any(d.course == "aligned" for d in found["winner"])
    enough = learnt or (data.judged is not None and data.judged.own.level != "unclear")
    return Trust(
        verdict=conclude(_NAME, remarks, enough=enough),
        courses=tuple(_course_row(name, rows) for name, rows in found.items() if rows),
        components=components,
        others=data.judged.others if data.judged is not None else (),
        basis=_basis(data, winner.learning),
    )


def _broken(arm: Arm) -> list[Remark]:
    """Return a doubt where policies drove the physics to what it cannot compute: rewards may pay for just that."""
    if not arm.broken:
        return []
    episodes = "1 episode" if arm.broken == 1 else f"{arm.broken:,} episodes"
    return [Remark("doubt", f"The simulation broke in {episodes} of its trainings, which then ended.")]


def _courses(arm: Arm) -> list[Divergence]:
    return [
        divergence(
            Curve(
                training=f"{arm.name} {number}",
                steps=curve.steps,
                own=curve.episode_return,
                fitness=curve.fitness,
            )
        )
        for number, curve in enumerate(arm.curves, start=1)
        if curve.steps
    ]


def _summed_up(found: Sequence[Divergence]) -> list[Remark]:
    """Return one remark per course that trainings with the designed reward took, with the numbers of the first."""
    remarks = []
    for course, number in Counter(d.course for d in found).items():
        example = course_remark(next(d for d in found if d.course == course))
        many = f"{number} of {len(found)} trainings{', for example' if number > 1 else ''}: "
        remarks.append(Remark(example.level, (many if len(found) > 1 else "") + example.text))
    return remarks


def _course_row(arm: ArmName, found: Sequence[Divergence]) -> CourseRow:
    known = [d.correlation for d in found if d.correlation is not None]
    moments = [(d.start, d.end) for d in found if d.start is not None and d.end is not None]
    counts = Counter(d.course for d in found)

    def span(starts: list[float], ends: list[float]) -> str:
        return f"{figure(statistics.fmean(starts))} → {figure(statistics.fmean(ends))}" if starts else "not known"

    return CourseRow(
        arm=arm,
        trainings=len(found),
        courses=", ".join(f"{number} {course}" for course, number in counts.most_common()),
        correlation=statistics.median(known) if known else None,
        own=span([start.own for start, _ in moments], [end.own for _, end in moments]),
        fitness=span([start.fitness for start, _ in moments], [end.fitness for _, end in moments]),
    )


def component_rows(traces: Traces) -> tuple[ComponentRow, ...]:
    """Return what each component did over a training, by its means per step at the checkpoints."""
    known = {name: [v for v in values if v is not None] for name, values in traces.components.items()}
    moved = {name: max(values) - min(values) if values else 0.0 for name, values in known.items()}
    still = {n for n, values in known.items() if not values or moved[n] <= _EQUAL * max(map(abs, values))}
    total = sum(distance for name, distance in moved.items() if name not in still)
    rows = []
    for name, values in known.items():
        share = (0.0 if name in still else moved[name] / total) if total else None
        remark = "never changed" if name in still else ""
        if not remark and share is not None and share < _NEGLIGIBLE:
            remark = "does not show next to the others"
        first, last = (values[0], values[-1]) if values else (None, None)
        rows.append(ComponentRow(name=name, first=first, last=last, share=share, remark=remark))
    return tuple(rows)


def _component_remarks(rows: Sequence[ComponentRow], *, judged: bool) -> list[Remark]:
    """Return what is to be said of components that did nothing; a judgement on episodes says it more precisely."""
    dead = [row.name for row in rows if row.remark == "never changed"]
    if judged or not dead or len(rows) < 2:
        return []
    return [Remark("doubt", f"Components whose mean never changed in training: {', '.join(dead)}.")]


def _basis(data: ReportData, learning: str) -> str:
    if reason := unjudged(learning):
        return f"Based on the record of the trainings alone. Not judged on episodes: {reason}."
    if data.judged is not None:
        found = (
            f"Based on the trainings on fresh seeds and on episodes of {data.judged.policies} policies: the task's own "
            "behaviours, the zero action, random ones and those trained with each reward."
        )
        return f"{found} {left_out(learning)}".strip()
    why = f" ({data.judged_note})" if data.judged_note else ""
    return (
        "Based on the record of the trainings alone. Distances to the task's own rewards and which fields matter were "
        f"not measured{why}: envreward compare measures them."
    )
