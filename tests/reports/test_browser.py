"""The report in a real browser: it is seen, it plays, it fits, it asks the network for nothing, nothing complains."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward.reports import ReportData, render_report

Change = Callable[..., ReportData]
HOSTILE = "</script><script>document.title = 'owned'</script><img src=x onerror=\"document.title = 'owned'\">"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium is not None, "these tests need a browser: apt-get install chromium"
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield running
        running.close()


@pytest.fixture
def look(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a study's report as a page of some width; no message (but one ``expected``), error or request may follow."""
    complaints: list[str] = []
    contexts = []
    allowed: list[str] = []

    def open_page(data: ReportData, width: int = 1280, scripts: bool = True, expected: str = "") -> Any:
        allowed.extend([expected] if expected else [])
        path = tmp_path / "report.html"
        path.write_text(render_report(data), encoding="utf-8", errors="replace")
        context = browser.new_context(
            viewport={"width": width, "height": 900}, java_script_enabled=scripts, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console {message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url[:80]}"))
        page.on(
            "request",
            lambda request: (
                request.url.startswith(("file://", "data:", "blob:")) or complaints.append(f"asked {request.url}")
            ),
        )
        page.goto(path.as_uri(), wait_until="load")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [text for text in complaints if not any(words in text for words in allowed)] == []


def test_the_verdict_is_what_one_sees_first(look: Callable[..., Any], report_data: ReportData) -> None:
    """Headline and evidence are visible without scrolling, and in the page's title."""
    page = look(report_data)
    headline = page.locator("h1")
    assert headline.inner_text().replace("\n", " ") == "The designed reward beats the expert reward"
    box = headline.bounding_box()
    assert box["y"] + box["height"] < 500
    assert "beats the expert" in page.title()
    assert "2797" in page.locator(".evidence li").first.inner_text()
    assert page.locator(".scores tbody tr").count() == 3


def test_the_film_plays(look: Callable[..., Any], change: Change, film: bytes) -> None:
    """The embedded H.264 film loads, has its length and size, and advances when played."""
    page = look(change(video_mp4=film))
    state = page.evaluate(
        """async () => {
            const film = document.querySelector("video");
            if (film.readyState < 2) await new Promise((done) => film.addEventListener("loadeddata", done));
            await film.play();
            await new Promise((done) => film.addEventListener("timeupdate", () => film.currentTime > 0 && done()));
            return [film.duration, film.videoWidth, film.videoHeight, film.error];
        }"""
    )
    assert state[0] == pytest.approx(1.0, abs=0.1) and state[1:] == [320, 240, None]


@pytest.mark.parametrize("width", [1280, 1000, 760, 390, 320])
def test_it_fits_every_screen(look: Callable[..., Any], change: Change, film: bytes, width: int) -> None:
    """No sideways scrolling; one drawing of each chart shows, none is wider than the page."""
    page = look(change(video_mp4=film), width)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("#comparison .chart", "#search .chart", "#learning .chart"):
        shown = [svg for svg in page.locator(f"{selector} svg").all() if svg.is_visible()]
        assert shown and all(svg.bounding_box()["width"] <= width for svg in shown)
        assert len(shown) == page.locator(selector).count()


def test_charts_show_their_marks(look: Callable[..., Any], report_data: ReportData) -> None:
    """Each run, each candidate, each curve is drawn, in a colour that differs from the page's."""
    page = look(report_data)
    assert page.locator("#comparison .wide circle.run").count() == 15
    assert page.locator("#search .wide .dot").count() + page.locator("#search .wide .lost").count() == 24
    assert page.locator("#search .wide .lineage.to-winner").count() == 1
    assert page.locator("#learning .wide .line.thin").count() == 30
    stroke, background = page.evaluate(
        """() => [getComputedStyle(document.querySelector("#learning .wide .line.winner")).stroke,
                  getComputedStyle(document.body).backgroundColor]"""
    )
    assert stroke not in (background, "none", "rgba(0, 0, 0, 0)")


def test_code_and_difference_are_shown(look: Callable[..., Any], report_data: ReportData) -> None:
    """The winning program reads as written, highlighted; the difference marks the line that changed."""
    page = look(report_data)
    assert report_data.winner is not None and report_data.winner.source is not None
    rows = page.locator("#program .row").all_inner_texts()
    first = report_data.winner.source.splitlines()[0]
    assert rows[0].replace("1", "", 1).strip() == first
    assert page.locator("#program .k").first.is_visible()
    assert (
        "speed" in page.locator("#diff .removed").inner_text() and "speed" in page.locator("#diff .added").inner_text()
    )


def test_a_mark_says_what_it_is_and_leads_to_its_candidate(look: Callable[..., Any], report_data: ReportData) -> None:
    """Pointing at a candidate names it; a click opens its entry."""
    page = look(report_data)
    mark = page.locator(f"#search .wide a[href='#{report_data.winner_id}']")
    mark.locator(".dot").hover()
    assert (report_data.winner_id or "") in page.locator("#tip").inner_text()
    mark.locator(".dot").click()
    assert page.locator(f"#{report_data.winner_id}").get_attribute("open") is not None


def test_light_and_dark(look: Callable[..., Any], report_data: ReportData) -> None:
    """The reader's choice turns the page's colours around."""
    page = look(report_data)

    def brightness() -> float:
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(","))

    assert brightness() > 600
    page.locator("#theme").click()
    assert brightness() < 150


def test_it_works_without_scripts(look: Callable[..., Any], change: Change, film: bytes) -> None:
    """Without JavaScript everything is there but the conveniences."""
    page = look(change(video_mp4=film), scripts=False)
    assert page.locator("h1").is_visible() and page.locator("#program").is_visible()
    assert page.locator("#comparison svg").first.is_visible() and not page.locator("#theme").is_visible()
    page.locator("#c005 summary").click()
    assert page.locator("#c005 .reason").is_visible()


def test_hostile_text_does_nothing(look: Callable[..., Any], change: Change, report_data: ReportData) -> None:
    """What a model wrote is read, never run."""
    candidates = tuple(
        dataclasses.replace(c, reason=HOSTILE, origin=HOSTILE, source=HOSTILE if c.source else None, answer=HOSTILE)
        for c in report_data.candidates
    )
    config = dataclasses.replace(report_data.config, instruction=HOSTILE)
    page = look(change(candidates=candidates, config=config, notes=(HOSTILE,)), 390)
    assert page.title() != "owned" and page.locator("img").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_forbids_what_slips_through(look: Callable[..., Any], report_data: ReportData) -> None:
    """Should a script ever get into the page, the page's own policy keeps it from running."""
    page = look(report_data, expected="Content Security Policy")
    blocked = page.evaluate(
        """() => new Promise((done) => {
            document.addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective));
            const script = document.createElement("script");
            script.textContent = "document.title = 'owned'";
            document.body.append(script);
        })"""
    )
    assert blocked.startswith("script-src") and page.title() != "owned"
