"""The shop's oracle: remove what is wrong, find, choose and add what is missing, check out, order."""

from __future__ import annotations

from ...kit.events import Click, Event, Fill, Select
from ...kit.page import Element
from ...kit.view import View
from .catalogue import Product
from .goals import Delivery, Item
from .pages import ALL_CATEGORIES, ANY_PRICE
from .progress import delivery_on, options_set
from .state import ShopState


def next_event(state: ShopState, view: View, product: Product | None) -> Event:
    """Return the oracle's next event; ``product`` is the one whose page is shown."""
    kind = view.page.kind
    if state.order is not None:
        return Click("home")  # nothing is left to do; the episode is over
    if state.wrong:
        return Click(f"remove-{state.wrong[0].number}" if kind == "cart" else "cart")
    missing = _missing(state)
    if missing:
        return _shop(state, view, product, missing)
    if kind == "cart":
        return Click("checkout")
    if kind == "checkout":
        return _fill_in(state, view)
    if kind == "review":
        return Click("order" if state.delivery_right == 1.0 else "change")
    return Click("cart")


def _missing(state: ShopState) -> list[int]:
    return [i for i, found in enumerate(state.found) if not found]


def _shop(state: ShopState, view: View, product: Product | None, missing: list[int]) -> Event:
    page = view.page
    if product is not None:
        item = next((state.items[i] for i in missing if state.items[i].accepts(product)), None)
        if item is not None:
            return _choose(view, item)
    if page.kind == "results":
        if (shown := _shown(state, view, missing)) is not None:
            return Click(shown[1])
        if not _unfiltered(view):
            return Click("home")
    if "q" not in page.by_id:  # checkout and review have no search
        return Click("home")
    query = state.items[missing[0]].kind.text
    return Click("go") if view.value(page.by_id["q"]) == query else Fill("q", query)


def _shown(state: ShopState, view: View, missing: list[int]) -> tuple[int, str] | None:
    """Return the first missing item's product among the results that are shown, as the item and the link's id."""
    index = view.page.index
    found = [(index[id], i, id) for i in missing for n in state.targets[i] if (id := f"product-{n}") in index]
    if not found:
        return None
    _, item, id = min(found)
    return item, id


def _unfiltered(view: View) -> bool:
    """Return whether the filters, set but not sent ones included, let everything through."""
    by_id = view.page.by_id
    return view.value(by_id["category"]) == ALL_CATEGORIES and view.value(by_id["price"]) == ANY_PRICE


def _choose(view: View, item: Item) -> Event:
    page = view.page
    for name, value in (("colour", item.colour), ("size", item.size)):
        if value:
            radio = _radio(view, name, value)
            if not view.checked(radio):
                return Click(radio.id)
    if view.value(page.by_id["quantity"]) != item.quantity:
        return Select("quantity", item.quantity)
    return Click("add")


def _radio(view: View, name: str, value: str) -> Element:
    found = view.page.find("radio", name=name, value=value)
    assert found is not None, f"{view.page.path} offers no {name} {value}"
    return found


def _fill_in(state: ShopState, view: View) -> Event:
    wanted, given = state.delivery_wanted, delivery_on(view)
    if given.name != wanted.name:
        return Fill("name", wanted.name)
    if given.address != wanted.address:
        return Fill("address", wanted.address)
    if given.shipping != wanted.shipping:
        return Click(_radio(view, "shipping", wanted.shipping).id)
    return Click("continue")


def steps_left(state: ShopState, view: View, product: Product | None) -> int:
    """Return how many events the oracle needs from here to the order; 0 after one."""
    if state.order is not None:
        return 0
    page, missing = view.page, _missing(state)
    on_cart = page.kind == "cart"
    count = 0
    if state.wrong:
        count += len(state.wrong) + (not on_cart)
        on_cart = True
        count += sum(_find(state.items[i]) for i in missing)
    elif missing:
        first, steps = _first(state, view, product, missing)
        count += steps + sum(_find(state.items[i]) for i in missing if i != first)
        on_cart = True
    elif page.kind == "checkout":
        return _differences(state, delivery_on(view)) + 2
    elif page.kind == "review":
        return 1 if state.delivery_right == 1.0 else _differences(state, state.form) + 3
    return count + (not on_cart) + 1 + _differences(state, state.form) + 2


def _find(item: Item) -> int:
    """Steps from the cart to an item in the cart: fill, search, open, choose, add."""
    return 3 + 1 + bool(item.size) + (item.quantity != "1") + 1


def _first(state: ShopState, view: View, product: Product | None, missing: list[int]) -> tuple[int, int]:
    """Return the item that the oracle gets next from what is shown, and the steps until it is in the cart."""
    page = view.page
    if product is not None:
        for i in missing:
            if state.items[i].accepts(product):
                return i, options_set(view, state.items[i]).count(False) + 1
    full = _find(state.items[missing[0]])
    if page.kind == "results":
        if (shown := _shown(state, view, missing)) is not None:
            return shown[0], _find(state.items[shown[0]]) - 2
        if not _unfiltered(view):
            return missing[0], full + 1
    if "q" not in page.by_id:
        return missing[0], full + 1
    return missing[0], full - (view.value(page.by_id["q"]) == state.items[missing[0]].kind.text)


def _differences(state: ShopState, given: Delivery | None) -> int:
    """Fields of the checkout's form that the oracle has to set."""
    return 3 if given is None else sum(a != b for a, b in zip(given, state.delivery_wanted, strict=True))
