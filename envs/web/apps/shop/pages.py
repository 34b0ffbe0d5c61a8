"""The shop's pages. What does not depend on the episode is made once and kept."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from urllib.parse import quote_plus

from ...kit.page import Element, Form, Page
from .catalogue import Catalogue, Product
from .goals import QUANTITIES, SHIPPING, Delivery, Line
from .state import ShopState

ALL_CATEGORIES = "All categories"
ANY_PRICE = "Any price"
PRICES: Mapping[str, float] = {ANY_PRICE: 0.0, "Up to 25 €": 25.0, "Up to 50 €": 50.0, "Up to 100 €": 100.0}
PER_PAGE = 10
_SEARCH = Form("search", "/search", "get")
_SEARCH_BOX = Element(id="q", kind="textbox", type="search", label="Search products", name="q", form="search")
_SEARCH_BUTTON = Element(id="go", kind="button", label="Search", form="search")
_TOP = (
    Element(id="home", kind="link", label="Home", href="/"),
    Element(id="cart", kind="link", label="Cart", href="/cart"),
    _SEARCH_BOX,
    _SEARCH_BUTTON,
)


def home(path: str, catalogue: Catalogue) -> Page:
    """Return the start page: search and categories."""
    return Page(path, "Home", "home", _home(catalogue.categories), (_SEARCH,))


@functools.lru_cache
def _home(categories: tuple[str, ...]) -> tuple[Element, ...]:
    links = (
        Element(id=f"category-{i}", kind="link", label=category, href=f"/search?q=&category={quote_plus(category)}")
        for i, category in enumerate(categories)
    )
    return (*_TOP, Element(id="welcome", kind="heading", label="Categories"), *links)


@functools.lru_cache(maxsize=8192)
def _row(product: Product) -> tuple[Element, ...]:
    row = f"row-{product.number}"
    link = Element(
        id=f"product-{product.number}",
        kind="link",
        label=product.title,
        href=f"/product/{product.number}",
        within=row,
    )
    return Element(id=row, kind="row", options=(money(product.price), f"{product.rating:.1f} of 5")), link


def results(path: str, query: Mapping[str, str], catalogue: Catalogue) -> Page | None:
    """Return a page of search results; ``None`` for filters or page numbers that do not exist."""
    category, price = query.get("category") or ALL_CATEGORIES, query.get("price") or ANY_PRICE
    known = category == ALL_CATEGORIES or category in catalogue.categories
    number = query.get("page", "1")
    if not known or price not in PRICES or number not in _PAGE_NUMBERS:
        return None
    text = " ".join(query.get("q", "").split())
    found = catalogue.search(text, "" if category == ALL_CATEGORIES else category, PRICES[price])
    first = (int(number) - 1) * PER_PAGE
    if first and first >= len(found):
        return None
    elements = [*_TOP[:2], _SEARCH_BOX._replace(value=text), *_filters(catalogue.categories, category, price)]
    elements.append(Element(id="count", kind="text", label=f"{len(found)} products"))
    for product in found[first : first + PER_PAGE]:
        elements += _row(product)
    if len(found) > PER_PAGE:
        base = f"/search?q={quote_plus(text)}&category={quote_plus(category)}&price={quote_plus(price)}&page="
    if first:
        elements.append(Element(id="previous", kind="link", label="Previous page", href=f"{base}{int(number) - 1}"))
    if first + PER_PAGE < len(found):
        elements.append(Element(id="next", kind="link", label="Next page", href=f"{base}{int(number) + 1}"))
    title = f"Results for {text}" if text else "All products"
    return Page(path, title, "results", tuple(elements), (_SEARCH,))


_PAGE_NUMBERS = frozenset(map(str, range(1, 11)))


@functools.lru_cache(maxsize=64)
def _filters(categories: tuple[str, ...], category: str, price: str) -> tuple[Element, ...]:
    return (
        Element(
            id="category",
            kind="select",
            label="Category",
            name="category",
            options=(ALL_CATEGORIES, *categories),
            value=category,
            form="search",
        ),
        Element(
            id="price", kind="select", label="Price", name="price", options=tuple(PRICES), value=price, form="search"
        ),
        _SEARCH_BUTTON,
    )


def product_page(path: str, product: Product, state: ShopState) -> Page:
    """Return a product's page, with options as they were sent last where one was missing."""
    draft = state.draft
    if draft is None or draft.product.number != product.number:
        return Page(path, product.title, "product", _product(product), _product_forms(product))
    chosen = (("colour", draft.colour), ("size", draft.size))
    elements = [e._replace(checked=True) if (e.name, e.value) in chosen else e for e in _product(product)]
    elements = [e._replace(value=draft.quantity) if e.id == "quantity" else e for e in elements]
    notice = Element(id="notice", kind="text", label=state.errors["options"])
    return Page(path, product.title, "product", (*elements, notice), _product_forms(product))


@functools.lru_cache(maxsize=8192)
def _product_forms(product: Product) -> tuple[Form, ...]:
    return _SEARCH, Form("options", f"/add/{product.number}", "post")


@functools.lru_cache(maxsize=8192)
def _product(product: Product) -> tuple[Element, ...]:
    return (
        *_TOP,
        Element(id="name", kind="heading", label=product.title),
        Element(id="cost", kind="text", label=f"Price: {money(product.price)}"),
        Element(
            id="about", kind="text", label=f"{product.category}, {product.kind.attribute}, {product.rating:.1f} of 5"
        ),
        *_choices("colour", "Colour", product.colours, "options"),
        *_choices("size", "Size", product.sizes, "options"),
        Element(
            id="quantity",
            kind="select",
            label="Quantity",
            name="quantity",
            options=QUANTITIES,
            value="1",
            form="options",
        ),
        Element(id="add", kind="button", label="Add to cart", form="options"),
    )


def _choices(name: str, legend: str, values: tuple[str, ...], form: str, chosen: str = "") -> Iterator[Element]:
    for i, value in enumerate(values):
        yield Element(
            id=f"{name}-{i}",
            kind="radio",
            label=value,
            name=name,
            value=value,
            checked=value == chosen,
            form=form,
            group=legend,
        )


def cart(path: str, state: ShopState) -> Page:
    """Return the cart: a row for each line, with its quantity to change and a button to remove it."""
    elements = list(_TOP)
    forms = [_SEARCH]
    for line in state.cart:
        elements += _line(line)
        forms.append(Form(f"line-{line.number}", f"/line/{line.number}", "post"))
    total = sum(line.product.price * int(line.quantity) for line in state.cart)
    elements.append(
        Element(id="total", kind="text", label=f"Total: {money(total)}" if state.cart else "Your cart is empty.")
    )
    if "cart" in state.errors:
        elements.append(Element(id="notice", kind="text", label=state.errors["cart"]))
    if state.cart:
        elements.append(Element(id="checkout", kind="link", label="Checkout", href="/checkout"))
    return Page(path, "Cart", "cart", tuple(elements), tuple(forms))


def _cells(line: Line) -> tuple[str, ...]:
    return line.product.title, ", ".join(filter(None, (line.colour, line.size))), money(line.product.price)


def _line(line: Line) -> tuple[Element, ...]:
    row, form = f"item-{line.number}", f"line-{line.number}"
    return (
        Element(id=row, kind="row", options=_cells(line)),
        Element(
            id=f"quantity-{line.number}",
            kind="select",
            label="Quantity",
            name="quantity",
            options=QUANTITIES,
            value=line.quantity,
            form=form,
            within=row,
        ),
        *(
            Element(
                id=f"{do}-{line.number}",
                kind="button",
                label=do.capitalize(),
                name="do",
                value=do,
                form=form,
                within=row,
            )
            for do in ("update", "remove")
        ),
    )


def checkout(path: str, state: ShopState) -> Page | None:
    """Return the form for name, address and shipping; ``None`` while the cart is empty."""
    if not state.cart:
        return None
    given = state.form or Delivery("", "", "")
    errors = state.errors
    elements = (
        *_TOP[:2],
        Element(id="heading", kind="heading", label="Delivery"),
        Element(
            id="name",
            kind="textbox",
            label="Full name",
            name="name",
            value=given.name,
            form="delivery",
            error=errors.get("name", ""),
        ),
        Element(
            id="address",
            kind="textbox",
            label="Street address",
            name="address",
            value=given.address,
            form="delivery",
            error=errors.get("address", ""),
        ),
        *_choices("shipping", "Shipping", SHIPPING, "delivery", given.shipping),
        *([Element(id="notice", kind="text", label=errors["shipping"])] if "shipping" in errors else []),
        Element(id="continue", kind="button", label="Continue", form="delivery"),
    )
    return Page(path, "Checkout", "checkout", elements, (Form("delivery", "/checkout", "post"),))


def review(path: str, state: ShopState) -> Page | None:
    """Return the order as it would be placed; ``None`` while something of it is missing."""
    if not state.cart or state.delivery is None:
        return None
    rows = (
        Element(id=f"item-{line.number}", kind="row", options=(*_cells(line), f"{line.quantity} pieces"))
        for line in state.cart
    )
    elements = (
        *_TOP[:2],
        *rows,
        *(Element(id=f"to-{i}", kind="text", label=text) for i, text in enumerate(state.delivery)),
        Element(id="change", kind="link", label="Change delivery", href="/checkout"),
        Element(id="order", kind="button", label="Place order", form="order"),
    )
    return Page(path, "Review", "review", elements, (Form("order", "/order", "post"),))


def thanks(path: str, state: ShopState) -> Page | None:
    """Return the page after an order; ``None`` before."""
    if state.order is None:
        return None
    elements = (*_TOP[:2], Element(id="thanks", kind="heading", label="Thank you for your order."))
    return Page(path, "Thank you", "thanks", elements)


def money(amount: float) -> str:
    """Return an amount as the shop writes it."""
    return f"{amount:.2f} €"
