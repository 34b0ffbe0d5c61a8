"""The report as text: complete, self-contained, and deaf to what a model would like it to run."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

from envreward.llm import LLMConfig
from envreward.reports import ReportData, render_report
from envreward.studies.records import Status

Change = Callable[..., ReportData]
HOSTILE = '</script></style><script src="https://evil.example/x.js">alert(1)</script><img src=x onerror=alert(1)>'


class Page(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data

    def count(self, tag: str) -> int:
        """Return how often a tag occurs."""
        return sum(name == tag for name, _ in self.tags)


def test_nothing_is_loaded_from_anywhere(change: Change, film: bytes) -> None:
    """Every reference is inside the file; links only jump within it."""
    page = Page(render_report(change(video_mp4=film)))
    for tag, attributes in page.tags:
        for name in ("src", "href", "data", "action", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("data:", "#")), (tag, name, value)
    style = re.search(r"<style>(.*?)</style>", render_report(change()), re.S)
    assert style is not None and "url(" not in style[1] and "@import" not in style[1]


def test_every_candidate_is_accounted_for(report_data: ReportData) -> None:
    """Each candidate's id, status and reason is in the report."""
    text = Page(render_report(report_data)).words
    for candidate in report_data.candidates:
        assert candidate.id in text and candidate.reason in text
    for status in report_data.status_counts():
        assert status.replace("_", " ") in text


def test_cost_settings_and_commands_are_there(report_data: ReportData) -> None:
    """What it cost, what it ran with, and how to run it again."""
    text = Page(render_report(report_data)).words
    for words in ("$0.42", "limit $5.00", "19.5M", "79.6k", "21 min 24 s", "training 20 min 1 s", "ppo.learning_rate"):
        assert words in text
    for words in ("0.0003", "2.15.0", "envreward resume runs/2026-11-20-hopper-eureka", "100000000", "openai/gpt-5"):
        assert words in text


def test_text_from_a_model_never_becomes_markup(change: Change, report_data: ReportData) -> None:
    """The same tags with and without hostile text in each place that a model, a user or a program can write to."""
    clean = change(
        candidates=tuple(
            dataclasses.replace(c, origin="o", reason="r", answer="a", source="s" if c.source else None)
            for c in report_data.candidates
        )
    )

    def poison(data: ReportData) -> ReportData:
        traces = dataclasses.replace(data.winner.traces, components={HOSTILE: data.winner.traces.components["speed"]})  # type: ignore[union-attr, type-var]
        candidates = tuple(
            dataclasses.replace(
                c, origin=HOSTILE, reason=HOSTILE, answer=HOSTILE, source=HOSTILE if c.source else None, traces=traces
            )
            for c in data.candidates
        )
        config = dataclasses.replace(data.config, instruction=HOSTILE, llm=HOSTILE, designer_options={HOSTILE: HOSTILE})
        return dataclasses.replace(
            data,
            candidates=candidates,
            config=config,
            name=HOSTILE,
            stop_reason=HOSTILE,
            notes=(HOSTILE,),
            video_note=HOSTILE,
        )

    page, tame = Page(render_report(poison(clean))), Page(render_report(clean))
    assert page.count("script") == tame.count("script") == 1
    assert page.count("style") == 1
    assert page.count("img") == 0
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.words.count("alert(1)") > 50  # shown, as the text it is


def test_half_a_surrogate_pair_can_be_written(change: Change, report_data: ReportData, tmp_path: Path) -> None:
    """Text that is no valid Unicode does not cost the report."""
    broken = dataclasses.replace(report_data.candidates[0], source="x = '\ud83d'", reason="\udcff")
    text = render_report(change(candidates=(broken,)))
    (tmp_path / "report.html").write_text(text, encoding="utf-8", errors="replace")


def test_the_script_is_allowed_by_its_hash_alone(report_data: ReportData) -> None:
    """The page's policy names no source but the report's own script."""
    page = Page(render_report(report_data))
    policy = next(a["content"] or "" for t, a in page.tags if t == "meta" and a.get("http-equiv"))
    assert "default-src 'none'" in policy and re.search(r"script-src 'sha256-[A-Za-z0-9+/=]{44}';", policy)


def test_no_key_is_written(change: Change, report_data: ReportData) -> None:
    """A password in a server's address stays out of the report."""
    llm_config = LLMConfig(base_url="http://me:hunter2hunter2@host/v1")
    text = render_report(change(config=dataclasses.replace(report_data.config, llm_config=llm_config)))
    assert "hunter2" not in text and "@host/v1" in text


def test_an_empty_study_has_a_report(change: Change) -> None:
    """A study that was stopped before its first candidate says so instead of failing."""
    data = change(
        candidates=(), winner_id=None, arms=(), spent=None, versions={}, commands={}, state="interrupted", phases_s={}
    )
    text = Page(render_report(data)).words
    assert (
        "No reward yet" in text and "interrupted" in text and "There is no video" not in text.split("No reward yet")[0]
    )


def test_a_study_without_language_model_and_prices(change: Change, report_data: ReportData) -> None:
    """No model: said so. A model without a known price: unknown, not free."""
    assert report_data.spent is not None
    none = change(
        config=dataclasses.replace(report_data.config, llm=None, designer="evolve"),
        spent=dataclasses.replace(report_data.spent, llm_calls=0, prompt_tokens=0, completion_tokens=0, usd=0.0),
    )
    assert "none used" in Page(render_report(none)).words
    unknown = Page(render_report(change(spent=dataclasses.replace(report_data.spent, usd=None)))).words
    assert "unknown" in unknown and "not known" in unknown and "$0.00" not in unknown


def test_candidates_still_under_way_have_no_score(change: Change, report_data: ReportData) -> None:
    """Missing is a dash, never a zero."""
    waiting = tuple(
        dataclasses.replace(c, status=Status.PROPOSED, evaluations=(), reason="", traces=None)
        for c in report_data.candidates[:2]
    )
    text = Page(render_report(change(candidates=waiting, winner_id=None, arms=(), state="running"))).words
    assert "still running" in text and "proposed" in text and "–" in text


def test_the_report_is_small(change: Change, film: bytes) -> None:
    """80 candidates and a film stay under 3 MB."""
    data = change(video_mp4=film)
    many = tuple(
        dataclasses.replace(c, id=f"c{i:03d}", source=(c.source or "") * 8)
        for i, c in enumerate((data.candidates * 4)[:80])
    )
    assert len(render_report(change(video_mp4=film, candidates=many, winner_id="c018"))) < 3_000_000
