"""The search as a whole, on a landscape that costs nothing to evaluate.

The landscape stands for a training: "training" with a reward finds, among 4000 fixed random states, the 1% that
the reward pays most, and the fitness is their mean under a hidden formula. So a reward need not equal the
formula; it must have its best states in common with it, as in reinforcement learning. Field docs and the
instruction share no word, so that nothing but the search finds the way.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import cache

import torch
from torch import Tensor

from envreward.designers.evolve import Evolve
from envreward.fields import Field
from envreward.rewards.program import RewardProgram
from envreward.studies.designer import Brief, Context
from envreward.studies.records import Candidate, Evaluation, Status, Traces

FIELDS = {
    "speed": Field("Speed along the track.", unit="m/s", role="velocity"),
    "sway": Field("Speed across the track.", unit="m/s", role="velocity"),
    "height": Field("Height of the base.", unit="m", role="position"),
    "joints": Field("Joint angles.", shape=(6,), unit="rad", role="angle"),
    "rates": Field("Joint rates.", shape=(6,), unit="rad/s", role="angular_velocity"),
    "forces": Field("Contact forces.", shape=(4, 3), unit="N", role="force"),
    "touching": Field("Whether each foot touches.", shape=(2,), dtype="bool", role="flag"),
    "action": Field("Torques.", shape=(6,), role="action"),
}
BRIEF = Brief(env_id="Toy", instruction="Do what is scored.", fields=FIELDS, horizon=100, fitness_doc="hidden")
Hidden = Callable[[dict[str, Tensor]], Tensor]


def rise(s: dict[str, Tensor]) -> Tensor:
    """Rise, with the joints straight and slow: three read-outs, two of them of whole fields."""
    return 2.0 * s["height"] - s["joints"].square().sum(-1) - 0.02 * s["rates"].square().sum(-1)


def slide(s: dict[str, Tensor]) -> Tensor:
    """Slide to one side on the first foot with the second joint bent: a product, a sign, one entry of six."""
    return -s["sway"] * s["touching"][:, 0].float() + 0.5 * s["joints"][:, 1]


@cache
def states() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    scales = {"speed": 1.0, "sway": 1.0, "height": 0.3, "joints": 0.5, "rates": 3.0, "forces": 100.0, "action": 0.6}
    drawn = {n: s * torch.randn(4000, *FIELDS[n].shape, generator=generator) for n, s in scales.items()}
    drawn["height"] += 1.0
    before = {f"prev_{n}": v - 0.05 * torch.randn(v.shape, generator=generator) for n, v in drawn.items()}
    return {**drawn, **before, "touching": torch.rand(4000, 2, generator=generator) < 0.5}


def train(source: str, hidden: Hidden) -> tuple[float, Traces]:
    """Return fitness (0: mean of all states, 1: the best that any reward could reach) and component traces."""
    program = RewardProgram.from_source(source, FIELDS)
    out = program(**{name: states()[name] for name in program.parameters})
    score = hidden(states())
    chosen, best = out.total.topk(40).indices, score.topk(40).values.mean()
    fitness = (score[chosen].mean() - score.mean()) / (best - score.mean())
    traces = {name: (float(value[chosen].mean()),) for name, value in out.components.items()}
    return float(fitness), Traces(steps=(1,), components=traces, episode_length=(50.0,))


def search(designer: Evolve, seed: int, hidden: Hidden, samples: int = 8, iterations: int = 10) -> list[Candidate]:
    history: list[Candidate] = []
    for iteration in range(iterations):
        rng = random.Random(f"{seed}-{iteration}")
        context = Context(brief=BRIEF, iteration=iteration, samples=samples, history=tuple(history), llm=None, rng=rng)
        for index, proposal in enumerate(designer.ask(context)):
            fitness, traces = train(proposal.answer, hidden)
            score = Evaluation(member="m", seed=0, episodes=1, success=0.0, fitness=fitness, episode_length=50.0)
            history.append(
                Candidate(
                    id=f"c{len(history):03d}",
                    iteration=iteration,
                    index=index,
                    answer=proposal.answer,
                    source=proposal.source,
                    parents=proposal.parents,
                    origin=proposal.origin,
                    status=Status.EVALUATED,
                    traces=traces,
                    evaluations=(score,),
                )
            )
    return history


def mean_best(designer: Evolve, hidden: Hidden, seeds: int = 6) -> float:
    return sum(max(c.fitness or 0.0 for c in search(designer, seed, hidden)) for seed in range(seeds)) / seeds


RANDOM = Evolve(newcomers=1.0, newcomers_flat=1.0, credit_gain=0.0)
"""The same grammar and prior, and no memory: every reward is drawn as the first ones are."""


def test_the_search_beats_random_sampling_of_its_own_grammar() -> None:
    """With 80 trainings, selection and variation reach clearly more than 80 independent draws do."""
    evolved, drawn = ([mean_best(designer, hidden) for hidden in (rise, slide)] for designer in (Evolve(), RANDOM))
    assert sum(evolved) / 2 > sum(drawn) / 2 + 0.1, f"evolved {evolved}, drawn {drawn}"


def test_later_generations_are_better() -> None:
    """The median of the last four generations beats that of the first: the population moves, not just its best."""
    first, last = [], []
    for seed in range(3):
        history = search(Evolve(), seed, slide)
        scores = torch.tensor([c.fitness or 0.0 for c in history])
        first.append(float(scores[:8].median()))
        last.append(float(scores[-32:].median()))
    assert sum(last) / 3 > sum(first) / 3 + 0.2


def test_words_shared_with_the_instruction_speed_it_up() -> None:
    """Where the instruction names what is scored, the first generation is better than where it does not."""
    best = {}
    for instruction in ("Do what is scored.", "Keep the second joint's angle large."):
        found = []
        for seed in range(12):
            brief = replace(BRIEF, instruction=instruction)
            context = Context(brief=brief, iteration=0, samples=8, history=(), llm=None, rng=random.Random(seed))
            found.append(max(train(p.answer, lambda s: s["joints"].sum(-1))[0] for p in Evolve().ask(context)))
        best[instruction] = sum(found) / len(found)
    assert best["Keep the second joint's angle large."] > best["Do what is scored."] + 0.1, best
