"""Words: what findings mean, in sentences that carry their numbers.

A reward is distrusted only for what contradicts the task outright: it pays failures, exploits or worse policies more,
or was hacked in a training. What merely weakens it (components that do nothing, hardly any signal, a weak order of
policies) is a doubt. Where there were too few policies, or all did equally well, neither is said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from .findings import (
    ComponentFinding,
    Correlation,
    Divergence,
    ExploitFinding,
    Interval,
    Judgement,
    PairFindings,
    RewardFindings,
)
from .statistics import MIN_POLICIES

Level: TypeAlias = Literal["sound", "doubts", "distrust", "unclear"]

WEAK_ORDER = 0.5
"""Rank correlation with fitness below which a reward orders policies only weakly."""
TELLS = 0.6
"""Probability that a success is paid more than a failure, below which a reward does not tell them apart."""
RARE = 0.01
"""Share of steps with any reward below which there is little to learn from."""
IGNORED = 0.001
"""Influence below which a field that is read counts as ignored."""

_BANDS = (
    (0.15, "ask for nearly the same"),
    (0.4, "ask for much the same"),
    (0.6, "differ in what they ask for"),
    (0.8, "have little to do with each other"),
    (1.01, "ask for opposite things"),
)
HEADLINES: dict[Level, str] = {
    "sound": "nothing speaks against it",
    "doubts": "usable, with doubts",
    "distrust": "do not trust it",
    "unclear": "too little evidence to judge it",
}
"""What a verdict on one reward says after its name."""
_SCALE = "0: all policies ordered alike, 0.71: unrelated, 1: opposite"


class Remark(NamedTuple):
    """One piece of evidence, in words."""

    level: Literal["against", "doubt", "fact"]
    """Whether it contradicts what the reward is for, weakens it, or is just so."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A judgement of one reward, or of two together."""

    about: str
    level: Level
    headline: str
    remarks: tuple[Remark, ...]
    """The evidence, gravest first."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The evidence as text."""
        return tuple(remark.text for remark in self.remarks)


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a judgement comes to."""

    rewards: tuple[Verdict, ...]
    pairs: tuple[Verdict, ...]


def judgement_verdict(judgement: Judgement) -> Verdicts:
    """Return the verdict on each reward and on each two."""
    return Verdicts(
        rewards=tuple(reward_verdict(found, judgement) for found in judgement.rewards),
        pairs=tuple(pair_verdict(found) for found in judgement.pairs),
    )


def reward_verdict(found: RewardFindings, judgement: Judgement) -> Verdict:
    """Return what can be said of one reward."""
    own = [t for t in judgement.trainings if t.reward == found.name]
    remarks = [
        *_order(found, judgement),
        *map(_exploit, found.exploits),
        *map(course_remark, own),
        *_signal(found),
        *_components(found.components),
        *_inputs(found),
        *_cost(found),
        *(Remark("fact", f"Not measured: {what} ({why}).") for what, why in found.absent.items()),
    ]
    successes = any(policy.success for policy in judgement.policies)
    trained = any(policy.kind == "trained" for policy in judgement.policies)
    learnt = any(t.course == "aligned" for t in own)
    if not successes and not learnt:
        remarks.append(
            Remark(
                "fact",
                f"None of the {len(judgement.policies)} policies succeeded even once, so what it pays for success is "
                f"not known{'' if trained else ': let trained policies play too'}.",
            )
        )
    enough = learnt or (successes and _orders_anything(found.fitness))
    return conclude(found.name, remarks, enough=enough)


def conclude(about: str, remarks: Iterable[Remark], *, enough: bool) -> Verdict:
    """Return the verdict on a reward that remarks come to.

    Args:
        about: The reward's name.
        remarks: The evidence.
        enough: Whether there is enough of it to find nothing against a reward.
    """
    ordered = sorted(remarks, key=lambda remark: ("against", "doubt", "fact").index(remark.level))
    gravest = ordered[0].level if ordered else "fact"
    level: Level = "distrust" if gravest == "against" else "doubts" if gravest == "doubt" else "sound"
    if not enough and level != "distrust":
        level = "unclear"
    return Verdict(about=about, level=level, headline=f"{about}: {HEADLINES[level]}", remarks=tuple(ordered))


def pair_verdict(found: PairFindings) -> Verdict:
    """Return what can be said of two rewards together."""
    about = f"{found.first} and {found.second}"
    sentences = []
    if found.starc_val is not None and found.starc_minimal is not None:
        sentences.append(
            f"STARC distance {found.starc_val:.2f} with value-adjusted levelling and {found.starc_minimal:.2f} with "
            f"the minimal canonicalisation, on {found.transitions:,} recorded transitions ({_SCALE})."
        )
    if found.epic is not None:
        sentences.append(
            f"EPIC distance {found.epic:.2f} (same scale"
            f"{'; it also asks for transitions that may be impossible' if found.composed else ''})."
        )
    sentences.append(_returns(found.returns))
    sentences += [f"Not measured: {what} ({why})." for what, why in found.absent.items()]
    distance = found.starc_val if found.starc_val is not None else found.epic
    if distance is None:
        return Verdict(
            about=about,
            level="unclear",
            headline=f"{about}: not compared",
            remarks=tuple(Remark("fact", text) for text in sentences),
        )
    words = next(text for limit, text in _BANDS if distance < limit)
    level: Level = "sound" if distance < _BANDS[1][0] else "doubts" if distance < _BANDS[3][0] else "distrust"
    return Verdict(
        about=about, level=level, headline=f"{about} {words}", remarks=tuple(Remark("fact", text) for text in sentences)
    )


def course_remark(found: Divergence) -> Remark:
    """Return what a training's course says, with its numbers."""
    name = f"In training {found.training}"
    start, peak, end = found.start, found.peak, found.end
    if start is None or peak is None or end is None:
        return Remark("fact", f"{name}, {found.points} rollouts are too few to tell its course.")
    own = f"own return {figure(start.own)} at the start, {figure(peak.own)} at the best fitness (step {peak.step:,}), "
    own += f"{figure(end.own)} at the end"
    fitness = f"fitness {figure(start.fitness)}, {figure(peak.fitness)}, {figure(end.fitness)}"
    together = "no correlation of the two can be told"
    if found.correlation is not None:
        together = f"correlation of the two up to the best {found.correlation:.2f}"
    numbers = f"{own}; {fitness}; {together}"
    level, words = _COURSES[found.course]
    return Remark(level, f"{name} {words}: {numbers}.")


_COURSES: dict[str, tuple[Literal["against", "doubt", "fact"], str]] = {
    "hacked": ("against", "the reward was hacked: first its return and fitness rose together, then its return alone"),
    "misaligned": ("against", "its return rose while fitness fell, and the two never went together"),
    "indifferent": ("doubt", "its return rose and fitness did not"),
    "collapsed": ("doubt", "fitness fell again, and its return did not clearly rise for it"),
    "flat": ("doubt", "its return did not rise: nothing was learnt from it"),
    "aligned": ("fact", "its return rose and fitness with it"),
}


def _order(found: RewardFindings, judgement: Judgement) -> list[Remark]:
    """Return how the reward orders policies and episodes."""
    if found.constant:
        return [Remark("against", "It is the same in every step of every policy: nothing can be learnt from it.")]
    remarks = []
    fitness = found.fitness
    text = f"Over {fitness.policies} policies, mean return and fitness {_correlation(fitness)}"
    if not _orders_anything(fitness):
        why = "there are too few policies" if fitness.policies < MIN_POLICIES else "one of the two hardly differs"
        remarks.append(Remark("fact", f"{text}; {why} to judge the order by."))
    elif _is_against(fitness):
        remarks.append(Remark("against", f"{text}: better policies are paid less."))
    elif fitness.spearman is not None and fitness.spearman < WEAK_ORDER:
        remarks.append(Remark("doubt", f"{text}: a weak order."))
    else:
        remarks.append(Remark("fact", f"{text}."))
    if found.auc is not None:
        text = f"A successful episode has a higher return than another with probability {found.auc:.2f}"
        if found.auc <= 1 - TELLS:
            remarks.append(Remark("against", f"{text}: failures are paid more."))
        elif found.auc < TELLS:
            remarks.append(Remark("doubt", f"{text}: hardly more often than chance would have it."))
        else:
            remarks.append(Remark("fact", f"{text}."))
    return remarks + _extremes(found.name, judgement)


def _extremes(name: str, judgement: Judgement) -> list[Remark]:
    """Return what the fittest and the best paid policy are, where they differ."""
    known = [p for p in judgement.policies if p.fitness is not None and p.returns[name] is not None]
    if len(known) < 2:
        return []
    fittest = max(known, key=lambda p: p.fitness or 0.0)
    paid = max(known, key=lambda p: p.returns[name] or 0.0)
    if paid.fitness == fittest.fitness:
        return [Remark("fact", f"The fittest policy, {fittest.policy}, is also the best paid.")]
    return [
        Remark(
            "fact",
            f"The best paid policy is {paid.policy} (return {figure(paid.returns[name])}, fitness "
            f"{figure(paid.fitness)}), not the fittest, {fittest.policy} (return {figure(fittest.returns[name])}, "
            f"fitness {figure(fittest.fitness)}).",
        )
    ]


def _exploit(found: ExploitFinding) -> Remark:
    text = (
        f"Exploit {found.source} ({found.episodes} episodes of {found.actor}, in {found.successes} of which the "
        f"success test held) is paid {figure(found.exploit_return)} in the median"
    )
    if found.honest_return is None or found.paid_more is None:
        return Remark("doubt", f"{text}; there is no honest success to hold it against.")
    text += f", an honest success {figure(found.honest_return)} ({found.honest_episodes} episodes)"
    if found.paid_more >= 0.5:
        return Remark("against", f"{text}: cheating pays more than succeeding with probability {found.paid_more:.2f}.")
    return Remark("fact", f"{text}: cheating does not pay.")


def _signal(found: RewardFindings) -> list[Remark]:
    if found.constant or found.nonzero_steps >= RARE:
        return []
    return [Remark("doubt", f"It pays anything but zero in {found.nonzero_steps:.2%} of steps: little to learn from.")]


def _components(found: Sequence[ComponentFinding]) -> list[Remark]:
    remarks = []
    several = len(found) > 1
    constant = [f"{c.name} (always {figure(c.mean)})" for c in found if c.state == "constant"]
    if constant and several:
        why = "constants pay for nothing but episodes that last"
        remarks.append(Remark("doubt", f"Components that never differ: {', '.join(constant)}; {why}."))
    faint = [f"{c.name} (spread {figure(c.spread)} about {figure(c.mean)})" for c in found if c.state == "negligible"]
    if faint:
        remarks.append(Remark("fact", f"Components below 1% of the spread of all: {', '.join(faint)}."))
    stuck = [
        f"{c.name} ({c.at_one_end:.0%} of steps at its {c.end} end, {figure(c.low if c.end == 'low' else c.high)})"
        for c in found
        if c.state == "stuck"
    ]
    if stuck:
        remarks.append(Remark("fact", f"Components that stand at one end nearly always: {', '.join(stuck)}."))
    live = [c for c in found if c.share is not None]
    if len(live) > 1:
        scales = ", ".join(
            f"{c.name} {_percent(c.share or 0.0)}" for c in sorted(live, key=lambda c: -(c.share or 0.0))
        )
        remarks.append(Remark("fact", f"Shares of its spread over steps: {scales}."))
    return remarks


def _inputs(found: RewardFindings) -> list[Remark]:
    if found.sensitivity is None:
        return []
    influence = found.sensitivity.influence
    shares = ", ".join(f"{name} {_percent(min(share, 1.0))}" for name, share in influence.items() if share >= IGNORED)
    remarks = [Remark("fact", f"It goes with (share of its variance, fields exchanged at random): {shares}.")]
    ignored = [name for name, share in influence.items() if share < IGNORED]
    if ignored:
        remarks.append(Remark("fact", f"It reads, but hardly uses: {', '.join(ignored)}."))
    return remarks


def _cost(found: RewardFindings) -> list[Remark]:
    if found.cost_s is None:
        return []
    return [Remark("fact", f"It costs {figure(found.cost_s * 1e3)} ms per 1,024 transitions.")]


def _returns(found: Correlation) -> str:
    return f"Over {found.policies} policies, their mean returns {_correlation(found)}."


def _correlation(found: Correlation) -> str:
    if found.pearson is None or found.spearman is None:
        return "have no correlation, as one of them never differs"
    few = f" (no interval from fewer than {MIN_POLICIES} policies)" if found.policies < MIN_POLICIES else ""
    return (
        f"correlate at {found.pearson:.2f}{_span(found.pearson_interval)}, "
        f"their ranks at {found.spearman:.2f}{_span(found.spearman_interval)}{few}"
    )


def _span(interval: Interval | None) -> str:
    return f" (95% interval {interval.low:.2f} to {interval.high:.2f})" if interval is not None else ""


def _orders_anything(found: Correlation) -> bool:
    return found.policies >= MIN_POLICIES and found.spearman is not None


def _is_against(found: Correlation) -> bool:
    """Return whether the order is against fitness beyond what resampling the policies leaves open."""
    interval = found.spearman_interval
    return interval is not None and interval.high < 0


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def figure(value: float | None) -> str:
    """Return a number of three significant digits, or ``not measured``."""
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
