"""Can this reward be trusted? The section's verdict, its evidence, and what it says where there is little."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest

from envreward.errors import ConfigError
from envreward.judging import Remark, Verdict
from envreward.reports import Arm, ReportData, render_report
from envreward.reports.judged import Judged, judge_winner, read_judged
from envreward.reports.trust import component_rows, trust
from envreward.studies.folder import RunFolder
from envreward.studies.records import Traces, TrainedMember

Change = Callable[..., ReportData]
STEPS = tuple(range(1000, 51_000, 1000))


def hill(i: int) -> float:
    return math.sin(math.pi * i / 50)


def traces(own: Callable[[int], float], fitness: Callable[[int], float]) -> Traces:
    """A learning curve of fifty points, with a little that repeats in it."""
    return Traces(
        steps=STEPS,
        episode_return=tuple(own(i) + 0.01 * (i % 3) for i in range(50)),
        fitness=tuple(fitness(i) + 0.01 * (i % 2) for i in range(50)),
    )


def with_winner(data: ReportData, *curves: Traces) -> tuple[Arm, ...]:
    """The study's arms, with these learning curves of the winner."""
    return tuple(dataclasses.replace(arm, curves=curves) if arm.name == "winner" else arm for arm in data.arms)


class Section(HTMLParser):
    """Collects the text, cell by cell, of the section ``trust``."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self._in, self._depth = False, 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "section":
            self._in = dict(attrs).get("id") == "trust"

    def handle_endtag(self, tag: str) -> None:
        if tag == "section":
            self._in = False

    def handle_data(self, data: str) -> None:
        if self._in and data.strip():
            self.cells.append(" ".join(data.split()))

    @property
    def text(self) -> str:
        """All of it."""
        return " | ".join(self.cells)


def test_a_winner_that_learnt_well(report_data: ReportData) -> None:
    """Verdict first, then the course of every reward's trainings beside each other, then components."""
    section = Section(render_report(report_data))
    assert section.cells[0] == "Can this reward be trusted?"
    assert section.cells[1] in ("sound", "doubts") and section.cells[2].startswith("The designed reward: ")
    for words in ("designed reward", "expert reward", "sparse reward", "5 aligned", "speed", "upright", "effort"):
        assert words in section.cells, words
    assert "Components whose mean never changed in training: effort." in section.text
    assert "never changed" in section.cells and "envreward compare measures them" in section.text


def test_a_hacked_winner_is_distrusted(report_data: ReportData, change: Change) -> None:
    """Two of three trainings raised return while fitness fell again: the first words say so, with numbers."""
    up = lambda i: i / 10  # noqa: E731
    arms = with_winner(report_data, traces(up, hill), traces(up, hill), traces(up, up))
    found = trust(change(arms=arms))
    assert found is not None and found.verdict.level == "distrust"
    first = found.verdict.sentences[0]
    assert first.startswith("2 of 3 trainings, for example: In training winner 1 the reward was hacked")
    assert "own return" in first and "fitness" in first and "correlation of the two up to the best" in first
    (row,) = [row for row in found.courses if row.arm == "winner"]
    assert row.trainings == 3 and row.courses == "2 hacked, 1 aligned"
    section = Section(render_report(change(arms=arms)))
    assert section.cells[1:3] == ["distrust", "The designed reward: do not trust it."]


def test_broken_physics_are_a_doubt(report_data: ReportData, change: Change) -> None:
    """Trainings of the designed reward in which the simulation broke are told, with how often; others' are not."""
    for broken, words in ((0, None), (1, "broke in 1 episode of"), (1200, "broke in 1,200 episodes of")):
        arms = tuple(dataclasses.replace(a, broken=broken if a.name == "winner" else 7) for a in report_data.arms)
        found = trust(change(arms=arms))
        assert found is not None
        said = " ".join(found.verdict.sentences)
        assert words in said if words else "broke in" not in said


def test_without_curves_there_is_too_little_evidence(change: Change) -> None:
    """No trainings on fresh seeds: no verdict is made up."""
    found = trust(change(arms=(), candidates=change().candidates))
    assert found is not None and found.verdict.level == "unclear" and found.courses == ()


def test_without_a_winner_there_is_no_section(change: Change) -> None:
    """There is no reward to trust."""
    data = change(winner_id=None, arms=())
    assert trust(data) is None and Section(render_report(data)).cells == []


CHEAP = Remark("fact", "It costs 2 ms per 1,024 transitions.")


def judged(level: str = "sound", remark: Remark = CHEAP) -> Judged:
    own = Verdict(about="designed", level=level, headline="designed: x", remarks=(remark,))  # type: ignore[arg-type]
    other = Verdict(
        about="designed and expert",
        level="sound",
        headline="designed and expert ask for much the same",
        remarks=(Remark("fact", "STARC distance 0.20 with value-adjusted levelling."),),
    )
    return Judged(candidate="c018", policies=11, own=own, others=(other,))


def test_a_judgement_on_episodes_is_part_of_it(change: Change) -> None:
    """Distances to the task's own rewards, and whatever speaks against the reward on episodes."""
    section = Section(render_report(change(judged=judged())))
    for words in ("ask for much the same", "STARC distance 0.20", "2 ms per 1,024", "episodes of 11 policies"):
        assert words in section.text
    assert "envreward compare measures them" not in section.text
    bad = judged("distrust", Remark("against", "Failures are paid more."))
    found = trust(change(judged=bad))
    assert found is not None and found.verdict.level == "distrust"
    assert found.verdict.sentences[0] == "Failures are paid more."


def test_cost_and_why_it_was_not_judged(change: Change) -> None:
    """What the verification measured is told, and why there is no more."""
    text = Section(render_report(change(call_s=0.0015, judged_note="no display"))).text
    assert "It costs 1.5 ms per 1,024 transitions." in text and "(no display)" in text


def test_cost_is_said_once(change: Change) -> None:
    """Beside a judgement too, which does not hold it; one that an earlier version kept does."""
    for remark in (CHEAP, Remark("fact", "Some other fact.")):
        assert Section(render_report(change(call_s=0.002, judged=judged(remark=remark)))).text.count(CHEAP.text) == 1


@pytest.mark.parametrize("learning", ["lare:loss=rrd", "heron:pairs=episodes,margin=0.1"])
def test_a_program_whose_total_nobody_was_trained_on_is_not_judged(
    tmp_path: Path, change: Change, report_data: ReportData, learning: str
) -> None:
    """Where the reward is learned from the program's components the report says so, whatever was kept before."""
    winner = report_data.winner
    assert winner is not None
    source = "def compute_reward(x_velocity):\n    return x_velocity, {}\n"
    learned, folder = dataclasses.replace(winner, learning=learning, source=source), RunFolder(tmp_path)
    with pytest.raises(ConfigError, match="no policy was trained on the program's own total"):
        judge_winner(folder, report_data.config, learned, [], None)
    folder.judgement.write_text(json.dumps(dataclasses.asdict(judged())))
    kept = dataclasses.replace(learned, id="c018")
    assert read_judged(folder, kept) is None
    assert read_judged(folder, dataclasses.replace(kept, learning="")) == judged()
    candidates = tuple(learned if c.id == winner.id else c for c in report_data.candidates)
    text = Section(render_report(change(candidates=candidates))).text
    assert "Not judged on episodes: the winner's reward is learned from the components of its program" in text
    assert learning in text and "envreward compare measures them" not in text


def test_novelty_beside_a_reward_is_said_to_be_left_out(
    tmp_path: Path, change: Change, report_data: ReportData
) -> None:
    """The program's total was paid, so it is judged; the bonus was paid too."""
    winner = report_data.winner
    assert winner is not None
    novel = dataclasses.replace(winner, learning="rnd:fields=x_velocity")
    candidates = tuple(novel if c.id == winner.id else c for c in report_data.candidates)
    words = "the bonus for novelty that was paid beside it (rnd:fields=x_velocity) is left out"
    assert words in Section(render_report(change(candidates=candidates, judged=judged()))).text
    assert "left out" not in Section(render_report(change(judged=judged()))).text
    RunFolder(tmp_path).judgement.write_text(json.dumps(dataclasses.asdict(judged())))
    assert read_judged(RunFolder(tmp_path), dataclasses.replace(novel, id="c018")) == judged()


def test_text_from_a_program_never_becomes_markup(change: Change) -> None:
    """Names of components are a program's: they are shown as the text they are."""
    hostile = "<img src=x onerror=alert(1)>"
    data = change()
    winner = data.winner
    assert winner is not None and winner.traces is not None
    components = {hostile: (0.1, 0.1), "b": (0.0, 1.0)}
    poisoned = dataclasses.replace(winner, traces=dataclasses.replace(winner.traces, components=components))
    candidates = tuple(poisoned if c.id == winner.id else c for c in data.candidates)
    page = render_report(change(candidates=candidates, judged_note=hostile))
    assert "<img" not in page and hostile in Section(page).text


def test_components_by_hand() -> None:
    """Movements 3 and 1 are shares of 3/4 and 1/4; one that never moved is called so, and one that hardly did."""
    found = {
        row.name: row
        for row in component_rows(
            Traces(
                steps=(1, 2, 3),
                components={
                    "big": (0.0, None, 3.0),
                    "small": (1.0, 0.0, 0.5),
                    "dead": (0.3, 0.3, 0.3),
                    "faint": (0.0, 0.001, 0.0),
                    "missing": (None, None, None),
                },
            )
        )
    }
    assert found["big"].share == pytest.approx(3 / 4.001) and (found["big"].first, found["big"].last) == (0.0, 3.0)
    assert found["small"].share == pytest.approx(1 / 4.001) and found["small"].remark == ""
    assert found["dead"].remark == found["missing"].remark == "never changed"
    assert found["faint"].remark == "does not show next to the others"
    assert found["missing"].first is None


def test_what_is_kept_is_of_this_winner(tmp_path: Path, report_data: ReportData) -> None:
    """A kept judgement is read again; one of another winner, or that cannot be read, is not there."""
    winner = report_data.winner
    assert winner is not None
    folder, kept = RunFolder(tmp_path), dataclasses.replace(judged(), candidate=winner.id)
    assert read_judged(folder, winner) is None
    folder.judgement.write_text(json.dumps(dataclasses.asdict(kept)))
    assert read_judged(folder, winner) == kept
    assert read_judged(folder, dataclasses.replace(winner, id="c999")) is None
    folder.judgement.write_text("{}")
    assert read_judged(folder, winner) is None


def test_a_winner_without_its_policies_is_not_judged(tmp_path: Path, report_data: ReportData) -> None:
    """An error that the report can tell of, before anything is played; agentic tasks are not played at all."""
    winner, config = report_data.winner, report_data.config
    assert winner is not None
    member = TrainedMember(
        key="c018-r0", role="winner", candidate=winner.id, training="final", seed=1, status="trained"
    )
    real = dataclasses.replace(winner, source="def compute_reward(x_velocity):\n    return x_velocity, {}\n")
    with pytest.raises(ConfigError, match="holds no policy"):
        judge_winner(RunFolder(tmp_path), config, real, [member], None)
    worlds = f"{Path(__file__).parents[1] / 'counter_worlds.py'}:counter"
    agentic = dataclasses.replace(config, env_id=worlds)
    assert judge_winner(RunFolder(tmp_path), agentic, real, [member], None) is None
    assert list(tmp_path.iterdir()) == []
