"""What an episode of the shop is: goal, cart, delivery, order; and what has been reached so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...kit.app import Goal
from ...kit.page import Page
from .goals import Delivery, Item, Line, delivery_share, matched

MAX_LINES = 20
"""Lines that a cart holds."""


@dataclass
class ShopState:
    """One episode."""

    items: tuple[Item, ...]
    delivery_wanted: Delivery
    goal: Goal = field(repr=False)
    targets: tuple[frozenset[int], ...] = field(repr=False)
    """Numbers of the products that each item accepts."""
    cart: list[Line] = field(default_factory=list)
    delivery: Delivery | None = None
    """As it was sent last and found complete."""
    order: tuple[Line, ...] | None = None
    """What was ordered; the episode ends with that."""
    draft: Line | None = None
    """Options of a product that was not added because one is missing: its page shows them again."""
    form: Delivery | None = None
    """A checkout form as it was sent last, complete or not."""
    errors: dict[str, str] = field(default_factory=dict)
    """What is wrong with the form sent last, by field."""
    next_line: int = 1
    found: tuple[bool, ...] = field(default=(), repr=False)
    """Which items the cart holds exactly as wanted."""
    wrong: tuple[Line, ...] = field(default=(), repr=False)
    """Lines of the cart that are for none of them."""
    best: list[float] = field(default_factory=list, repr=False)
    """Best score of the cart's lines for each item."""
    worth: float = field(default=0.0, repr=False)
    """Score of the order."""
    delivery_right: float = field(default=0.0, repr=False)
    """Share of ``delivery`` that is right."""
    milestones: list[bool] = field(default_factory=list, repr=False)
    noted: Page | None = field(default=None, repr=False)
    """The page for which milestones were noted last."""

    def changed(self) -> None:
        """Bring what follows from the cart and the delivery up to date."""
        self.found, self.wrong = matched(self.items, self.cart)
        self.best = [max((line.score(item) for line in self.cart), default=0.0) for item in self.items]
        self.delivery_right = delivery_share(self.delivery_wanted, self.delivery)

    @property
    def all_found(self) -> bool:
        """Whether the cart holds exactly what is wanted."""
        return not self.wrong and all(self.found)
