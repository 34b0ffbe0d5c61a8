"""revolve: programs evolve on islands, a language model mutates and crosses them (Hazra et al. 2025, arXiv:2406.01309).

ICLR 2025. Each program of a generation is made by itself: an island is drawn by its mean score, parents on it by their
own, and the model is asked to mutate one or to cross two. What scores at least its island's mean is let in; now and
then the weaker half of the islands is reset. Scores are Elo ratings from comparisons, or the task's fitness ("REvolve
Auto", section 5.2). Values are the paper's; where the release (github.com/RishiHazra/Revolve, commit b072271 of
November 2025) differs, the option says so and both are there.

Nothing is kept beside the study's record: which individual lives where follows from parents, scores and a generator
seeded from the answers of each generation, by playing all generations over.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple, get_args

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import Message
from envreward.studies.composition import Calls, Composition
from envreward.studies.designer import Context
from envreward.studies.records import Candidate, Proposal

from . import elo
from .comparisons import Judge, judge_pairs, words_on
from .generate import Question, generate, generate_each
from .islands import Island, Scores, admit, draw_island, draw_parents, migrate
from .mend import Mending, mend
from .prompt import PROMPT, opening
from .reflect import FEEDBACK, curves, number, scores

Numbers = Literal["paper", "released", "readme"]
ScoreRule = Literal["fitness", "elo"]
Scale = Literal["unit", "raw"]

ISLANDS: Mapping[Numbers, int] = {"paper": 13, "released": 4, "readme": 5}
"""Section 5.2; ``num_islands`` in cfg/generate.yaml; the command line in README.md."""


class Population(NamedTuple):
    """Where everyone lives after a generation, and what each is worth."""

    islands: list[Island]
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class Revolve:
    """The designer; its fields are its options.

    Left out of the method as published: the survey page on which people compared films (they are asked on the
    terminal). The winner of a study is the candidate of highest fitness, whatever the ratings say.
    """

    needs_llm: ClassVar[bool] = True
    default_samples: ClassVar[int] = 16
    """Section 5.2; ``individuals_per_generation`` is 15 in cfg/generate.yaml and README.md."""
    default_iterations: ClassVar[int] = 7
    """Section 5.2 and cfg/generate.yaml; ``num_generations`` is 5 in README.md. The first one fills the islands."""

    numbers: Numbers = "paper"
    """Whose number of islands: ``paper`` 13 (section 5.2), ``released`` 4 (cfg/generate.yaml), ``readme`` 5."""
    islands: int | None = None
    """A number of islands of your own. 13 are many for a small budget: with 8 samples most would stay empty."""
    capacity: int = 8
    """Individuals per island; ``max_island_size`` of cfg/generate.yaml. The paper is silent."""
    crossover: float = 0.5
    """Chance that a program has two parents; section 5.2 and cfg/generate.yaml."""
    migration: float = 0.3
    """Chance after each generation but the first that the weaker half of the islands is reset; cfg/generate.yaml."""
    score: ScoreRule = "fitness"
    """``fitness``: of the trained policy (REvolve Auto, section 5.2). ``elo``: ratings from comparisons (3.3)."""
    judge: Judge = "fitness"
    """Who compares policies for ``elo``: ``person``, by their films and with a few words on each, as published; or
    ``fitness`` in a person's place."""
    opponents: int = 2
    """Others that each new policy is compared with for ``elo``; not given by paper or release."""
    scale: Scale = "unit"
    """Of the fitness that parents and islands are drawn by. ``unit``: moved and scaled to [0, 1], as the release does
    with ratings (elo_scoring.py). ``raw``: as it is, as the release does with fitness: where fitness is counted in
    hundreds, the best is then always drawn."""
    draw_temperature: float = 1.0
    """Of the softmax by which islands and parents are drawn; ``initial_temp``, ``final_temp`` of cfg/generate.yaml."""
    temperature: float = 1.0
    """Sampling temperature; modules.py."""
    redraws: int = 9
    """How often a program that breaks a rule is asked for again with no error shown; ``max_trials=10`` in main.py
    counts the first."""

    def __post_init__(self) -> None:
        for option, choices in (("numbers", Numbers), ("score", ScoreRule), ("judge", Judge), ("scale", Scale)):
            if getattr(self, option) not in get_args(choices):
                raise UnknownNameError(f"revolve {option}", str(getattr(self, option)), get_args(choices))
        for option in ("crossover", "migration"):
            if not 0 <= getattr(self, option) <= 1:
                raise ConfigError(f"revolve: {option} must be between 0 and 1, got {getattr(self, option)}")
        if (self.islands is not None and self.islands < 1) or min(self.capacity, self.opponents) < 1:
            raise ConfigError("revolve: islands, capacity and opponents must be at least 1")
        if self.temperature < 0 or self.redraws < 0 or self.draw_temperature <= 0:
            raise ConfigError("revolve: temperature and redraws cannot be negative, draw_temperature must be positive")
        if self.judge == "person" and self.score != "elo":
            raise ConfigError("revolve: a person compares policies for ratings: judge=person needs score=elo")

    @property
    def asks_person(self) -> bool:
        """Whether a person compares policies."""
        return self.judge == "person"

    def ask(self, context: Context) -> list[Proposal]:
        """Return the programs of one generation; see `Designer.ask`.

        Raises:
            LLMError: No answer came.
            BudgetExceededError: No answer came, for lack of budget.
            ConfigError: A person is to be asked and nobody is there.
        """
        population = self.population(context)
        if any(population.islands):
            questions = [self._question(context, population, place) for place in range(context.samples)]
            answered = generate_each(context, questions, temperature=self.temperature)
            proposals = [proposal for _, proposal in answered]
            conversations: list[Sequence[Message]] = [question.messages for question, _ in answered]
        else:
            start = opening(context.brief)
            proposals = generate(context, start, temperature=self.temperature)
            conversations = [start] * len(proposals)
        return mend(context, conversations, proposals, self._mending, temperature=self.temperature)

    def tell(self, context: Context, candidates: Sequence[Candidate]) -> None:
        """Do nothing: all that is needed is in the history."""

    def population(self, context: Context) -> Population:
        """Return where everyone lives before the iteration, by playing all generations over."""
        islands: list[Island] = [()] * self._count
        found: Scores = {}
        for iteration in range(context.iteration):
            newcomers = [c for c in context.of_iteration(iteration) if c.fitness is not None]
            found = self._scores(context, iteration)
            rng = _generator(context, iteration, "places")
            homes = {i: place for place, island in enumerate(islands) for i in island}
            for newcomer in newcomers:
                if newcomer.parents:
                    home = homes[newcomer.parents[0]]
                    islands[home] = admit(islands[home], newcomer.id, found, self.capacity)
                else:  # the first generation is spread at random, and all of it is let in (main.py)
                    home = rng.randrange(self._count)
                    islands[home] = (*islands[home], newcomer.id)
            if homes and self._count > 1 and rng.random() < self.migration:
                islands = migrate(islands, found, rng)
        return Population(islands, found)

    def composition(self, samples: int) -> Composition:
        """Return what it does in each stage; see `Composed.composition`."""
        asks = self.asks_person
        rated = f"Elo rating of {self.opponents} comparisons each, by {'a person' if asks else 'clean-room fitness'}"
        return Composition(
            prompt=PROMPT,
            generate=f"each by itself: mutation of one parent, or with chance {self.crossover:g} crossover of two",
            mend=self._mending.words(),
            score=rated if self.score == "elo" else "clean-room fitness",
            feedback=FEEDBACK.format(10) + (", and a person's words" if asks else ""),
            select=f"{self._count} islands of {self.capacity}: island by softmax of the mean score, parents by softmax",
            memory="islands: who scores at least the mean is let in; the weaker half is reset with chance "
            f"{self.migration:g}",
            person="which of two policies is better, and a few words on each" if asks else "nobody",
            calls=Calls(samples, samples * (1 + self.redraws)),
        )

    @property
    def _count(self) -> int:
        return ISLANDS[self.numbers] if self.islands is None else self.islands

    @property
    def _mending(self) -> Mending:
        return Mending(rounds=self.redraws, check="rules", blind=True)

    def _scores(self, context: Context, iteration: int) -> Scores:
        """Return the scores of all individuals up to an iteration, as they were when it ended."""
        known = [c for c in context.history if c.iteration <= iteration and c.fitness is not None]
        if self.score == "elo":
            pairs = [pair for i in range(iteration + 1) for pair in self._comparisons(context, i)]
            return elo.to_unit({c.id: elo.INITIAL for c in known} | elo.ratings(pairs))
        fitness = {c.id: c.fitness for c in known if c.fitness is not None}
        return fitness if self.scale == "raw" else elo.to_unit(fitness)

    def _comparisons(self, context: Context, iteration: int) -> list[elo.Comparison]:
        """Return what came of comparing each policy of an iteration with others, drawn from all up to it."""
        rng = _generator(context, iteration, "pairs")
        known = [c for c in context.history if c.iteration <= iteration and c.fitness is not None]
        pairs: dict[frozenset[str], tuple[Candidate, Candidate]] = {}
        for newcomer in (c for c in known if c.iteration == iteration):
            others = [c for c in known if c.id != newcomer.id]
            for other in rng.sample(others, min(self.opponents, len(others))):
                pairs.setdefault(frozenset((newcomer.id, other.id)), (newcomer, other))
        return judge_pairs(context, [*pairs.values()], self.judge)

    def _question(self, context: Context, population: Population, place: int) -> Question:
        """Draw an operator, an island and parents, and return what is asked of the model with them."""
        rng, (islands, found) = context.rng, population
        wanted = 2 if rng.random() < self.crossover else 1
        home = None
        while home is None:  # where no island has two individuals, one is mutated instead
            home = draw_island(islands, found, rng, least=wanted, temperature=self.draw_temperature)
            wanted = wanted if home is not None else 1
        ids = draw_parents(islands[home], found, rng, wanted, self.draw_temperature)
        operator = "mutation" if wanted == 1 else "crossover"
        parents = [next(c for c in context.history if c.id == i) for i in ids]
        messages = opening(
            context.brief,
            task="revolve_task",
            operator=operator,
            asked=self.asks_person,
            fitness_doc=context.brief.fitness_doc.strip(),
            parents=[self._shown(context, parent, found) for parent in parents],
        )
        origin = f"{operator} on island {home}"
        return Question(messages=messages, stage=f"offspring-{place}", parents=ids, origin=origin)

    def _shown(self, context: Context, parent: Candidate, found: Scores) -> dict[str, object]:
        """Return what the prompt says of a parent."""
        return {
            "source": (parent.source or parent.answer).strip(),
            "rows": curves(parent),
            "score": number(elo.to_unit(found)[parent.id]),
            "measured": scores(parent),
            "words": words_on(context, parent) if self.asks_person else "",
        }


def _generator(context: Context, iteration: int, purpose: str) -> random.Random:
    """Return a generator that depends on the record alone: the same on every resume, another for other answers."""
    answers = "\0".join(c.answer for c in context.of_iteration(iteration))
    return random.Random(f"revolve/{purpose}/{iteration}/{answers}")
