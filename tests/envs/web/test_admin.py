"""The admin app: tables, filters, editing, bulk actions, undoing, questions, and what counts."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from envreward.envs.web.apps.admin.app import Admin
from envreward.envs.web.apps.admin.errands import ERRAND_KINDS, MAX_BULK, draw_errand, is_right, tally
from envreward.envs.web.apps.admin.state import AdminState
from envreward.envs.web.apps.admin.tables import (
    NO_FILTER,
    PER_PAGE,
    ROWS,
    SHEETS,
    SORTS,
    TABLES,
    Changes,
    Query,
    Row,
    bulk_actions,
    matches,
    table,
)
from envreward.envs.web.kit.events import Click, Fill, GoTo, Select, SubmitAnswer
from envreward.envs.web.kit.tree import Tree
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ActionError


def make_world(kind: str = "edit", sheet: str = "orders", seed: int = 0) -> WebWorld[AdminState]:
    """Return a world with an errand of a kind on a table of orders or users."""
    world: WebWorld[AdminState] = WebWorld(Admin(), Tree(), 30)
    for start in range(seed, seed + 500):
        world.reset(start)
        if world.state.errand.kind == kind and world.state.table.sheet.name == sheet:
            return world
    raise AssertionError(f"no seed draws {kind} of {sheet}")


def act(world: WebWorld[AdminState], *events: object) -> None:
    for event in events:
        world.act(event)  # type: ignore[arg-type]


def rows_listed(world: WebWorld[AdminState]) -> list[int]:
    return [int(e.options[0]) for e in world.view.page.elements if e.kind == "row"]


@pytest.mark.parametrize("kind", SHEETS)
def test_tables(kind: str) -> None:
    """A table has its rows, is the same each time it is made, and differs from the next one."""
    one, sheet = table(kind, 0), SHEETS[kind]
    assert list(one.rows) == list(range(1, ROWS + 1))
    assert table.__wrapped__(kind, 0).rows == one.rows != table(kind, 1).rows
    for row in one.rows.values():
        assert all(value in choice.options for value, choice in zip(row.values, sheet.choices, strict=True))
        assert 10 <= row.amount <= 4000 and 1 <= row.quantity <= 12


def _random_query(rng: random.Random, rows: dict[int, Row], kind: str) -> Query:
    values = [rng.choice(["", "", rng.choice(choice.options)]) for choice in SHEETS[kind].choices]
    return Query(
        words=rng.choice(["", rows[rng.randint(1, ROWS)].name, "ROSA", "nobody here"]),
        values=(values[0], values[1], values[2]),
        low=rng.choice([None, 0, 150]),
        high=rng.choice([None, 400]),
        sort=rng.choice(SORTS),
    )


@pytest.mark.parametrize("kind", SHEETS)
def test_filter_agrees_with_matching(kind: str) -> None:
    """A filter finds what it means row by row, in its order, with count, sum and maximum, before and after changes."""
    rng, one = random.Random(0), table(kind, 3)
    for _ in range(120):
        query = _random_query(rng, dict(one.rows), kind)
        changes: Changes = {}
        for number in rng.sample(range(1, ROWS + 1), rng.choice((0, 5))):
            changes[number] = rng.choice((None, one.rows[number]._replace(amount=200)))
        now = [row for row in (one.row(n, changes) for n in one.rows) if row is not None and matches(row, query)]
        found = one.find(query, changes)
        assert sorted(found.numbers) == sorted(row.number for row in now)
        assert (found.total, found.largest) == (sum(r.amount for r in now), max((r.amount for r in now), default=None))
        sign = {"number": 0, "largest first": -1, "smallest first": 1}[query.sort]
        assert list(found.numbers) == [r.number for r in sorted(now, key=lambda r: (sign * r.amount, r.number))]


@pytest.mark.parametrize("kind", ERRAND_KINDS)
def test_errands_can_be_told_and_done(kind: str) -> None:
    """What is wanted differs from what is there, follows from the filter described, and is named in the instruction."""
    for seed in range(60):
        one = table(("orders", "users")[seed % 2], seed % TABLES)
        errand = draw_errand(one, random.Random(seed), kind)  # type: ignore[arg-type]
        found = one.find(errand.query, {})
        text, slots = errand.goal.instruction, errand.goal.slots
        assert tally(one, errand, {}) == (0, 0)
        assert tally(one, errand, dict(errand.wanted)) == (len(errand.wanted), 0)
        assert set(errand.wanted) <= set(found.numbers) and min(errand.wanted, default=ROWS) > PER_PAGE
        assert all(value in text for value in (*errand.query.values, errand.query.words))
        if kind == "question":
            assert (
                errand.answer
                == {"count": len(found.numbers), "total": found.total, "largest": found.largest}[errand.asked]
            )
            assert not errand.wanted
            continue
        assert errand.answer is None
        if kind == "bulk":
            assert 2 <= len(errand.wanted) <= MAX_BULK and errand.action in bulk_actions(one.sheet)
        else:
            (number,) = errand.wanted
            assert number == found.numbers[0] and (kind == "extreme" or len(found.numbers) == 1)
            assert all(slot.value in text for slot in slots if slot.name.startswith("new "))


def test_filter_form() -> None:
    """The filter's fields come into force together, stay filled in, and "Clear filter" empties them."""
    world = make_world()
    act(world, Select("status", "paid"), Fill("min", "500"), Select("sort", "largest first"), Click("filter-now"))
    query = world.state.query
    assert query == NO_FILTER._replace(values=("", "", "paid"), low=500, sort="largest first")
    rows = [world.state.table.rows[number] for number in rows_listed(world)]
    assert all(row.values[2] == "paid" and row.amount >= 500 for row in rows)
    assert [row.amount for row in rows] == sorted((row.amount for row in rows), reverse=True)
    by_id = world.view.page.by_id
    assert (by_id["status"].value, by_id["min"].value) == ("paid", "500")
    listing = world.state.listing
    assert by_id["count"].label == f"Orders found: {len(listing.numbers)}"
    assert by_id["total"].label == f"Total amount: {listing.total}"
    assert by_id["largest"].label == f"Largest amount: {rows[0].amount}"
    act(world, Click("next"), Click("previous"), Click("clear"))
    assert world.state.query == NO_FILTER and world.view.page.by_id["min"].value == ""


@pytest.mark.parametrize(
    ("fills", "field", "message"),
    [
        ({"min": "-3"}, "min", "Enter a whole number from 0 to 999999."),
        ({"max": "2.5"}, "max", "Enter a whole number from 0 to 999999."),
        ({"min": "90", "max": "80"}, "max", "The maximum is below the minimum."),
        ({"q": "x" * 81}, "q", "Enter at most 80 characters."),
    ],
)
def test_filter_refuses(fills: dict[str, str], field: str, message: str) -> None:
    """A term that cannot be is left out, said so beside its field, and shown again until the next filter."""
    world = make_world()
    act(world, *(Fill(id, text) for id, text in fills.items()), Select("status", "paid"), Click("filter-now"))
    refused = world.view.page.by_id[field]
    assert refused.error == message and refused.value == fills[field]
    assert world.state.query.values == ("", "", "paid")
    act(world, Click("clear"))
    assert not any(element.error for element in world.view.page.elements)


def test_empty_result() -> None:
    """A filter that finds nothing shows no rows, and a bulk action on them is refused."""
    world = make_world()
    act(world, Fill("q", "nobody"), Click("filter-now"))
    assert rows_listed(world) == [] and world.view.page.by_id["largest"].label == "Largest amount: -"
    act(world, Click("all"), Select("action", "Delete orders"), Click("apply"))
    assert world.view.page.by_id["action"].error == "Choose rows first." and not world.state.changes


def test_edit_saves_one_row() -> None:
    """A row is edited in its place in the table; a bad quantity is refused with the row still open."""
    world = make_world()
    act(world, Click("next"))
    number = rows_listed(world)[2]
    act(world, Click(f"e{number}"))
    assert world.view.page.kind == "edit" and world.view.page.path == f"/edit/{number}"
    assert len(rows_listed(world)) == PER_PAGE
    before = world.state.table.rows[number]
    status = next(s for s in ("paid", "pending") if s != before.values[2])
    act(world, Fill("new-quantity", "0"), Select("new-status", status), Click("save"))
    assert world.view.page.by_id["new-quantity"].error == "Enter a whole number from 1 to 999."
    assert world.view.page.by_id["new-quantity"].value == "0" and not world.state.changes
    act(world, Select("new-status", status), Fill("new-quantity", "77"), Click("save"))
    assert world.state.changes == {number: before.with_value(2, status)._replace(quantity=77)}
    assert world.view.page.path == "/page/2" and world.view.page.by_id[f"r{number}"].options[-2] == "77"
    assert world.state.table.rows[number] == before, "the table itself has changed"


def test_bulk_action_on_chosen_rows() -> None:
    """A bulk action changes the rows that are ticked and no others; without rows or action it is refused."""
    world = make_world()
    first, second, third, *_ = rows_listed(world)
    act(world, Click(f"s{first}"), Click(f"s{third}"), Click("apply"))
    assert world.view.page.by_id["action"].error == "Choose an action."
    act(world, Select("action", "Set status to shipped"), Click("apply"))
    assert world.view.page.by_id["action"].error == "Choose rows first."
    act(world, Click(f"s{first}"), Click(f"s{third}"), Select("action", "Set status to shipped"), Click("apply"))
    row = world.state.row
    assert row(first).values[2] == row(third).values[2] == "shipped"  # type: ignore[union-attr]
    assert set(world.state.changes) <= {first, third} and second not in world.state.changes


def test_undo() -> None:
    """Changes are undone one by one, last one first, down to the state before them."""
    world = make_world()
    begin = world.state_hash()
    first, second, *_ = rows_listed(world)
    assert "undo" not in world.view.page.by_id
    for number in (first, second):
        act(world, Click(f"e{number}"), Fill("new-quantity", "99"), Click("save"))
    assert world.facts()["unwanted_changes"] == 2 and not world.facts()["failure"]
    act(world, Click("undo"))
    assert set(world.state.changes) == {first}
    act(world, Click("undo"))
    assert not world.state.changes and "undo" not in world.view.page.by_id
    act(world, GoTo("/"))
    world.view.history.clear()
    assert world.state_hash() == begin


def test_unwanted_deletion_ends_the_episode() -> None:
    """Rows deleted are gone for good: where that was not wanted, the episode is over."""
    world = make_world()
    first = rows_listed(world)[0]
    act(world, Click(f"s{first}"), Select("action", "Delete orders"), Click("apply"))
    facts = world.facts()
    assert first not in rows_listed(world) and "undo" not in world.view.page.by_id
    assert facts["failure"] and not facts["success"] and facts["fitness"] == 0 and facts["unwanted_changes"] == 1
    with pytest.raises(ActionError, match="no page"):
        act(world, GoTo(f"/edit/{first}"))


def test_changing_more_than_wanted_is_no_success() -> None:
    """A bulk action that does what is wanted, and more, is not a success; undone and done right it is."""
    world = next(
        w
        for w in (make_world("bulk", seed=s) for s in range(0, 400, 40))
        if not w.state.errand.action.startswith("Delete")
    )
    action, wanted = world.state.errand.action, world.state.errand.wanted
    act(world, Click("all"), Select("action", action), Click("apply"))
    facts = world.facts()
    assert facts["rows_done"] == len(wanted) and facts["unwanted_changes"] > 0
    assert not facts["success"] and not facts["failure"] and facts["fitness"] == 0
    while not world.facts()["failure"]:
        world.act(world.oracle())
    assert world.facts()["success"]


def test_half_of_a_change_counts_as_neither() -> None:
    """A row on its way to what is wanted is neither done nor unwanted."""
    world = next(
        w
        for w in (make_world("edit", seed=s) for s in range(0, 400, 10))
        if sum(slot.name.startswith("new ") for slot in w.state.errand.goal.slots) == 2
    )
    (number,) = world.state.errand.wanted
    wanted, before = world.state.errand.wanted[number], world.state.table.rows[number]
    assert wanted is not None
    world.state.change({number: before._replace(quantity=wanted.quantity)})
    assert world.state.tally == (0, 0)
    world.state.change({number: wanted})
    assert world.state.tally == (1, 0)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("1204", True),
        (" 1,204 ", True),
        ("The total is 1204.", True),
        ("1204.0", True),
        ("1205", False),
        ("1204 or 1205", False),
        ("", False),
        ("twelve hundred", False),
        ("-1204", False),
        ("12,04", False),
    ],
)
def test_answers(text: str, right: bool) -> None:
    """An answer is right if the one number in it is."""
    errand = draw_errand(table("orders", 0), random.Random(0), "question")
    assert is_right(replace(errand, answer=1204), text) is right


def test_right_and_wrong_answers() -> None:
    """The right answer is a success; a wrong one ends the episode too; where nothing is asked none is taken."""
    for text, success in (("{}", True), ("{}1", False)):
        world = make_world("question")
        act(world, SubmitAnswer(text.format(world.state.errand.answer)))
        facts = world.facts()
        assert facts["answered"] and facts["failure"] and facts["success"] == success and facts["fitness"] == success
    with pytest.raises(ActionError, match="asks no question"):
        act(make_world("edit"), SubmitAnswer("7"))


def test_answer_after_changes_is_no_success() -> None:
    """The right answer is worth nothing where rows have been changed on the way."""
    world = make_world("question")
    act(world, Click(f"e{rows_listed(world)[0]}"), Fill("new-quantity", "99"), Click("save"))
    act(world, SubmitAnswer(str(world.state.errand.answer)))
    assert world.facts()["failure"] and not world.facts()["success"] and world.facts()["fitness"] == 0


def test_filter_facts() -> None:
    """Terms of the filter count as entered when they stand in the form, and as right when they are in force."""
    world = make_world("question")
    fields = world.state.filter_fields
    for count, (id, value) in enumerate(fields.items(), 1):
        act(world, Fill(id, value) if id in ("q", "min", "max") else Select(id, value))
        assert (world.facts()["filter_entered"], world.facts()["filter_right"]) == (count, 0)
    act(world, Click("filter-now"))
    facts = world.facts()
    assert facts["filter_right"] == facts["filter_terms"] == len(fields) and facts["filter_extra"] == 0
    act(world, Fill("max", "3999"), Click("filter-now"))
    assert world.facts()["filter_extra"] == 1 and world.facts()["progress"] < facts["progress"]


@pytest.mark.parametrize(
    "path", ["/page/1", "/page/0", "/page/126", "/page/x", "/edit/0", "/edit/1001", "/rows/1", "/x"]
)
def test_unknown_paths(path: str) -> None:
    """An address that makes no sense is none, and leaves the world as it was."""
    world = make_world()
    before = world.state_hash()
    with pytest.raises(ActionError, match="no page"):
        act(world, GoTo(path))
    assert world.state_hash() == before
