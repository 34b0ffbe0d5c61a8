"""Pages of the issue tracker, made of a project's issues and what an episode has changed of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...kit.client import form_encode
from ...kit.page import Element, Form, Page
from .issues import CLOSED, LABELS, PEOPLE, PER_PAGE, SORTS, Issue, Query

ANY = "any"
"""Option of a filter that restricts nothing."""
NOBODY = "nobody"
"""Option of the assignee that stands for none."""
STATUSES = ("open", "closed", ANY)


def query_of(values: Mapping[str, str]) -> tuple[Query, int] | None:
    """Return what the list's address asks for, and its page from 1; ``None`` where it makes no sense."""
    known = {"q", "author", "status", "label", "sort", "page"}
    author, label = values.get("author", ANY), values.get("label", ANY)
    status, sort, page = values.get("status", "open"), values.get("sort", SORTS[0]), values.get("page", "1")
    if not values.keys() <= known or status not in STATUSES or sort not in SORTS:
        return None
    if author not in _PEOPLE_OPTIONS or label not in _LABEL_OPTIONS or not _is_page(page):
        return None
    query = Query(
        words=values.get("q", ""),
        status="" if status == ANY else status,
        label="" if label == ANY else label,
        author="" if author == ANY else author,
        sort=sort,
    )
    return query, int(page)


def _is_page(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= len(text) <= 4 and text[0] != "0"


_PEOPLE_OPTIONS = (ANY, *PEOPLE)
_LABEL_OPTIONS = (ANY, *LABELS)
_ASSIGNEE_OPTIONS = (NOBODY, *PEOPLE)
_FILTER = Form("filter", "/")


def list_page(path: str, name: str, query: Query, number: int, found: Sequence[Issue], total: int) -> Page:
    """Return one page of a list of issues.

    Args:
        path: Its address.
        name: The project's.
        query: What it shows.
        number: The page's, from 1.
        found: The issues on this page.
        total: Issues on all its pages.
    """
    elements = [Element(id="title", kind="heading", label=f"Issues of {name}"), *_filter(query)]
    count = "No issues were" if not total else "1 issue was" if total == 1 else f"{total} issues were"
    elements += [Element(id="count", kind="text", label=f"{count} found."), _COLUMNS]
    for issue in found:
        elements += _row(issue)
    if number > 1:
        elements.append(Element(id="previous", kind="link", label="Previous page", href=_href(query, number - 1)))
    if number * PER_PAGE < total:
        elements.append(Element(id="next", kind="link", label="Next page", href=_href(query, number + 1)))
    return Page(path, f"Issues of {name}", "list", tuple(elements), (_FILTER,))


_COLUMNS = Element(id="columns", kind="columns", options=("Number", "Author", "Status", "Labels", "Comments"))
_ALL = Element(id="all", kind="link", label="All issues", href="/")


@functools.lru_cache(maxsize=1024)
def _filter(query: Query) -> tuple[Element, ...]:
    status = query.status or ANY
    return (
        _ALL,
        Element("q", "textbox", "Topic", "q", query.words, form="filter", type="search"),
        Element("author", "select", "Author", "author", query.author or ANY, _PEOPLE_OPTIONS, form="filter"),
        Element("status", "select", "Status", "status", status, STATUSES, form="filter"),
        Element("label", "select", "Label", "label", query.label or ANY, _LABEL_OPTIONS, form="filter"),
        Element("sort", "select", "Order", "sort", query.sort, SORTS, form="filter"),
        Element("search", "button", "Search", form="filter"),
    )


@functools.lru_cache(maxsize=8192)
def _row(issue: Issue) -> tuple[Element, Element]:
    row = f"r{issue.number}"
    cells = (
        f"#{issue.number}",
        issue.author,
        issue.status,
        ", ".join(issue.labels) or "-",
        str(len(issue.comments)),
    )
    return (
        Element(id=row, kind="row", options=cells),
        Element(id=f"i{issue.number}", kind="link", label=issue.title, href=f"/issues/{issue.number}", within=row),
    )


def _href(query: Query, page: int) -> str:
    values = (
        ("q", query.words),
        ("author", query.author or ANY),
        ("status", query.status or ANY),
        ("label", query.label or ANY),
        ("sort", query.sort),
        ("page", str(page)),
    )
    return f"/?{form_encode(values)}"


def issue_number(path: str) -> int | None:
    """Return the number of the issue whose page is under a path; ``None`` where that is no issue's."""
    number = path.removeprefix("/issues/")
    return int(number) if number != path and re.fullmatch("[1-9][0-9]{0,5}", number) else None


class Complaint(NamedTuple):
    """Why a comment was refused."""

    number: int
    """Of the issue."""
    message: str
    draft: str
    """The text that was sent."""


NO_COMPLAINT = Complaint(0, "", "")


def issue_page(issue: Issue, complaint: Complaint) -> Page:
    """Return an issue's page; ``complaint`` is about the comment last tried there."""
    number = issue.number
    state = "open" if issue.status == "open" else f"closed as {issue.status}"
    elements = [
        _ALL,
        Element(id="title", kind="heading", label=issue.title),
        Element(id="state", kind="text", label=f"#{number}, opened by {issue.author}, {state}"),
        Element(id="body", kind="text", label=issue.body),
    ]
    for index, comment in enumerate(issue.comments, 1):
        elements.append(Element(id=f"c{index}", kind="text", label=f"{comment.author}: {comment.text}"))
    elements += [
        Element("comment", "textarea", "Comment", "text", complaint.draft, form="comments", error=complaint.message),
        Element("send", "button", "Send comment", form="comments"),
        *(_label_box(label, label in issue.labels) for label in LABELS),
        Element("save-labels", "button", "Save labels", form="labels"),
        Element("assignee", "select", "Assignee", "person", issue.assignee or NOBODY, _ASSIGNEE_OPTIONS, form="assign"),
        Element("assign", "button", "Assign", form="assign"),
    ]
    if issue.status == "open":
        elements += _CLOSE
    else:
        elements.append(_REOPEN)
    return Page(f"/issues/{number}", issue.title, "issue", tuple(elements), _forms(number))


@functools.cache
def label_id(label: str) -> str:
    """Return the id of a label's checkbox."""
    return f"l-{label.replace(' ', '-')}"


@functools.cache
def _label_box(label: str, checked: bool) -> Element:
    return Element(label_id(label), "checkbox", label, "label", label, checked=checked, form="labels", group="Labels")


_CLOSE = (
    Element("reason", "select", "Close as", "reason", CLOSED[0], CLOSED, form="status"),
    Element("close", "button", "Close issue", form="status"),
)
_REOPEN = Element("reopen", "button", "Reopen issue", form="status")


def _forms(number: int) -> tuple[Form, ...]:
    return tuple(Form(name, f"/issues/{number}/{name}", "post") for name in ("comments", "labels", "assign", "status"))
