"""The shop's catalogue: made once per size from templates, and shared by all episodes."""

from __future__ import annotations

import functools
import random
from collections.abc import Mapping
from typing import NamedTuple

from envreward.errors import ConfigError

from ...kit.matching import words

MIN_PRODUCTS, MAX_PRODUCTS = 50, 5_000
MAX_RESULTS = 100
"""Results of a search that can be paged through."""

_CLOTHES = ("S", "M", "L", "XL")
_SHOES = ("38", "40", "42", "44", "46")
_CATEGORIES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[int, int]]] = {
    # category: types, attributes, sizes, price range in €
    "Clothing": (
        ("rain jacket", "wool sweater", "hiking trousers", "fleece vest", "linen shirt"),
        ("waterproof", "lightweight", "insulated", "breathable"),
        _CLOTHES,
        (20, 180),
    ),
    "Shoes": (
        ("running shoes", "hiking boots", "leather sandals", "canvas sneakers"),
        ("waterproof", "cushioned", "vegan", "wide"),
        _SHOES,
        (30, 200),
    ),
    "Kitchen": (
        ("coffee grinder", "frying pan", "bread knife", "water kettle"),
        ("dishwasher-safe", "compact", "heavy-duty", "cordless"),
        (),
        (10, 150),
    ),
    "Travel": (
        ("trolley suitcase", "duffel bag", "daypack", "toiletry bag"),
        ("foldable", "lockable", "waterproof", "ultralight"),
        ("20 L", "35 L", "60 L"),
        (15, 220),
    ),
    "Bedding": (
        ("duvet cover", "memory pillow", "cotton blanket", "fitted sheet"),
        ("organic", "quilted", "washable", "hypoallergenic"),
        ("single", "double", "king"),
        (12, 120),
    ),
}
_BRANDS = (
    "Nordvik",
    "Fjella",
    "Castora",
    "Bluepine",
    "Ambermill",
    "Tessaro",
    "Quillon",
    "Ostara",
    "Rivulet",
    "Hartwell",
)
_MODELS = (
    *("Alta", "Brio", "Cirrus", "Delta", "Ember", "Fara", "Glen", "Halo", "Iris", "Juno", "Kestrel", "Luna"),
    *("Mira", "Nova", "Orbit", "Piko", "Quest", "Rondo", "Sola", "Terra", "Umbra", "Vela", "Willow", "Zephyr"),
)
COLOURS = ("black", "white", "red", "blue", "green", "yellow", "grey", "brown", "pink", "purple")


class Kind(NamedTuple):
    """What a goal names a product by."""

    brand: str
    attribute: str
    type: str

    @property
    def text(self) -> str:
        """The kind in words; every product of it has them in its title."""
        return f"{self.brand} {self.attribute} {self.type}"


class Product(NamedTuple):
    """One thing to buy."""

    number: int
    kind: Kind
    model: str
    category: str
    colours: tuple[str, ...]
    sizes: tuple[str, ...]
    """Empty where it comes in one size."""
    price: float
    """€."""
    rating: float
    """Stars, 1 to 5."""

    @property
    def title(self) -> str:
        """Its name in the shop."""
        return f"{self.kind.brand} {self.model} {self.kind.attribute} {self.kind.type}"


class Catalogue:
    """Products and an index of the words of their titles."""

    def __init__(self, products: tuple[Product, ...]) -> None:
        self.products = products
        self.categories = tuple(_CATEGORIES)
        self.by_kind: dict[Kind, list[Product]] = {}
        """Products of one kind, cheapest first."""
        self._index: dict[str, list[int]] = {}
        for product in products:
            self.by_kind.setdefault(product.kind, []).append(product)
            for word in words(f"{product.title} {product.category}"):
                self._index.setdefault(word, []).append(product.number)
        for kind in self.by_kind.values():
            kind.sort(key=lambda product: (product.price, product.number))
        self.search = functools.lru_cache(maxsize=4096)(self._search)

    def _search(self, query: str, category: str, max_price: float) -> tuple[Product, ...]:
        """Return the products that share words with ``query``, those that share most first; all for an empty query.

        Args:
            query: What is looked for.
            category: One of ``categories``, or empty for all.
            max_price: In €; 0 for any.
        """
        counts: dict[int, int] = {}
        asked = words(query)
        for word in sorted(asked):
            for number in self._index.get(word, ()):
                counts[number] = counts.get(number, 0) + 1
        found = counts if asked else range(len(self.products))
        fitting = [
            number
            for number in found
            if (not category or self.products[number].category == category)
            and (not max_price or self.products[number].price <= max_price)
        ]
        fitting.sort(key=lambda number: (-counts.get(number, 0), number))
        return tuple(self.products[number] for number in fitting[:MAX_RESULTS])


@functools.lru_cache(maxsize=8)
def catalogue(size: int) -> Catalogue:
    """Return the catalogue of ``size`` products, the same in every process; each kind comes in one to five models.

    Raises:
        ConfigError: A size that the templates cannot fill.
    """
    if not MIN_PRODUCTS <= size <= MAX_PRODUCTS:
        raise ConfigError(f"products must be {MIN_PRODUCTS} to {MAX_PRODUCTS:,}, got {size}")
    rng = random.Random(f"shop catalogue of {size}")
    kinds = [
        (category, Kind(brand, attribute, type))
        for category, (types, attributes, _, _) in _CATEGORIES.items()
        for brand in _BRANDS
        for attribute in attributes
        for type in types
    ]
    rng.shuffle(kinds)
    made: list[Product] = []
    at_most = 1 + -(-2 * size // len(kinds)) if size > len(kinds) else 3
    while len(made) < size:
        category, kind = kinds.pop()
        for model in rng.sample(_MODELS, min(rng.randint(1, at_most), size - len(made))):
            made.append(_product(rng, len(made), category, kind, model))
    return Catalogue(tuple(made))


def _product(rng: random.Random, number: int, category: str, kind: Kind, model: str) -> Product:
    _, _, sizes, (cheapest, dearest) = _CATEGORIES[category]
    colours = tuple(sorted(rng.sample(COLOURS, rng.randint(3, 5))))
    offered = tuple(size for size in sizes if rng.random() < 0.85) or sizes[:1]
    price = round(rng.uniform(cheapest, dearest)) - 0.1
    return Product(number, kind, model, category, colours, offered, round(price, 2), round(rng.uniform(2.5, 5.0), 1))
