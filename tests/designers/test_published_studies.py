"""The published designers and their baselines in searches: real verification, sandbox, training and evaluation.

The language model is a server that answers over HTTP, the person a script; trainings take a second. The second
iteration is asked and verified only: how it is trained, and the comparison at the end, know nothing of the designer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.designers.era import Era
from envreward.designers.random_search import Random
from envreward.designers.revolve import Revolve
from envreward.designers.text2reward import Text2Reward
from envreward.designers.zeroshot import ZeroShot
from envreward.studies import Candidate, Status, StudyConfig
from envreward.studies.crew import Crew
from envreward.studies.loop import Study
from envreward.studies.store import StudyStore

PROGRAM = """```python
def compute_reward(pole_angle, cart_position):
    upright = torch.exp(-torch.abs(pole_angle) / {scale})
    centred = -0.1 * cart_position.square()
    return upright + centred, {{"upright": upright, "centred": centred}}
```"""
RAISES = "```python\ndef compute_reward(pole_angle):\n    return pole_angle.reshape(3, -1, 7), {}\n```"


class Person:
    """Answers by what the key asks for, and keeps the keys."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def answer(self, key: str, question: str) -> str:
        """Return 1 to a comparison and a few words to all else."""
        self.asked.append(key)
        return "1" if key.startswith("comparison/") else f"words for {key}"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Baselines are kept between the studies of this module alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVREWARD_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def run(folder: Path, study: tuple[StudyConfig, Crew]) -> list[Candidate]:
    """Run the first iteration of a study, or find it done; ask and verify a second; return all candidates."""
    config, crew = study
    new = not (folder / "study.db").exists()
    with StudyStore.create(folder, config, {}) if new else StudyStore.open(folder, versions={}) as store:
        search = Study(store, crew)
        assert search._search() is None
        search.ask(search._context(1))
        search.verify(1)
        assert {c.id for c in store.candidates(1)} <= store.verified().keys()
        return store.candidates()


def programs(reply: Any) -> Any:
    """Return a responder that gives a sound program, no two alike, and a summary where that is asked for."""

    def respond(body: dict[str, Any], number: int) -> Any:
        asked = body["messages"][-1]["content"]
        return reply.text("It learned to lean." if "No code." in asked else PROGRAM.format(scale=0.1 + number))

    return respond


@pytest.mark.parametrize(("designer", "sizes"), [(Random(), [2, 2]), (ZeroShot(), [1, 0])])
def test_baselines(
    tmp_path: Path, llm_server: Any, reply: Any, designer: Any, sizes: list[int], small_study: Any
) -> None:
    """The baselines' programs are trained and scored, and lead to nothing; zeroshot asks once in all."""
    llm_server.respond(programs(reply))
    candidates = run(tmp_path / "run", small_study(designer, samples=2, steps=256, worlds=8, person=Person()))
    assert [sum(c.iteration == i for c in candidates) for i in range(2)] == sizes
    assert all(c.parents == () for c in candidates)
    assert all(c.status is Status.EVALUATED for c in candidates if c.iteration == 0)
    assert len(llm_server.requests) == len(candidates)


def test_text2reward_with_a_person(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """A program that fails in the sandbox is mended before it is trained; a person's words lead to its revision."""
    llm_server.script(reply.text(RAISES))
    llm_server.respond(programs(reply))
    person, designer = Person(), Text2Reward(shots=1, feedback="person")
    candidates = run(tmp_path / "run", small_study(designer, steps=256, worlds=8, person=person))
    assert [c.origin for c in candidates] == ["sample 0, mended 1x", "revision of c000"]
    assert candidates[0].status is Status.EVALUATED and candidates[1].parents == ("c000",)
    assert person.asked == [f"iteration-0/feedback-c000/{what}" for what in ("seen", "wanted")]
    assert [film.suffix for film in (tmp_path / "run" / "films").iterdir()] == [".mp4"]
    assert "words for iteration-0/feedback-c000/wanted" in llm_server.requests[-1]["messages"][-1]["content"]
    answered = len(llm_server.requests)
    assert run(tmp_path / "run", small_study(designer, steps=256, worlds=8, person=person)) == candidates
    assert (len(person.asked), len(llm_server.requests)) == (2, answered), "nothing is asked again on a resume"


def test_revolve_with_ratings(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """One island, by Elo ratings: the second generation is made by crossover of the first."""
    llm_server.respond(programs(reply))
    designer = Revolve(islands=1, score="elo", opponents=1, crossover=1.0)
    candidates = run(tmp_path / "run", small_study(designer, samples=2, steps=256, worlds=8, person=Person()))
    assert [c.status for c in candidates] == [Status.EVALUATED] * 2 + [Status.PROPOSED] * 2
    assert all({*c.parents} == {"c000", "c001"} and c.origin == "crossover on island 0" for c in candidates[2:])


def test_era(tmp_path: Path, llm_server: Any, reply: Any, small_study: Any) -> None:
    """The second iteration is asked with the model's own summary of the first."""
    llm_server.respond(programs(reply))
    candidates = run(tmp_path / "run", small_study(Era(), steps=256, worlds=8, person=Person()))
    assert candidates[0].status is Status.EVALUATED and candidates[1].parents == ("c000",)
    assert "It learned to lean." in llm_server.requests[-1]["messages"][-1]["content"]
    assert len(llm_server.requests) == 3
