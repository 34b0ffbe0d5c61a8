"""The search as a whole, on a landscape that costs nothing to evaluate.

The landscape stands for a training: "training" with a reward finds, among 4000 fixed random states, the 1% that
the reward pays most, and the fitness is their mean under a hidden formula. So a reward need not equal the
formula; it must have its best states in common with it, as in reinforcement learning.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from envreward.designers.evolve import Evolve
from envreward.fields import Field
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


@pytest.fixture(scope="module")
def states() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(7)
    scale = {"speed": 1.0, "sway": 1.0, "height": 0.3, "joints": 0.5, "rates": 3.0, "forces": 100.0, "action": 0.6}
    drawn = {n: s * torch.randn(4000, *FIELDS[n].shape, generator=generator) for n, s in scale.items()}
    drawn["touching"] = torch.rand(4000, 2, generator=generator) < 0.5
    drawn["height"] += 1.0
    previous = {f"prev_{n}": v - 0.05 * torch.randn(v.shape, generator=generator) for n, v in drawn.items() if n != "touching"}
    return {**drawn, **previous}


def hidden(states: dict[str, Tensor]) -> Tensor:
    """Go fast along the track, with the third joint held near 0.5 rad and little effort."""
    near = torch.exp(-(((states["joints"][:, 2] - 0.5) / 0.2) ** 2))
    return states["speed"] + 2.0 * near - 0.3 * states["action"].square().sum(-1)


def train(source: str, states: dict[str, Tensor]) -> tuple[float, Traces]:
    scope: dict[str, Callable[..., tuple[Tensor, dict[str, Tensor]]]] = {}
    code = compile(source, "<evolved>", "exec")
    exec(code, scope)
    function = scope["compute_reward"]
    total, components = function(**{name: states[name] for name in function.__code__.co_varnames[: function.__code__.co_argcount]})
    chosen = total.topk(len(total) // 100).indices
    traces = {name: (float(value[chosen].mean()),) for name, value in components.items()}
    return float(hidden(states)[chosen].mean()), Traces(steps=(1,), components=traces, episode_length=(50.0,))


def search(designer: Evolve, seed: int, states: dict[str, Tensor], samples: int = 8, iterations: int = 8) -> list[Candidate]:
    history: list[Candidate] = []
    for iteration in range(iterations):
        rng = random.Random(f"{seed}-{iteration}")
        context = Context(brief=BRIEF, iteration=iteration, samples=samples, history=tuple(history), llm=None, rng=rng)
        for index, proposal in enumerate(designer.ask(context)):
            assert proposal.source is not None
            fitness, traces = train(proposal.source, states)
            history.append(
                Candidate(
                    id=f"c{len(history):03d}", iteration=iteration, index=index, answer=proposal.answer, source=proposal.source,
                    parents=proposal.parents, origin=proposal.origin, status=Status.EVALUATED, traces=traces,
                    evaluations=(Evaluation(member="m", seed=0, episodes=1, success=0.0, fitness=fitness, episode_length=50.0),),
                )
            )
    return history
