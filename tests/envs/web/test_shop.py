"""The shop: its catalogue, goals, pages, cart, checkout, and what its facts and scores say."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from web_play import act, any_event, tree_world

from envreward.envs.web.apps.shop.app import Shop
from envreward.envs.web.apps.shop.catalogue import COLOURS, MAX_RESULTS, Kind, Product, catalogue
from envreward.envs.web.apps.shop.goals import Delivery, Item, Line, matched, order_score
from envreward.envs.web.apps.shop.progress import milestone_names
from envreward.envs.web.kit.events import Click, Fill, GoTo, Select
from envreward.envs.web.kit.matching import words
from envreward.envs.web.kit.world import WebWorld
from envreward.errors import ConfigError

World = WebWorld[Any]
COAT = Product(
    1, Kind("Nordvik", "waterproof", "rain jacket"), "Alta", "Clothing", ("blue", "red"), ("M", "S"), 49.9, 4.0
)
WANTED = Item(COAT.kind, "Clothing", "red", "M", "2", 50.0)
ADDRESS = Delivery("Ada Abel", "12 Elm Street", "Express")


def _world(items: int = 1, seed: int = 0) -> World:
    world = tree_world(Shop(items=items), 60)
    world.reset(seed)
    return world


def _oracle(world: World, until: str = "") -> None:
    """Play the oracle until a page of a kind is shown, or to the end."""
    for _ in range(60):
        if world.facts()["failure"] or world.view.page.kind == until:
            return
        world.act(world.oracle())
    raise AssertionError(f"no {until or 'end'} within 60 steps")


@pytest.mark.parametrize("size", [50, 200, 1000, 5000])
def test_catalogue(size: int) -> None:
    """It has the size asked for, every product can be chosen and searched, and it is the same object every time."""
    shop = catalogue(size)
    assert shop is catalogue(size) and len(shop.products) == size
    for product in shop.products:
        assert len(product.colours) >= 3 and set(product.colours) <= set(COLOURS)
        assert 5 < product.price < 250 and 1 <= product.rating <= 5
        assert words(product.kind.text) <= words(product.title)
    assert len({product.title for product in shop.products}) == size
    assert any(len(kind) > 1 for kind in shop.by_kind.values()), "prices must matter"


@pytest.mark.parametrize("size", [0, 49, 5001])
def test_catalogue_size_is_checked(size: int) -> None:
    """A size that the templates cannot fill is refused."""
    with pytest.raises(ConfigError, match="products must be"):
        Shop(products=size)


def test_search() -> None:
    """All words count and the best match comes first; filters narrow; an empty search lists everything."""
    shop = catalogue(1000)
    product = shop.products[123]
    found = shop.search(product.kind.text, "", 0.0)
    kind = shop.by_kind[product.kind]
    assert set(found[: len(kind)]) == set(kind)
    assert shop.search("", "", 0.0) == shop.products[:MAX_RESULTS]
    narrowed = shop.search("waterproof", "Shoes", 100.0)
    assert narrowed and all(p.category == "Shoes" and p.price <= 100 for p in narrowed)
    assert shop.search("nothing like this", "", 0.0) == ()


@pytest.mark.parametrize("items", [1, 2, 3])
def test_goals_can_be_met(items: int) -> None:
    """Each item has a product that fits, models beyond its limit do not, and the instruction names every value."""
    shop = Shop(items=items)
    for seed in range(200):
        state = shop.new_state(seed)
        assert all(state.targets) and len({item.kind.type for item in state.items}) == items
        for item in state.items:
            assert all(p.price <= item.limit for p in shop.catalogue.by_kind[item.kind] if item.accepts(p))
        for slot in state.goal.slots:
            assert slot.value.lower() in state.goal.instruction.lower(), slot


@pytest.mark.parametrize("items", [1, 2, 3])
def test_oracle(items: int) -> None:
    """It buys what is wanted within the horizon, reaching every milestone, and foresees how many steps it takes."""
    horizon = {1: 20, 2: 30, 3: 45}[items]
    world = _world(items)
    for seed in range(30):
        world.reset(seed)
        left = world.facts()["oracle_steps"]
        assert left < horizon
        while not world.facts()["failure"]:
            assert world.facts()["oracle_steps"] == left
            world.act(world.oracle())
            left -= 1
        facts = world.facts()
        assert facts["success"] and facts["fitness"] == 1.0 and facts["progress"] == 1.0 and left == 0
        assert all(facts["milestones"])


def test_oracle_after_anything() -> None:
    """Whatever was done before, while nothing is ordered, the oracle still gets there, in as many steps as it says."""
    world, rng = _world(2), random.Random(1)
    for seed in range(40):
        world.reset(seed)
        for _ in range(25):
            if world.facts()["failure"]:
                break
            act(world, any_event(world, rng))
        if world.facts()["failure"]:
            continue
        for left in range(world.facts()["oracle_steps"], 0, -1):
            assert world.facts()["oracle_steps"] == left
            assert not act(world, world.oracle())
        assert world.facts()["success"], f"seed {seed}"


def test_facts_follow_the_way() -> None:
    """Match, options, delivery and milestones rise where they should, step by step."""
    world = _world()
    names = list(milestone_names(1))

    def reached() -> list[str]:
        return [name for name, flag in zip(names, world.facts()["milestones"], strict=True) if flag]

    assert reached() == [] and world.facts()["progress"] == 0.0
    world.act(world.oracle())
    assert reached() == ["item_0_query"]
    _oracle(world, "results")
    assert reached() == ["item_0_query", "item_0_results"]
    _oracle(world, "product")
    facts = world.facts()
    assert facts["page_match"] == 1.0 and facts["options_right"] < 1 and reached()[-1] == "item_0_opened"
    while world.oracle() != Click("add"):
        world.act(world.oracle())
    assert world.facts()["options_right"] == 1.0 and reached()[-1] == "item_0_options"
    _oracle(world, "cart")
    assert list(world.facts()["items_found"]) == [True] and reached()[-1] == "item_0_in_cart"
    _oracle(world, "checkout")
    assert reached()[-1] == "checkout" and world.facts()["delivery_filled"] == 0.0
    world.act(world.oracle())
    assert world.facts()["delivery_filled"] == world.facts()["delivery_right"] == pytest.approx(1 / 3)
    while world.oracle() != Click("continue"):
        world.act(world.oracle())
    assert reached()[-1] == "form"
    _oracle(world, "review")
    assert reached() == names and not world.facts()["success"]
    world.act(Click("order"))
    assert world.facts()["success"] and world.facts()["orders"] == 1.0


def test_milestones_stay() -> None:
    """What was reached stays reached, whatever is done after."""
    world, rng = _world(2), random.Random(5)
    before = np.zeros(len(milestone_names(2)), bool)
    for _ in range(8):
        world.act(world.oracle())
    for _ in range(60):
        act(world, any_event(world, rng))
        now = np.array(world.facts()["milestones"], bool)
        assert (now >= before).all()
        before = now
        if world.facts()["failure"]:
            break
    assert before.any()


def test_items_are_rewarded_one_at_a_time() -> None:
    """While one item is under way, looking at the other reaches nothing; once it is in the cart, it does."""
    world = _world(2)

    def look_for(i: int) -> dict[str, bool]:
        world.act(GoTo("/"))
        world.act(Fill("q", world.state.items[i].kind.text))
        world.act(Click("go"))
        return dict(zip(milestone_names(2), world.facts()["milestones"], strict=True))

    flags = look_for(0)
    assert flags["item_0_results"] and not flags["item_1_query"]
    assert look_for(1) == flags
    look_for(0)
    _oracle(world, "cart")
    flags = look_for(1)
    assert flags["item_0_in_cart"] and flags["item_1_results"] and not flags["item_1_opened"]


def test_options_must_be_chosen() -> None:
    """Adding without options adds nothing, says what is missing, and keeps what was chosen."""
    world = _world()
    _oracle(world, "product")
    page = world.view.page
    colour = page.find("radio", name="colour")
    assert colour is not None
    world.act(Click(colour.id))
    sizes = page.find("radio", name="size") is not None
    world.act(Click("add"))
    if sizes:
        assert world.view.page.by_id["notice"].label == "Please choose a size."
        assert world.view.page.by_id[colour.id].checked and world.facts()["form_errors"] == 1
    assert world.facts()["cart_lines"] == (0 if sizes else 1)


def test_cart_is_changed_and_emptied() -> None:
    """Quantities change, lines go, a second piece of the same is a wrong line."""
    world = _world()
    _oracle(world, "cart")
    wanted = world.state.cart[0].quantity
    other = "5" if wanted != "5" else "4"
    world.act(Select("quantity-1", other))
    world.act(Click("update-1"))
    assert world.state.cart[0].quantity == other and world.facts()["wrong_lines"] == 1
    assert not world.facts()["items_found"][0] and world.facts()["best_match"][0] < 1
    world.act(Click("remove-1"))
    assert world.state.cart == [] and world.view.page.by_id["total"].label == "Your cart is empty."
    assert act(world, GoTo("/checkout")) == "there is no page /checkout"


def test_checkout_says_what_is_wrong() -> None:
    """A form with gaps comes back with its values and a message beside each wrong field; a right one goes on."""
    world = _world()
    _oracle(world, "checkout")
    world.act(Fill("name", "<b>Ada</b>"))
    world.act(Click("continue"))
    by_id = world.view.page.by_id
    assert by_id["name"].value == "<b>Ada</b>" and by_id["name"].error and by_id["address"].error and "notice" in by_id
    assert world.facts()["form_errors"] == 3 and act(world, GoTo("/review"))
    _oracle(world)
    assert world.facts()["success"]


def test_wrong_orders_end_the_episode() -> None:
    """An order with a wrong delivery is no success, ends the episode, and is worth what is right of it."""
    world = _world()
    _oracle(world, "checkout")
    for event in (Fill("name", "Some One"), Fill("address", "1 Wrong Way"), Click("shipping-0"), Click("continue")):
        world.act(event)
    world.act(Click("order"))
    facts = world.facts()
    assert facts["failure"] and not facts["success"] and 0.5 <= facts["fitness"] < 1


def test_score_is_webshops() -> None:
    """r = type * (attributes + options + price) / (their number), worked out by hand."""
    line = Line(1, COAT, "red", "M", "2")
    assert line.score(WANTED) == 1.0 and line.is_for(WANTED)
    assert line._replace(colour="blue").score(WANTED) == pytest.approx(5 / 6)
    dear = COAT._replace(price=80.0, kind=COAT.kind._replace(brand="Fjella"))
    assert line._replace(product=dear, quantity="1").score(WANTED) == pytest.approx(3 / 6)
    vest = COAT._replace(kind=COAT.kind._replace(type="fleece vest"))
    assert line._replace(product=vest).score(WANTED) == pytest.approx(0.5)
    pan = COAT._replace(kind=COAT.kind._replace(type="frying pan"), category="Kitchen")
    assert line._replace(product=pan).score(WANTED) == 0.0


def test_orders_are_scored_as_a_whole() -> None:
    """Surplus lines and a wrong delivery cost their share."""
    line = Line(1, COAT, "red", "M", "2")
    assert order_score((WANTED,), (line,), ADDRESS, ADDRESS) == 1.0
    assert order_score((WANTED,), (line, line), ADDRESS, ADDRESS) == pytest.approx(2 / 3)
    assert order_score((WANTED,), (line,), ADDRESS, ADDRESS._replace(name="X Y")) == pytest.approx((1 + 2 / 3) / 2)
    assert order_score((WANTED, WANTED), (line,), ADDRESS, ADDRESS) == pytest.approx(2 / 3)
    assert matched((WANTED,), (line, line)) == ((True,), (line,)), "one of two of the same is too many"


def test_unknown_places() -> None:
    """Products, filters and pages of results that do not exist are no pages."""
    world = _world()
    for path in ("/product/1000", "/product/01", "/product/-1", "/product/", "/product/9999999999", "/search?page=0"):
        assert act(world, GoTo(path)) == f"there is no page {path}"
    for path in (
        "/search?category=Nothing",
        "/search?price=Free",
        "/search?q=zzz&page=2",
        "/add/1",
        "/review",
        "/thanks",
    ):
        assert act(world, GoTo(path)) == f"there is no page {path}"
    assert act(world, GoTo("/search?q=&page=10")) == ""


def test_random_play_does_not_succeed() -> None:
    """The sparse reward of two items is out of reach for random play."""
    world, rng = _world(2), random.Random(2)
    for seed in range(60):
        world.reset(seed)
        for _ in range(30):
            act(world, rng.choice(world.candidates().actions))
            if world.facts()["failure"]:
                break
        assert not world.facts()["success"]
