"""The issue tracker: projects, searching, what each form changes, and what counts."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from envreward.envs.web.apps.tracker.app import Tracker
from envreward.envs.web.apps.tracker.errands import Errand, Part, draw_errand, tally
from envreward.envs.web.apps.tracker.issues import (
    KEPT_QUERIES,
    LABELS,
    PEOPLE,
    PROJECTS,
    SIZES,
    SORTS,
    Changes,
    Comment,
    Issue,
    Query,
    Status,
    edits,
    matches,
    project,
)
from envreward.envs.web.apps.tracker.state import MAX_COMMENT, TrackerState
from envreward.envs.web.kit.app import Goal
from envreward.envs.web.kit.asgi import open_worlds as open_asgi
from envreward.envs.web.kit.events import Back, Click, Fill, GoTo, Select
from envreward.envs.web.kit.tree import Tree
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError


def make_world(seed: int = 0) -> WebWorld[TrackerState]:
    world: WebWorld[TrackerState] = WebWorld(Tracker(), Tree(), 40)
    world.reset(seed)
    return world


def set_errand(world: WebWorld[TrackerState], *, kind: Any, value: str) -> int:
    """Replace the world's errand by a single part on its first target; return the target's number."""
    state = world.state
    number = state.errand.targets[0]
    issue = state.project.issues[number]
    parts = (Part(number, kind, value),)
    state.errand = Errand((number,), parts, {number: issue}, Goal("Test."))
    state.tally = tally(state.project, state.errand, {})
    return number


def numbers_listed(world: WebWorld[TrackerState]) -> list[int]:
    return [int(e.id[1:]) for e in world.view.page.elements if e.kind == "row"]


@pytest.mark.parametrize("size", SIZES)
def test_projects(size: int) -> None:
    """A project of each size has its issues, is the same each time it is made, and differs from the next one."""
    one = project(size, 0)
    assert list(one.issues) == list(range(1, size + 1))
    assert project.__wrapped__(size, 0).issues == one.issues
    assert project(size, 1).issues != one.issues
    for issue in one.issues.values():
        assert issue.topic in issue.title and tuple(sorted(set(issue.labels))) == issue.labels
        assert set(issue.labels) <= set(LABELS) and issue.author in PEOPLE


def _random_query(rng: random.Random, topic: str) -> Query:
    return Query(
        words=rng.choice(["", topic, topic.split()[0].upper(), "the", "nowhere"]),
        status=rng.choice(["open", "closed", ""]),
        label=rng.choice(["", *LABELS]),
        author=rng.choice(["", *PEOPLE]),
        sort=rng.choice(SORTS),
    )


def test_search_agrees_with_matching() -> None:
    """A query finds what it means issue by issue, in its order, in a project as it was and after changes."""
    rng = random.Random(0)
    for size in SIZES:
        one = project(size, 2)
        for _ in range(60):
            query = _random_query(rng, one.issues[rng.randint(1, size)].topic)
            changes: Changes = {}
            for number in rng.sample(range(1, size + 1), rng.choice((0, 3))):
                status: Status = rng.choice(("open", "completed"))
                comments = (*one.issues[number].comments, Comment("you", "a"), Comment("you", "b"))
                changes[number] = replace(one.issues[number], labels=("bug",), status=status, comments=comments)
            now = {n: one.issue(n, changes) for n in one.issues}
            found = one.find(query, changes)
            assert set(found) == {n for n, issue in now.items() if matches(issue, query)}
            assert list(found) == sorted(found, key=partial(_place, now, query.sort))


def _place(issues: Mapping[int, Issue], sort: str, number: int) -> tuple[int, int]:
    if sort == "most commented":
        return -len(issues[number].comments), -number
    return 0, number if sort == "oldest" else -number


def test_kept_answers_are_bounded() -> None:
    """However much is searched, a project keeps no more than so many answers, and none to overlong queries."""
    one = project(100, 3)
    for number in range(2 * KEPT_QUERIES):
        assert one.find(Query(words=f"nothing {number}"), {}) == ()
    assert len(one.found) <= KEPT_QUERIES
    assert one.find(Query(words="the " * 100), {}) == one.find(Query(words="the"), {})


def test_edits() -> None:
    """Every kind of change of an issue is told apart, and none is found where there is none."""
    before = replace(project(100, 0).issues[7], labels=("bug",), status="open", assignee="ivo")
    assert edits(before, before) == set()
    after = replace(
        before,
        labels=("docs",),
        status="not planned",
        assignee="",
        comments=(*before.comments, Comment("you", "Hm."), Comment("you", "Hm.")),
    )
    assert edits(before, after) == {
        ("label", "docs"),
        ("unlabel", "bug"),
        ("status", "not planned"),
        ("assignee", ""),
        ("comment", "Hm."),
        ("comment again", "Hm."),
    }


def test_errands_can_be_told_and_done() -> None:
    """Topic and author tell each issue from all others; no part is done from the start; goals of each kind occur."""
    kinds, several = set(), 0
    for seed in range(200):
        one = project(SIZES[seed % 4], seed % PROJECTS)
        errand = draw_errand(one, random.Random(seed))
        several += len(errand.targets) > 1
        assert 1 <= len(errand.parts) <= 3 and errand.goal.parts == len(errand.parts)
        assert tally(one, errand, {}) == (tuple(False for _ in errand.parts), 0, False)
        assert tally(one, errand, dict(errand.wanted)) == (tuple(True for _ in errand.parts), 0, False)
        for number in errand.targets:
            target = one.issues[number]
            alike = [i for i in one.issues.values() if (i.topic, i.author) == (target.topic, target.author)]
            assert alike == [target]
            assert f'"{target.topic}" opened by {target.author}' in errand.goal.instruction
        for part in errand.parts:
            kinds.add((part.kind, part.value == "open"))
            assert part.value in errand.goal.instruction or part.value == "open"
    assert kinds == {(k, False) for k in ("comment", "label", "status", "assignee")} | {("status", True)}
    assert several > 20


def test_list_shows_open_issues_first() -> None:
    """The list begins with the newest open issues, ten at a time, and pages follow each other without a gap."""
    world = make_world()
    one = world.state.project
    expected = sorted(one.open, reverse=True)
    seen = numbers_listed(world)
    while "next" in world.view.page.by_id and len(seen) < 60:
        world.act(Click("next"))
        seen += numbers_listed(world)
    assert seen == expected[: len(seen)] and len(seen) >= 50
    world.act(Click("previous"))
    assert numbers_listed(world) == expected[len(seen) - 20 : len(seen) - 10]


def test_filters_narrow_the_list() -> None:
    """The filter's fields go into the address, keep their values, and find what they say."""
    world = make_world()
    issue = next(i for i in world.state.project.issues.values() if i.labels and i.status != "open")
    for event in (Fill("q", issue.topic), Select("status", "closed"), Select("author", issue.author)):
        world.act(event)
    world.act(Select("label", issue.labels[0]))
    world.act(Click("search"))
    by_id = world.view.page.by_id
    assert issue.number in numbers_listed(world)
    assert (by_id["q"].value, by_id["status"].value, by_id["author"].value) == (issue.topic, "closed", issue.author)
    assert by_id["label"].value == issue.labels[0]
    world.act(Fill("q", "no such words"))
    world.act(Click("search"))
    assert numbers_listed(world) == [] and world.view.page.by_id["count"].label == "No issues were found."
    world.act(Click("all"))
    assert world.view.page.path == "/" and len(numbers_listed(world)) == 10


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/?status=lost",
            "/?author=nobody",
            "/?label=x",
            "/?sort=x",
            "/?page=0",
            "/?page=x",
            "/?page=%D9%A3",
            "/?x=1",
        ),
        *("/issues/0", "/issues/9999", "/issues/x", "/issues/1/comments", "/elsewhere"),
    ],
)
def test_unknown_paths(path: str) -> None:
    """An address that makes no sense is none, and leaves the world as it was."""
    world = make_world()
    before = world.state_hash()
    with pytest.raises(ActionError, match="no page"):
        world.act(GoTo(path))
    assert world.state_hash() == before


def test_comment() -> None:
    """A comment appears once it is sent, blanks collapsed; empty and overlong ones are refused with the draft kept."""
    world = make_world()
    number = set_errand(world, kind="comment", value="Thank you for the report.")
    world.act(GoTo(f"/issues/{number}"))
    world.act(Click("send"))
    assert world.view.page.by_id["comment"].error == "Write something first."
    world.act(Fill("comment", "x" * (MAX_COMMENT + 1)))
    world.act(Click("send"))
    refused = world.view.page.by_id["comment"]
    assert refused.error == f"Write at most {MAX_COMMENT} characters." and len(refused.value) == MAX_COMMENT + 1
    assert world.facts()["issues_changed"] == 0 and not world.facts()["failure"]
    world.act(Fill("comment", "Thank you\n for  the report."))
    assert world.facts()["value_entered"] and world.facts()["progress"] == pytest.approx(0.6)
    world.act(Click("send"))
    last = [e for e in world.view.page.elements if e.kind == "text"][-1]
    assert last.label == "you: Thank you for the report." and world.view.page.by_id["comment"].error == ""
    assert world.facts()["success"]


def test_overlong_draft_over_html() -> None:
    """A draft of several lines that is refused comes back the same through HTML."""
    worlds = open_asgi(lambda backend: WebWorld(Tracker(), backend, 40), 1)
    html, tree = worlds._worlds[0], make_world()  # type: ignore[attr-defined]
    html.reset(0)
    for world in (tree, html):
        world.act(GoTo("/issues/3"))
        world.act(Fill("comment", "<b>&amp; \"quoted\" 'text'\r\n\n 😀" + "x\n" * MAX_COMMENT))
        world.act(Click("send"))
        assert world.view.page.by_id["comment"].error
    assert html.view.page == tree.view.page and html.state_hash() == tree.state_hash()
    for world in (tree, html):
        world.act(Fill("comment", "</p><script>alert(1)</script>"))
        world.act(Click("send"))
    assert html.view.page == tree.view.page
    assert any(e.label == "you: </p><script>alert(1)</script>" for e in html.view.page.elements)
    worlds.close()


def test_labels_can_be_taken_back() -> None:
    """A label that is not wanted costs, does not end the episode, and leaves no trace once it is taken off."""
    world = make_world()
    number = set_errand(world, kind="assignee", value="nobody at all")
    free = next(label for label in LABELS if label not in world.state.project.issues[number].labels)
    box = f"l-{free.replace(' ', '-')}"
    world.act(GoTo(f"/issues/{number}"))
    begin, progress = world.state_hash(), world.facts()["progress"]
    for event in (Click(box), Click("save-labels")):
        world.act(event)
    facts = world.facts()
    assert facts["unwanted_changes"] == 1 and not facts["failure"] and facts["progress"] < progress
    for event in (Click(box), Click("save-labels")):
        world.act(event)
    assert world.facts()["unwanted_changes"] == 0 and world.facts()["issues_changed"] == 0
    assert world.state_hash() == begin


def test_close_and_reopen() -> None:
    """An open issue is closed for a reason, a closed one reopened; the wrong reason can be taken back."""
    world = next(w for w in map(make_world, range(50)) if w.state.errand.targets[0] in w.state.project.open)
    number = set_errand(world, kind="status", value="not planned")
    world.act(GoTo(f"/issues/{number}"))
    world.act(Click("close"))
    facts = world.facts()
    assert facts["unwanted_changes"] == 1 and facts["parts_done"] == 0 and not facts["failure"]
    assert "closed as completed" in world.view.page.by_id["state"].label
    world.act(Click("reopen"))
    assert world.facts()["unwanted_changes"] == 0
    world.act(Select("reason", "not planned"))
    world.act(Click("close"))
    assert world.facts()["success"] and world.facts()["fitness"] == 1


@pytest.mark.parametrize("kind", ["comment", "assignment"])
def test_what_people_are_told_of_is_final(kind: str) -> None:
    """An unwanted comment or assignment ends the episode without success."""
    world = make_world()
    number = set_errand(world, kind="label", value="no such label")
    issue = world.state.project.issues[number]
    person = next(person for person in PEOPLE if person != issue.assignee)
    world.act(GoTo(f"/issues/{number}"))
    world.act(Fill("comment", "Oops.") if kind == "comment" else Select("assignee", person))
    assert not world.facts()["failure"]
    world.act(Click("send" if kind == "comment" else "assign"))
    facts = world.facts()
    assert facts["failure"] and not facts["success"] and facts["fitness"] == 0 and facts["unwanted_changes"] == 1
    assert world.state.project.issues[number] == issue, "the project itself has changed"


def test_other_issues_are_off_limits() -> None:
    """Any change of an issue that the instruction does not name ends the episode."""
    world = make_world()
    other = next(n for n in world.state.project.open if n not in world.state.errand.targets)
    world.act(GoTo(f"/issues/{other}"))
    world.act(Click("close"))
    facts = world.facts()
    assert facts["failure"] and not facts["success"] and facts["issues_changed"] == 1


def test_way_to_an_issue_is_told_step_by_step() -> None:
    """Entering topic and author, searching them, listing the issue and opening it each raise progress and a fact."""
    world = make_world()
    number = world.state.errand.targets[0]
    issue, steps = world.state.project.issues[number], []
    for event in (
        *(Fill("q", issue.topic), Select("status", "any"), Select("author", issue.author), Click("search")),
        Click(f"i{number}"),
    ):
        world.act(event)
        facts = world.facts()
        names = ("search_entered", "search_right", "target_listed", "target_open")
        steps.append((facts["progress"] * facts["parts_total"], *(float(facts[name]) for name in names)))
    assert steps == [
        (pytest.approx(0.025), 0.5, 0, 0, 0),
        (pytest.approx(0.025), 0.5, 0, 0, 0),
        (pytest.approx(0.05), 1, 0, 0, 0),
        (pytest.approx(0.2), 1, 1, 1, 0),
        (pytest.approx(0.4), 0, 0, 0, 1),
    ]
    assert world.facts()["targets_opened"] == 1
    world.act(Back())
    assert world.facts()["targets_opened"] == 1 and not world.facts()["target_open"]
