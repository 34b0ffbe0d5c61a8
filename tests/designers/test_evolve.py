"""The designer: a pure function of the record, that never repeats itself and copes with whatever the record holds."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from envreward import registry
from envreward.designers.evolve import Evolve
from envreward.designers.programs import parse, render
from envreward.designers.terms import Genome, Readout, Term
from envreward.errors import ConfigError
from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Proposal, Status, Traces

FIELDS = {
    "speed": Field("Speed ahead.", unit="m/s", role="velocity"),
    "height": Field("Height of the base.", unit="m", role="position"),
    "joints": Field("Joint angles.", shape=(3,), unit="rad", role="angle"),
    "note": Field("What a person said.", dtype="str"),
    "action": Field("Torques.", shape=(3,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Go ahead.", fields=FIELDS, horizon=100, fitness_doc="metres")


def ask(
    history: Sequence[Candidate] = (),
    *,
    seed: int = 0,
    samples: int = 8,
    iteration: int = 0,
    brief: Brief = BRIEF,
    designer: Evolve | None = None,
) -> list[Proposal]:
    rng = random.Random(seed)
    context = Context(brief=brief, iteration=iteration, samples=samples, history=tuple(history), llm=None, rng=rng)
    return (designer or Evolve()).ask(context)


def ended(
    proposals: Sequence[Proposal],
    *,
    first: int = 0,
    iteration: int = 0,
    fitness: Sequence[float | None],
    length: float = 50.0,
) -> list[Candidate]:
    """Return what became of ``proposals``: those without a fitness failed."""
    return [
        Candidate(
            id=f"c{first + i:03d}",
            iteration=iteration,
            index=i,
            answer=p.answer,
            source=p.source,
            parents=p.parents,
            status=Status.FAILED if f is None else Status.EVALUATED,
            traces=None if f is None else Traces(steps=(1,), episode_length=(length,)),
            evaluations=()
            if f is None
            else (Evaluation(member="m", seed=0, episodes=1, success=0.0, fitness=f, episode_length=length),),
        )
        for i, (p, f) in enumerate(zip(proposals, fitness, strict=True))
    ]


def test_it_is_what_the_catalog_calls_evolve() -> None:
    """`--designer evolve` finds it; it asks no model and states its own budget."""
    designer = registry.find("designers", "evolve")()
    assert isinstance(designer, Evolve)
    assert (designer.needs_llm, designer.default_samples, designer.default_iterations) == (False, 8, 3)


def test_the_same_record_gives_the_same_proposals() -> None:
    """Asking again with the same history and seed gives the same answer, to the letter: that is how a study resumes."""
    history = ended(ask(seed=1), fitness=[3.0, 1.0, None, 2.0, 0.0, 5.0, 4.0, 1.5])
    assert ask(history, seed=2, iteration=1) == ask(list(history), seed=2, iteration=1, designer=Evolve())
    assert ask(history, seed=3, iteration=1) != ask(history, seed=2, iteration=1)


def test_proposals_are_programs_of_the_public_fields() -> None:
    """Each proposal carries its program, keeps the rules, reads no text, and says how it was made."""
    for proposal in ask(samples=40):
        assert proposal.source == proposal.answer
        program = RewardProgram.from_source(proposal.answer, FIELDS)
        assert {p.removeprefix("prev_") for p in program.parameters} <= FIELDS.keys() - {"note"}
        assert proposal.origin == "new" and proposal.parents == ()


def test_a_direction_is_first_tried_in_the_simplest_form() -> None:
    """What the instruction names is in the first generation as a plain linear reward, whatever the seed."""
    for seed in range(30):
        answers = [p.answer for p in ask(seed=seed)]
        assert any("\n    speed_linear = " in a and "\n    speed_linear = -" not in a for a in answers)


def test_private_fields_are_never_read() -> None:
    """Even if a brief held a private field, no term would read it."""
    secret = {**FIELDS, "success": Field("Go ahead!", dtype="bool", role="flag", private=True)}
    brief = replace(BRIEF, fields=secret)
    assert all("success" not in p.answer for p in ask(samples=60, brief=brief))


def test_nothing_is_tried_twice() -> None:
    """Over many generations no two rewards are the same up to scale and rounding."""
    history: list[Candidate] = []
    rng = random.Random(0)
    for iteration in range(12):
        proposals = ask(history, seed=iteration, iteration=iteration)
        assert len(proposals) == 8
        scores = [rng.random() for _ in proposals]
        history += ended(proposals, first=len(history), iteration=iteration, fitness=scores)
    genomes = [parse(c.answer, FIELDS) for c in history]
    assert len({g.key(FIELDS) for g in genomes if g is not None}) == len(history) == 96


def test_children_come_from_the_best_of_all_generations() -> None:
    """Parents are among the best three ever (of generations of 8), however old, and named as such."""
    history = ended(ask(seed=0), fitness=[9.0, 8.0, 7.0, 6.0, 1.0, 1.1, 1.2, None])
    history += ended(ask(history, seed=1, iteration=1), first=8, iteration=1, fitness=[0.1 * i for i in range(8)])
    children = [p for seed in range(20) for p in ask(history, seed=seed, iteration=2) if p.parents]
    assert {parent for p in children for parent in p.parents} == {"c000", "c001", "c002"}
    assert all(p.origin.startswith("mutation: " if len(p.parents) == 1 else "crossover") for p in children)
    picked = [p.parents[0] for p in children]
    assert picked.count("c000") > picked.count("c002")


def test_newcomers_grow_rarer() -> None:
    """Half of the second generation is new, a third of the third, and never less than the share that is set."""
    history = ended(ask(seed=0), fitness=[float(i) for i in range(8)])
    new = [sum(p.origin == "new" for p in ask(history, seed=5, iteration=i, samples=20)) for i in (1, 2, 40)]
    assert new == [10, 7, 3]


def test_while_all_scores_are_equal_it_keeps_looking_around() -> None:
    """A sparse fitness that is 0 for everyone selects nothing, so most of the next generation is new."""
    history = ended(ask(seed=0), fitness=[0.0] * 8)
    assert sum(p.origin == "new" for p in ask(history, seed=1, iteration=5)) == 6


def test_when_nothing_could_be_evaluated_it_starts_afresh() -> None:
    """A generation of failures leaves no parents and stops nothing; nor does it count as tried well."""
    history = ended(ask(seed=0), fitness=[None] * 8)
    proposals = ask(history, seed=0, iteration=1)
    assert len(proposals) == 8 and all(p.parents == () for p in proposals)
    assert not {p.answer for p in proposals} & {c.answer for c in history}


def test_candidates_of_other_origin_do_no_harm() -> None:
    """A record may hold programs outside the grammar: they are passed over."""
    foreign = Candidate(
        id="c000",
        iteration=0,
        index=0,
        answer="Sure! Here is a reward.",
        source="def compute_reward(speed):\n    return speed.exp(), {}\n",
        status=Status.EVALUATED,
        evaluations=(Evaluation(member="m", seed=0, episodes=1, success=1.0, fitness=99.0, episode_length=5.0),),
    )
    assert len(ask([foreign], iteration=1)) == 8


def test_no_bonus_for_lasting_once_every_episode_was_seen_to_last() -> None:
    """When all episodes ran to the horizon, newcomers carry no constant; when one ended early, they may."""
    first = ask(seed=0)
    for length, found in ((100.0, False), (99.0, True)):
        history = ended(first, fitness=[float(i) for i in range(8)], length=length)
        new = [p for p in ask(history, seed=1, iteration=1, samples=40) if p.origin == "new"]
        assert any("alive_bonus" in p.answer for p in new) == found


@pytest.mark.parametrize("samples", [1, 2, 3, 64])
def test_any_number_of_samples(samples: int) -> None:
    """One sample per iteration is a search, too; so are many."""
    first = ask(samples=samples)
    history = ended(first, fitness=[float(i) for i in range(samples)])
    assert len(first) == len(ask(history, samples=samples, iteration=1)) == samples


def test_it_runs_dry_rather_than_repeat_itself() -> None:
    """Where the grammar has little to offer, fewer proposals come than were asked for, each of them new."""
    fields = {"flag": Field("A flag.", dtype="bool", role="flag")}
    up = Genome((Term(form="linear", readout=Readout("flag"), weight=1.0),))
    source = render(up, fields, "Go.")
    history = ended([Proposal(answer=source, source=source)], fitness=[1.0], length=100.0)
    (down,) = ask(history, samples=30, brief=replace(BRIEF, fields=fields), iteration=1)
    assert "-1.0 * flag.float()" in down.answer


def test_a_task_without_numbers_is_refused_in_words() -> None:
    """Text fields alone give evolve nothing to build from, and it says so."""
    brief = replace(BRIEF, env_id="Talk", fields={"note": FIELDS["note"]})
    with pytest.raises(ConfigError, match="needs a public field that is a number, and Talk declares none"):
        ask(brief=brief)


@pytest.mark.parametrize(
    "options", [{"crossover": 1.5}, {"mutate_again": 1.0}, {"tournament_size": 0}, {"explore": -1.0}]
)
def test_options_that_cannot_work_are_refused(options: dict[str, float]) -> None:
    """A chance above one, or a mutation without end, is an error at once and names the option."""
    with pytest.raises(ConfigError, match=next(iter(options))):
        Evolve(**options)  # type: ignore[arg-type]
