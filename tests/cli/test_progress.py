"""Progress: plain lines where nobody watches, a picture on a terminal; text of models is never read as markup."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from envreward.cli._format import count, duration, money
from envreward.cli._progress import Lines, Picture, watch
from envreward.studies import Candidate, Evaluation, Spent, Status, StudyConfig
from envreward.studies.watch import TrainingProgress

CONFIG = StudyConfig(env_id="EnvReward/Hopper-v0", instruction="Hop.", samples=2, iterations=2, steps=1000)


def _console(*, terminal: bool) -> tuple[Console, io.StringIO]:
    text = io.StringIO()
    return Console(file=text, force_terminal=terminal, width=100, color_system=None), text


def _candidates() -> list[Candidate]:
    score = Evaluation(member="c000-s0", seed=0, episodes=1, success=0.5, fitness=1234.0, episode_length=9.0)
    base: dict[str, Any] = {"iteration": 0, "answer": "", "source": "s"}
    return [
        Candidate(id="c000", index=0, status=Status.EVALUATED, evaluations=(score,), origin="[b]sample[/b] 0", **base),
        Candidate(id="c001", index=1, status=Status.REJECTED, reason="line 1: [red]no[/red]", **base),
    ]


def _progress(done: int) -> TrainingProgress:
    return TrainingProgress(key="i000", members=2, steps_done=done, steps_total=2000, steps_per_s=100.0, rows=())


def _go(watcher: Lines | Picture) -> None:
    watcher.phase("training", 0)
    watcher.training(_progress(500))
    watcher.candidates(_candidates())
    watcher.note("limit [x] reached")


def test_lines_tell_each_thing_once() -> None:
    """Off a terminal each phase, end of a candidate and remark is one plain line, without control characters."""
    console, text = _console(terminal=False)
    watcher = watch(CONFIG, Spent, console)
    assert isinstance(watcher, Lines)
    with watcher:
        _go(watcher)
        watcher.candidates(_candidates())
    lines = [line.split("] ", 1)[1] for line in text.getvalue().splitlines()]
    assert lines == [
        "iteration 1/2, training",
        "25% of 2 trainings, 100 steps/s, 15s left",
        "c000 evaluated: fitness 1,234, success 50%",
        "c001 rejected: line 1: [red]no[/red]",
        "limit [x] reached",
    ]


def test_the_picture_shows_where_the_study_is() -> None:
    """On a terminal: task, iteration, share done, speed, time left, each candidate as it stands, the best, the cost."""
    console, text = _console(terminal=True)
    spent = Spent(env_steps=3_400_000, llm_calls=2, prompt_tokens=900, completion_tokens=100, usd=None)
    watcher = watch(CONFIG, lambda: spent, console)
    assert isinstance(watcher, Picture)
    with watcher:
        _go(watcher)
        console.print(watcher._render())
    out = text.getvalue()
    for shown in ("Hopper-v0 · evolve · iteration 1/2, training", "25%", "100 steps/s", "15s left", "c000 evaluated"):
        assert shown in " ".join(out.split()), shown
    for shown in ("[b]sample[/b] 0", "[red]no[/red]", "limit [x] reached", "1,234", "best so far: c000"):
        assert shown in out, shown
    assert "3.4M steps trained · 2 LLM calls, 1.0k tokens, price unknown" in out


def test_a_model_that_talks_on_the_terminal_gets_lines() -> None:
    """With ``manual`` the prompts and answers share the terminal: no picture is drawn over them."""
    console, _ = _console(terminal=True)
    config = StudyConfig(env_id="e", instruction="i", designer="eureka", llm="manual")
    assert isinstance(watch(config, Spent, console), Lines)


def test_a_designer_that_asks_a_person_gets_lines() -> None:
    """Its questions are not drawn over either."""
    console, _ = _console(terminal=True)
    assert isinstance(watch(CONFIG, Spent, console, asks_person=True), Lines)


@pytest.mark.parametrize(
    ("value", "text"), [(7.6, "8s"), (59.4, "59s"), (60, "1:00"), (185, "3:05"), (3600, "1:00:00"), (7629, "2:07:09")]
)
def test_durations(value: float, text: str) -> None:
    """Seconds, minutes and hours as people write them."""
    assert duration(value) == text


def test_counts_and_money() -> None:
    """Large numbers are short; an unknown price never reads as nothing."""
    assert [count(n) for n in (0, 950, 12_345, 4_100_000, 2e9)] == ["0", "950", "12.3k", "4.1M", "2.0G"]
    assert [money(x) for x in (None, 0, 0.0042, 1.5)] == ["price unknown", "$0.00", "$0.0042", "$1.50"]
