"""A whole study as plain data, and the pieces it is made of."""

from __future__ import annotations

import dataclasses
import math
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from envreward.reports.data import Arm, ReportData
from envreward.studies.budget import Budget, Spent
from envreward.studies.config import StudyConfig
from envreward.studies.records import Candidate, Evaluation, Status, Traces

PROGRAM = '''\
def compute_reward(x_velocity: Tensor, torso_z: Tensor, action: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Run fast, stay up, waste nothing."""
    speed = {scale} * x_velocity  # metres per second
    upright = torch.exp(-4.0 * (torso_z - 1.25).square())
    effort = 1e-3 * action.square().sum(-1)
    return speed + upright - effort, {{"speed": speed, "upright": upright, "effort": -effort}}
'''
STEPS = tuple(range(25_000, 500_001, 25_000))


def curve(end: float, rng: random.Random) -> Traces:
    """A learning curve that ends near ``end``."""
    rise = [end * (1 - math.exp(-4 * s / STEPS[-1])) + rng.gauss(0, 0.03 * abs(end)) for s in STEPS]
    return Traces(
        steps=STEPS,
        components={"speed": tuple(rise), "upright": tuple(0.2 + 0.01 * i for i in range(20)), "effort": (-0.1,) * 20},
        success=tuple(min(1.0, max(0.0, r / 3000)) for r in rise),
        fitness=(None, *rise[1:]),
        episode_return=tuple(r * 1.1 for r in rise),
        episode_length=tuple(200 + 40 * i for i in range(20)),
    )


def evaluation(member: str, seed: int, fitness: float) -> Evaluation:
    """Twenty episodes."""
    return Evaluation(
        member=member, seed=seed, episodes=20, success=min(1.0, fitness / 3000), fitness=fitness, episode_length=980.0
    )


def arm(name: str, scores: list[float]) -> Arm:
    """An arm with one run per score."""
    rng = random.Random(name)
    return Arm(
        name=name,  # type: ignore[arg-type]
        evaluations=tuple(evaluation(f"{name}-s{i}", 100_000_000 + i, s) for i, s in enumerate(scores)),
        curves=tuple(curve(s, rng) for s in scores),
    )


def candidates() -> tuple[Candidate, ...]:
    """Three iterations of eight, with every final status among them."""
    rng = random.Random(0)
    fates = [
        Status.UNPARSED,
        Status.REJECTED,
        Status.FAILED,
        Status.TIMED_OUT,
        Status.CRASHED,
        Status.FILTERED,
        Status.PRUNED,
    ]
    found: list[Candidate] = []
    for number in range(24):
        iteration, index = divmod(number, 8)
        parents = (
            () if iteration == 0 else (rng.choice([c.id for c in found if c.iteration == iteration - 1 and c.fitness]),)
        )
        base = Candidate(
            id=f"c{number:03d}",
            iteration=iteration,
            index=index,
            answer="Here is the reward.",
            source=PROGRAM.format(scale=f"{0.5 + 0.1 * number:.1f}"),
            parents=parents,
            origin=f"sample {index}" if iteration == 0 else "mutation: scale of speed",
        )
        if index >= 5:
            fate = fates[(iteration * 3 + index - 5) % len(fates)]
            base = dataclasses.replace(base, status=fate, reason=f"line 3: it {fate}. Fix: use torch.exp.")
            found.append(dataclasses.replace(base, source=None) if fate is Status.UNPARSED else base)
            continue
        score = 700 + 800 * iteration + rng.gauss(0, 350)
        found.append(
            dataclasses.replace(
                base,
                status=Status.EVALUATED,
                traces=curve(score, rng),
                evaluations=(evaluation(f"{base.id}-s0", 0, score),),
            )
        )
    return tuple(found)


@pytest.fixture(scope="session")
def report_data() -> ReportData:
    """A finished study that beat the expert."""
    found = candidates()
    best = max((c for c in found if c.fitness is not None), key=lambda c: c.fitness or 0.0)
    return ReportData(
        name="2026-11-20-hopper-eureka",
        config=StudyConfig(
            env_id="EnvReward/Hopper-v0",
            instruction="Hop forward as fast as possible without falling.",
            designer="eureka",
            llm="openai/gpt-5",
            budget=Budget(usd=5.0, wall_s=7200.0),
        ),
        started="2026-11-20 11:02 UTC",
        fitness_doc="Return of the published reward over an episode.",
        expert_doc="Gymnasium Hopper-v5.",
        candidates=found,
        winner_id=best.id,
        arms=(
            arm("winner", [2710.0, 2904.5, 2822.1, 2599.0, 2950.2]),
            arm("expert", [2310.0, 2104.5, 2522.1, 1999.0, 2450.2]),
            arm("sparse", [210.0, 104.5, 522.1, 199.0, 450.2]),
        ),
        spent=Spent(
            env_steps=19_500_000,
            trainings=33,
            llm_calls=24,
            prompt_tokens=61_200,
            completion_tokens=18_400,
            usd=0.42,
            wall_s=1284.0,
        ),
        phases_s={"training": 1201.0, "asking": 41.0, "verifying": 3.2},
        versions={"envreward": "0.1.0", "torch": "2.15.0", "mujoco": "4.0.0"},
        commands={"Go on with it, or look again": "envreward resume runs/2026-11-20-hopper-eureka"},
        video_note="The designed reward's policy (seed 100000000) in one episode.",
    )


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A second of H.264 in MP4, written by the encoder that the product uses."""
    import imageio_ffmpeg

    path: Path = tmp_path_factory.mktemp("film") / "film.mp4"
    command = [
        imageio_ffmpeg.get_ffmpeg_exe(),
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        "testsrc2=size=320x240:rate=30:duration=1",
    ]
    subprocess.run([*command, "-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)], check=True)
    return path.read_bytes()


@pytest.fixture
def change(report_data: ReportData) -> Callable[..., ReportData]:
    """Return the study with some of its fields changed."""
    return lambda **changes: dataclasses.replace(report_data, **changes)
