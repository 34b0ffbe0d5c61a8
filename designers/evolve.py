"""evolve: a search over reward terms by variation and selection, with no language model.

The first generation spreads over the task's read-outs, weighted by their roles and by the words they share
with the instruction. Each later one varies the best rewards of all earlier ones (mu + lambda: a parent stays until
something better has been found): tournament selection, crossover, mutation, and a share of newcomers drawn
from what ranked well so far. It is the offline default, and the baseline that every method with a language model
must beat.

Its whole memory is the study's record: a program is its own genome (see `programs`), its score is the candidate's.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, TypeAlias

from envreward.errors import ConfigError
from envreward.fields import public_fields
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Proposal

from .credit import credit, predicted
from .mutation import mutate
from .population import Individual, is_flat, ranked, read_population, tournament
from .prior import Prior
from .programs import render
from .terms import Genome
from .variation import Vocabulary, crossover, fresh, stratified

_Draft: TypeAlias = tuple[Genome, tuple[str, ...], str]
"""A reward to try, the ids of its parents, and how it was made."""

_ATTEMPTS = 50
"""Draws after which a generation with nothing new to try stays smaller than asked for."""


@dataclass(frozen=True, kw_only=True)
class Evolve:
    """The designer; its fields are its options."""

    needs_llm: ClassVar[bool] = False
    default_samples: ClassVar[int] = 8
    default_iterations: ClassVar[int] = 3

    parents: float = 0.25
    """Size of the parent pool as a share of a generation (at least 3): mu / lambda."""
    tournament_size: int = 2
    """Rewards drawn from the pool per parent; the best of them is taken. More is greedier."""
    explore: float = 1.0
    """The share of rewards made from nothing is ``explore / (1 + i)`` in iteration i, so that a short search spreads
    before it digs ..."""
    newcomers: float = 0.15
    """... and never falls below this."""
    newcomers_flat: float = 0.75
    """That share while all scores are equal, when there is nothing to select."""
    credit_gain: float = 5.0
    """How strongly new terms go to what ranked well so far: a direction that always came first is drawn up to
    ``exp(credit_gain / 2)`` times as often as its prior says. 0: not at all."""
    crossover: float = 0.3
    """Chance that a child has two parents."""
    mutate_again: float = 0.4
    """Chance of each further mutation after the first."""
    screen: int = 2
    """Children drafted for each one proposed: the one whose terms ranked best so far is taken."""

    def __post_init__(self) -> None:
        for option in ("parents", "newcomers", "newcomers_flat", "crossover", "mutate_again"):
            if not 0 <= getattr(self, option) <= 1:
                raise ConfigError(f"evolve: {option} must be between 0 and 1, got {getattr(self, option)}")
        counts, gains = (self.tournament_size, self.screen), (self.explore, self.credit_gain)
        if self.mutate_again == 1 or min(counts) < 1 or min(gains) < 0:
            raise ConfigError(
                "evolve: mutate_again must be below 1, tournament_size and screen at least 1, explore and credit_gain "
                "not negative"
            )

    def ask(self, context: Context) -> list[Proposal]:
        """Return ``context.samples`` rewards that were not tried before; fewer only when nothing new comes up.

        Raises:
            ConfigError: No public field of the task is a number.
        """
        brief, rng, samples = context.brief, context.rng, context.samples
        fields = public_fields(brief.fields)
        population = read_population(context.history, fields)
        vocabulary = self._vocabulary(brief, population)
        tried = {individual.genome.key(fields) for individual in population}
        pool = ranked(population)[: max(3, round(self.parents * samples))]
        proposals: list[Proposal] = []
        new = max(1, round(self._share_new(population, context.iteration) * samples))
        for drafts, until in (
            (self._newcomers(new, population, vocabulary, rng), new),
            (self._children(pool, vocabulary, rng), samples),
        ):
            for genome, parents, origin in islice(drafts, samples * _ATTEMPTS):
                if len(proposals) >= until:
                    break
                key = genome.key(fields)
                if key not in tried:
                    tried.add(key)
                    source = render(genome, fields, brief.instruction)
                    proposals.append(Proposal(answer=source, source=source, parents=parents, origin=origin))
        return proposals

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: the next `ask` reads the history."""

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        return Composition(
            prompt="none: no model is asked",
            generate="new rewards from the fields' read-outs, children of good ones by mutation and crossover",
            screen=f"of {self.screen} drafts of a child, the one whose terms ranked best so far",
            feedback="the score alone: which terms ranked well",
            select=f"tournament of {self.tournament_size} among the best of all iterations",
            memory="every program with its score; programs are their own genomes",
            calls=Calls(0, 0),
        )

    def _share_new(self, population: Sequence[Individual], iteration: int) -> float:
        """Return the share of the generation that is made from nothing."""
        if not ranked(population):
            return 1.0
        if is_flat(population):
            return self.newcomers_flat
        return min(1.0, max(self.newcomers, self.explore / (1 + iteration)))

    def _newcomers(
        self, n: int, population: Sequence[Individual], vocabulary: Vocabulary, rng: random.Random
    ) -> Iterator[_Draft]:
        """Yield rewards made from nothing, without end, each ``n`` of them spread evenly over the directions.

        A direction is first tried in the simplest form: whether it matters comes before how it is best paid.
        """
        seen = {(t.readout, t.weight > 0) for individual in population for t in individual.genome.terms}
        while True:
            for goal in stratified(vocabulary.directions(), n, rng):
                yield fresh(goal, vocabulary, rng, linear=goal not in seen), (), "new"
                seen.add(goal)

    def _children(self, pool: Sequence[Individual], vocabulary: Vocabulary, rng: random.Random) -> Iterator[_Draft]:
        """Yield children of the pool, the more promising of a few drafts each, without end; none of an empty pool."""
        while pool:
            drafts = [self._child(pool, vocabulary, rng) for _ in range(self.screen)]
            yield max(drafts, key=lambda draft: predicted(draft[0], vocabulary.credit, vocabulary.fields))

    def _child(self, pool: Sequence[Individual], vocabulary: Vocabulary, rng: random.Random) -> _Draft:
        """Return a child of one or two parents, who they are, and how it was made."""
        size = self.tournament_size
        first = tournament(pool, rng, size)
        genome = first.genome
        parents: tuple[str, ...] = (first.id,)
        how: list[str] = []
        second = tournament(pool, rng, size)
        if second is not first and rng.random() < self.crossover:
            genome = crossover(first.genome, second.genome, vocabulary.fields, rng)
            parents, how = (first.id, second.id), ["crossover"]
        while not how or rng.random() < self.mutate_again:
            variant = mutate(first, genome, vocabulary, rng)
            if variant is None:
                break
            genome, what = variant
            how.append(what)
        return genome, parents, ("mutation: " if len(parents) == 1 else "") + ", ".join(how)

    def _vocabulary(self, brief: Brief, population: Sequence[Individual]) -> Vocabulary:
        prior = Prior.of(brief)
        if not prior.weights:
            raise ConfigError(f"evolve needs a public field that is a number, and {brief.env_id} declares none")
        lengths = [p.episode_length for p in population if p.episode_length is not None]
        early = not lengths or min(lengths) < brief.horizon - 0.5
        return Vocabulary(
            fields=public_fields(brief.fields),
            prior=prior,
            credit=credit(population, public_fields(brief.fields)),
            credit_gain=self.credit_gain,
            episodes_end_early=early,
        )
