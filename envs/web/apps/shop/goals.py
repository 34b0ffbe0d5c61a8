"""What to buy: goals of one, two or three items, and what of them a cart or an order fulfils.

The score of a line of an order for a wanted item is WebShop's (Yao et al. 2022, "WebShop: Towards Scalable Real-World
Web Interaction with Grounded Language Agents", section 3, equation of r):

    r = r_type * (attributes matched + options matched + [price <= limit]) / (attributes + options + 1)

with the brand and the attribute of the product as attributes, and its colour, size and quantity as options. WebShop
finds ``r_type`` by comparing titles; here a product's type and category are known, so it is 1 for the wanted type, 0.5
for another type of its category, 0 for anything else.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from ...kit.app import Goal, Slot
from .catalogue import Catalogue, Kind, Product

SHIPPING = ("Standard", "Express", "Pickup")
QUANTITIES = ("1", "2", "3", "4", "5")
_FIRST = ("Ada", "Bruno", "Chioma", "Dmitri", "Elif", "Farid", "Greta", "Hana", "Ivo", "Jun", "Karin", "Luis")
_LAST = ("Abel", "Berg", "Costa", "Dietz", "Egede", "Fischer", "Gomez", "Holt", "Ito", "Jansen", "Kaya", "Lund")
_STREETS = ("Elm Street", "Mill Lane", "Harbour Road", "Oak Avenue", "Station Square", "Garden Row", "Bridge Street")


class Item(NamedTuple):
    """One thing that is wanted."""

    kind: Kind
    category: str
    colour: str
    size: str
    """Empty where the product comes in one size."""
    quantity: str
    limit: float
    """Price of one piece at most, €."""

    def accepts(self, product: Product) -> bool:
        """Return whether a product is what is wanted, in the right options."""
        return product.kind == self.kind and product.price <= self.limit and self.has_options(product)

    def has_options(self, product: Product) -> bool:
        """Return whether a product comes in the colour and size that are wanted."""
        return self.colour in product.colours and (not self.size or self.size in product.sizes)


class Line(NamedTuple):
    """One line of a cart or order."""

    number: int
    product: Product
    colour: str
    size: str
    quantity: str

    def is_for(self, item: Item) -> bool:
        """Return whether it is exactly what an item asks for."""
        chosen = (self.colour, self.size if item.size else "", self.quantity)
        return item.accepts(self.product) and chosen == (item.colour, item.size, item.quantity)

    def score(self, item: Item) -> float:
        """Return WebShop's r of it for an item, in [0, 1]."""
        kind, wanted = self.product.kind, item.kind
        of_type = 1.0 if kind.type == wanted.type else 0.5 if self.product.category == item.category else 0.0
        hits = [kind.brand == wanted.brand, kind.attribute == wanted.attribute, self.product.price <= item.limit]
        hits += [self.colour == item.colour, self.quantity == item.quantity]
        if item.size:
            hits.append(self.size == item.size)
        return of_type * sum(hits) / len(hits)


class Delivery(NamedTuple):
    """Where an order goes."""

    name: str
    address: str
    shipping: str


def draw_items(rng: random.Random, catalogue: Catalogue, count: int) -> tuple[Item, ...]:
    """Draw items of different types; each can be bought, and dearer products of its kind are too dear."""
    items: list[Item] = []
    while len(items) < count:
        product = catalogue.products[int(rng.random() * len(catalogue.products))]
        if any(product.kind.type == item.kind.type for item in items):
            continue
        lowest = math.ceil(product.price)
        dearer = [
            math.ceil(other.price) - 1 for other in catalogue.by_kind[product.kind] if other.price > product.price
        ]
        limit = float(rng.randint(lowest, max(lowest, min([lowest + 40, *dearer]))))
        size = rng.choice(product.sizes) if product.sizes else ""
        quantity = rng.choice(("1", "1", "1", "2", "3"))
        items.append(Item(product.kind, product.category, rng.choice(product.colours), size, quantity, limit))
    return tuple(items)


def draw_delivery(rng: random.Random) -> Delivery:
    """Draw a name, an address and a way of shipping."""
    name = f"{rng.choice(_FIRST)} {rng.choice(_LAST)}"
    return Delivery(name, f"{rng.randint(1, 199)} {rng.choice(_STREETS)}", rng.choice(SHIPPING))


_OPENINGS = ("Buy", "Please order", "I need", "Get me", "Order")
_ENDINGS = (
    "Have it sent to {name}, {address}, by {shipping} shipping.",
    "Deliver to {name} at {address}; shipping: {shipping}.",
    "It goes to {name}, {address}. Choose {shipping} shipping.",
)


def make_goal(rng: random.Random, items: Sequence[Item], delivery: Delivery) -> Goal:
    """Return the goal in words, and its values."""
    wanted = "; ".join(map(_in_words, items))
    ending = rng.choice(_ENDINGS).format(**{**delivery._asdict(), "shipping": delivery.shipping.lower()})
    slots: list[Slot] = []
    for part, item in enumerate(items):
        slots += [
            Slot("product", item.kind.text, part),
            Slot("colour", item.colour, part),
            *([Slot("size", item.size, part)] if item.size else []),
            Slot("quantity", item.quantity, part),
            Slot("price", f"{item.limit:g} €", part, at_most=item.limit),
        ]
    last = len(items)
    slots += [
        Slot("full name", delivery.name, last),
        Slot("street address", delivery.address, last),
        Slot("shipping", delivery.shipping, last),
    ]
    return Goal(f"{rng.choice(_OPENINGS)} {wanted}. {ending} Nothing else.", tuple(slots), parts=last + 1)


def _in_words(item: Item) -> str:
    size = f", size {item.size}" if item.size else ""
    each = " each" if item.quantity != "1" else ""
    return f"{item.quantity} x {item.kind.text} in {item.colour}{size}, for at most {item.limit:g} €{each}"


def matched(items: Sequence[Item], lines: Sequence[Line]) -> tuple[tuple[bool, ...], tuple[Line, ...]]:
    """Return which items a cart holds exactly as wanted, and the lines that are for none of them."""
    found = [False] * len(items)
    wrong = []
    for line in lines:
        hit = next((i for i, item in enumerate(items) if not found[i] and line.is_for(item)), None)
        if hit is None:
            wrong.append(line)
        else:
            found[hit] = True
    return tuple(found), tuple(wrong)


def delivery_share(wanted: Delivery, given: Delivery | None) -> float:
    """Return the share of a delivery's three entries that are right; capitals and outer spaces do not matter."""
    if given is None:
        return 0.0
    return sum(a.strip().lower() == b.strip().lower() for a, b in zip(wanted, given, strict=True)) / len(wanted)


def order_score(items: Sequence[Item], lines: Sequence[Line], wanted: Delivery, given: Delivery) -> float:
    """Return what an order is worth, in [0, 1]: the scores of the best line for each item and the share of the delivery
    that is right, over the number of lines or items, whichever is larger, and one for the delivery.
    """
    left, total = list(lines), 0.0
    for item in sorted(items, key=lambda item: -max((line.score(item) for line in lines), default=0.0)):
        if left:
            best = max(left, key=lambda line: line.score(item))
            total += best.score(item)
            left.remove(best)
    return (total + delivery_share(wanted, given)) / (max(len(items), len(lines)) + 1)
