"""How far an episode of the shop has come: what its fields are, and how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envreward.fields import Field

from ...kit.matching import words
from ...kit.view import View
from .catalogue import Product
from .goals import Delivery, Item, delivery_share
from .state import ShopState

MAX_ITEMS = 3
_PER_ITEM = ("query", "results", "opened", "options", "in_cart")
_LATER = ("checkout", "form", "delivery", "review")


def milestone_names(items: int) -> tuple[str, ...]:
    """Return the milestones of a goal of ``items`` items, in the order in which they can be reached."""
    return (*(f"item_{i}_{name}" for i in range(items) for name in _PER_ITEM), *_LATER)


def shop_fields(items: int) -> dict[str, Field]:
    """Return the shop's facts for goals of ``items`` items."""
    names = milestone_names(items)
    each = tuple(f"item_{i}" for i in range(items))
    return {
        "milestones": Field(
            "What has been reached at some time of the episode, or passed: for each item, the words for it in the "
            "search box, results that show it, its page, its options set right there, and it in the cart as wanted "
            "(these count for one item at a time: while one has begun and is not in the cart, no other's count); "
            "then, with a right cart, the checkout, its form filled in right, the right delivery sent, and the review "
            "of the order.",
            shape=(len(names),),
            names=names,
            role="flag",
        ),
        "progress": Field(
            "How much of the goal is done now, in [0, 1]: the mean over the items (1 in the cart as wanted, up to 0.5 "
            "on its page as its options are set) and the delivery (share that is right), less 0.1 for each wrong line."
        ),
        "items_found": Field(
            "Whether the cart holds each item exactly as wanted.", shape=(items,), names=each, role="flag"
        ),
        "items_wanted": Field("Items that the instruction asks for."),
        "cart_lines": Field("Lines in the cart."),
        "wrong_lines": Field(
            "Lines in the cart that are not wanted: wrong product, options, quantity, or one too many."
        ),
        "best_match": Field(
            "Best match of any line of the cart with each item by attributes, options and price, in [0, 1].",
            shape=(items,),
            names=each,
        ),
        "page_match": Field(
            "On a product's page: how well the product matches the item that is still missing and closest to it, by "
            "brand, attribute, type and price, in [0, 1]; elsewhere 0."
        ),
        "options_right": Field(
            "On a product's page: share of the options (colour, size, quantity) that are set, sent or not, as the item "
            "that is closest to it wants them; elsewhere 0."
        ),
        "delivery_filled": Field(
            "At the checkout: share of its three fields that are filled, sent or not; elsewhere 0."
        ),
        "delivery_right": Field("Share of the delivery's three entries that are right, sent or not."),
        "form_errors": Field("Errors that the shop shows about what was sent last."),
        "orders": Field("Orders placed: 0, or 1 when the episode ends."),
        "success": Field(
            "Whether an order was placed with exactly what is wanted, to be delivered as wanted.",
            dtype="bool",
            role="flag",
            private=True,
        ),
        "failure": Field("Whether the episode ends: an order was placed.", dtype="bool", role="flag", private=True),
        "fitness": Field("What the order is worth by WebShop's score, in [0, 1]; 0 without one.", private=True),
        "oracle_steps": Field("Steps that the oracle needs from here.", unit="steps", private=True),
    }


def options_set(view: View, item: Item) -> list[bool]:
    """Return for colour, size (where the item has one) and quantity whether a product's page has them as wanted."""
    page = view.page
    chosen = {e.name: e.value for e in page.elements if e.kind == "radio" and view.checked(e)}
    size = [chosen.get("size") == item.size] if item.size else []
    return [chosen.get("colour") == item.colour, *size, view.value(page.by_id["quantity"]) == item.quantity]


def product_match(product: Product, item: Item) -> float:
    """Return the share of brand, attribute, type and price limit in which a product is as wanted."""
    hits = sum(a == b for a, b in zip(product.kind, item.kind, strict=True))
    return (hits + (product.price <= item.limit)) / 4


def closest_open(state: ShopState, product: Product) -> int | None:
    """Return the missing item that a product matches best, or ``None`` where nothing is missing."""
    missing = [i for i, found in enumerate(state.found) if not found]
    return max(missing, key=lambda i: product_match(product, state.items[i]), default=None)


def delivery_on(view: View) -> Delivery:
    """Return what the checkout's form holds, sent or not."""
    page = view.page
    shipping = next((e.value for e in page.elements if e.kind == "radio" and view.checked(e)), "")
    return Delivery(view.value(page.by_id["name"]), view.value(page.by_id["address"]), shipping)


def shop_facts(state: ShopState, view: View, product: Product | None, oracle_steps: int) -> Mapping[str, Any]:
    """Return the value of each of `shop_fields`; ``product`` is the one whose page is shown."""
    items, kind = state.items, view.page.kind
    match = right = 0.0
    here: int | None = None
    if product is not None and (here := closest_open(state, product)) is not None:
        match = product_match(product, items[here])
        options = options_set(view, items[here])
        right = sum(options) / len(options)
    filled, delivery = 0.0, state.delivery_right
    if kind == "checkout":
        given = delivery_on(view)
        filled = sum(map(bool, given)) / len(given)
        delivery = delivery_share(state.delivery_wanted, given)
    each = [float(found) for found in state.found]
    if product is not None and here is not None and items[here].accepts(product):
        each[here] = 0.25 * (1 + right)
    progress = (sum(each) + delivery) / (len(items) + 1) - 0.1 * len(state.wrong)
    order = state.order
    success = order is not None and state.all_found and state.delivery_right == 1.0
    return {
        "milestones": state.milestones,
        "progress": max(0.0, progress),
        "items_found": state.found,
        "items_wanted": len(items),
        "cart_lines": len(state.cart),
        "wrong_lines": len(state.wrong),
        "best_match": state.best,
        "page_match": match,
        "options_right": right,
        "delivery_filled": filled,
        "delivery_right": delivery,
        "form_errors": len(state.errors),
        "orders": float(order is not None),
        "success": success,
        "failure": order is not None,
        "fitness": state.worth,
        "oracle_steps": oracle_steps,
    }


def note_milestones(state: ShopState, view: View, product: Product | None) -> None:
    """Set the milestones that what is shown reaches; `shop_fields` says which there are.

    Only one item at a time is under way: were the first stages of the next one paid before this one is in the cart, a
    policy would learn to look at everything and to buy nothing (it did).
    """
    new = view.page is not state.noted
    state.noted = view.page
    whole, reached = len(_PER_ITEM), state.milestones
    for i in range(len(state.items)):
        stage = _stage(state, view, product, i, new)
        if stage and (stage == whole or not _others_begun(state, i)):
            reached[i * whole : i * whole + stage] = [True] * stage
    if state.all_found and (stage := _checkout_stage(state, view)):
        first = len(state.items) * whole
        reached[first : first + stage] = [True] * stage


def _stage(state: ShopState, view: View, product: Product | None, i: int, new: bool) -> int:
    """Return how many of an item's milestones what is shown reaches; a ``new`` page may show a changed cart."""
    item, page = state.items[i], view.page
    if state.found[i]:
        return len(_PER_ITEM) if new else 0
    if product is not None and item.accepts(product):
        return _PER_ITEM.index("options" if all(options_set(view, item)) else "opened") + 1
    if new and page.kind == "results" and any(f"product-{n}" in page.by_id for n in state.targets[i]):
        return _PER_ITEM.index("results") + 1
    if "q" in view.typed and words(item.kind.text) <= words(view.typed["q"]):
        return _PER_ITEM.index("query") + 1
    return 0


def _others_begun(state: ShopState, i: int) -> bool:
    """Return whether another item has reached something and not yet the cart."""
    whole, reached = len(_PER_ITEM), state.milestones
    others = (j for j in range(len(state.items)) if j != i)
    return any(reached[j * whole] and not reached[(j + 1) * whole - 1] for j in others)


def _checkout_stage(state: ShopState, view: View) -> int:
    """Return how many of the last milestones a right cart has reached on this page."""
    if view.page.kind == "checkout":
        right = delivery_share(state.delivery_wanted, delivery_on(view)) == 1.0
        return _LATER.index("form" if right else "checkout") + 1
    if state.delivery_right == 1.0 and view.page.kind == "review":
        return len(_LATER)
    return 0
