"""The report: one HTML file that holds everything it shows and asks nothing of the network.

Every text passes through Jinja's escaping, as some of it was written by a language model. A content security
policy in the page allows the report's own script alone (by its hash) and no connection at all, so that text
which slipped through could still do nothing.
"""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import os
from pathlib import Path
from typing import Any

from markupsafe import Markup

from envreward.studies.records import Status
from envreward.studies.store import StudyStore

from . import figures
from .charts import short
from .code import difference, highlight, normalised
from .data import ReportData
from .details import facts, limits, phases, settings, tiles
from .rerun import export_recording
from .verdict import NAMES, judge, percent, span

FILE_NAME = "report.html"
COLUMNS = (
    ("Seeds", ""),
    ("Mean fitness", ""),
    ("IQM", "interquartile mean: the mean of the middle half of the runs"),
    ("95% interval", "of the mean fitness: percentile bootstrap over runs"),
    ("Success", "share of episodes in which the task's success test held"),
    ("HNS", "Eureka's human-normalised score, (reward \N{MINUS SIGN} sparse) / |expert \N{MINUS SIGN} sparse|"),
    ("Designed wins", "chance that a training with the designed reward ends better than one with this one"),
)


def write_report(run_dir: Path, *, video: bool = True, judge: bool | None = None) -> Path:
    """Write ``report.html`` into a study's folder from its record, whatever state the study is in.

    Beside it go the film and, where a language model was asked, its answers as ``recording.jsonl``.

    Args:
        run_dir: The study's folder.
        video: Film the winner's policy first, where no film of it is there yet. A machine that cannot render
            costs the report its film, not more: the report says why.
        judge: Judge the winner's reward on episodes first, where that was not done and episodes cost next to nothing;
            by default where it is filmed.

    Returns:
        The file's path.

    Raises:
        StudyError: The folder holds no readable study.
        OSError: The report cannot be written.
    """
    from .load import load_report_data

    with StudyStore.open(run_dir) as store:
        export_recording(store)
    path = run_dir / FILE_NAME
    text = render_report(load_report_data(run_dir, film=video, judge=video if judge is None else judge))
    partial = path.with_suffix(".html.partial")
    partial.write_text(text, encoding="utf-8", errors="replace")  # a model may write half a surrogate pair
    os.replace(partial, path)
    return path


def render_report(data: ReportData) -> str:
    """Return the report as one HTML document."""
    import jinja2

    from .trust import trust

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    filters = {
        "percent": percent,
        "short": short,
        "span": span,
        "words": _words,
        "lines": highlight,
        "plain": normalised,
    }
    environment.filters |= filters
    script = _asset("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.from_string(_asset("report.html.j2")).render(
        data=data,
        verdict=judge(data),
        names=NAMES,
        columns=COLUMNS,
        style=Markup(_asset("report.css")),
        script=Markup(script),
        script_hash=digest,
        figures=_figures(data),
        parent=_parent(data),
        trust=trust(data),
        statuses=data.status_counts(),
        evaluated=Status.EVALUATED,
        tiles=tiles(data),
        phases=phases(data),
        settings=settings(data),
        facts=facts(data),
        limits=limits(data),
        video=base64.b64encode(data.video_mp4).decode() if data.video_mp4 else None,
    )


def _figures(data: ReportData) -> dict[str, Any]:
    winner = data.winner
    return {
        "forest": figures.forest(data),
        "search": figures.search(data),
        "fitness": figures.learning(data, "fitness"),
        "success": figures.learning(data, "success"),
        "traces": figures.traces(winner.traces) if winner and winner.traces else [],
    }


def _parent(data: ReportData) -> dict[str, Any] | None:
    """Return the winner's first parent that has a program, and what changed since it."""
    winner = data.winner
    if winner is None or winner.source is None:
        return None
    for parent_id in winner.parents:
        parent = data.candidate(parent_id)
        if parent is not None and parent.source is not None:
            return {"candidate": parent, "diff": difference(parent.source, winner.source)}
    return None


def _words(status: str) -> str:
    return status.replace("_", " ")


def _asset(name: str) -> str:
    return (importlib.resources.files("envreward.reports") / "assets" / name).read_text(encoding="utf-8")
