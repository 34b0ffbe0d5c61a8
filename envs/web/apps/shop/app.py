"""The shop as an app, and its tasks."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from envreward.errors import ConfigError

from ...kit.app import App, Goal, Post, split
from ...kit.events import Event
from ...kit.page import Page
from ...kit.task import WebTask
from ...kit.view import View
from . import pages
from .catalogue import Catalogue, Product, catalogue
from .goals import QUANTITIES, SHIPPING, Delivery, Line, draw_delivery, draw_items, make_goal, order_score
from .oracle import next_event, steps_left
from .progress import MAX_ITEMS, milestone_names, note_milestones, shop_facts, shop_fields
from .state import MAX_LINES, ShopState


class Shop(App[ShopState]):
    """A shop of ``products`` products, and goals of ``items`` items."""

    name = "shop"
    page_kinds = ("home", "results", "product", "cart", "checkout", "review", "thanks")
    commands = ("Search", "Add to cart", "Cart", "Checkout", "Continue", "Place order", "Remove", "Home")
    success_doc = (
        "An order was placed with exactly the items that the instruction names (product within its price limit, "
        "colour, size, quantity), nothing else, and to the name and address and by the shipping that it names."
    )
    fitness_doc = (
        "WebShop's score of the order (Yao et al. 2022): for each item type x (attributes + options + price matched) / "
        "all of them, and the share of the delivery that is right, over the lines or items, whichever is more, and "
        "one; 0 without an order."
    )

    def __init__(self, items: int = 1, products: int = 1000) -> None:
        """Open a shop.

        Args:
            items: Items to buy, 1 to 3.
            products: Size of the catalogue, 50 to 5,000.

        Raises:
            ConfigError: A number out of its range.
        """
        if not 1 <= items <= MAX_ITEMS:
            raise ConfigError(f"items must be 1 to {MAX_ITEMS}, got {items}")
        self.items = items
        self.catalogue: Catalogue = catalogue(products)
        self.fields = shop_fields(items)
        self._routes = {
            "/cart": pages.cart,
            "/checkout": pages.checkout,
            "/review": pages.review,
            "/thanks": pages.thanks,
        }

    def new_state(self, seed: int) -> ShopState:
        """Draw what to buy and where to send it."""
        rng = random.Random(seed)
        items = draw_items(rng, self.catalogue, self.items)
        delivery = draw_delivery(rng)
        by_kind = self.catalogue.by_kind
        state = ShopState(
            items=items,
            delivery_wanted=delivery,
            goal=make_goal(rng, items, delivery),
            targets=tuple(frozenset(p.number for p in by_kind[i.kind] if i.accepts(p)) for i in items),
            milestones=[False] * len(milestone_names(self.items)),
        )
        state.changed()
        return state

    def goal(self, state: ShopState) -> Goal:
        """Return what to buy."""
        return state.goal

    def page(self, state: ShopState, path: str) -> Page | None:
        """Return a page of the shop."""
        route, query = split(path)
        if route == "/":
            return pages.home(path, self.catalogue)
        if route == "/search":
            return pages.results(path, query, self.catalogue)
        if (product := self._product(route, "/product/")) is not None:
            return pages.product_page(path, product, state)
        make = self._routes.get(route)
        return None if make is None else make(path, state)

    def _product(self, route: str, prefix: str) -> Product | None:
        """Return the product whose number follows ``prefix`` in a path."""
        number = route[len(prefix) :]
        if not route.startswith(prefix) or not number.isascii() or not number.isdecimal() or len(number) > 4:
            return None
        products = self.catalogue.products
        return products[int(number)] if int(number) < len(products) and str(int(number)) == number else None

    def handle(self, state: ShopState, post: Post) -> str | None:
        """Add to the cart, change it, take the delivery, or place the order."""
        if (product := self._product(post.path, "/add/")) is not None:
            target: str | None = _add(state, product, post)
        elif post.path.startswith("/line/"):
            target = _change(state, post)
        elif post.path == "/checkout" and state.cart:
            target = _deliver(state, post)
        elif post.path == "/order" and state.cart and state.delivery is not None:
            target = _order(state)
        else:
            return None
        state.changed()
        return target

    def note(self, state: ShopState, view: View) -> None:
        """Set the milestones that what is shown reaches."""
        note_milestones(state, view, self._shown(view))

    def _shown(self, view: View) -> Product | None:
        page = view.page
        return self._product(split(page.path)[0], "/product/") if page.kind == "product" else None

    def parts_done(self, state: ShopState) -> tuple[bool, ...]:
        """Return which items the cart holds as wanted, and whether the delivery is right."""
        return (*state.found, state.delivery_right == 1.0)

    def facts(self, state: ShopState, view: View) -> Mapping[str, Any]:
        """Return how far the episode has come."""
        product = self._shown(view)
        return shop_facts(state, view, product, steps_left(state, view, product))

    def oracle(self, state: ShopState, view: View) -> Event:
        """Return the next event of a way to the right order."""
        return next_event(state, view, self._shown(view))


def _add(state: ShopState, product: Product, post: Post) -> str:
    line = Line(state.next_line, product, post.get("colour"), post.get("size"), post.get("quantity"))
    missing = []
    if line.colour not in product.colours:
        missing.append("a colour")
    if product.sizes and line.size not in product.sizes:
        missing.append("a size")
    if line.quantity not in QUANTITIES:
        missing.append("a quantity")
    state.draft, state.errors = None, {}
    if missing:
        state.draft, state.errors = line, {"options": f"Please choose {' and '.join(missing)}."}
        return f"/product/{product.number}"
    if len(state.cart) >= MAX_LINES:
        state.errors = {"cart": f"The cart is full: {MAX_LINES} lines at most."}
        return "/cart"
    state.cart.append(line)
    state.next_line += 1
    return "/cart"


def _change(state: ShopState, post: Post) -> str:
    state.draft, state.errors = None, {}
    place = next((i for i, line in enumerate(state.cart) if post.path == f"/line/{line.number}"), None)
    if place is None:
        state.errors = {"cart": "That line is no longer in the cart."}
    elif post.get("do") == "remove":
        del state.cart[place]
    elif post.get("quantity") in QUANTITIES:
        state.cart[place] = state.cart[place]._replace(quantity=post.get("quantity"))
    return "/cart"


def _deliver(state: ShopState, post: Post) -> str:
    state.draft = None
    state.form = given = Delivery(post.get("name").strip(), post.get("address").strip(), post.get("shipping"))
    state.errors = {}
    if len(given.name.split()) < 2:
        state.errors["name"] = "Enter first and last name."
    if not any(char.isdigit() for char in given.address) or not any(char.isalpha() for char in given.address):
        state.errors["address"] = "Enter street and number."
    if given.shipping not in SHIPPING:
        state.errors["shipping"] = "Choose how to ship."
    if state.errors:
        return "/checkout"
    state.delivery = given
    return "/review"


def _order(state: ShopState) -> str:
    assert state.delivery is not None
    state.draft, state.errors = None, {}
    state.order = tuple(state.cart)
    state.worth = order_score(state.items, state.order, state.delivery_wanted, state.delivery)
    return "/thanks"


class ShopTask(WebTask):
    """Buy what the instruction names."""

    app_type = Shop
