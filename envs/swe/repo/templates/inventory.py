"""A store's stock, its prices and orders."""

from . import Template

TEMPLATE = Template(
    about="keeps a store's stock, prices its goods and fills orders",
    names=(
        {"pkg": "shop", "item": "book", "other": "pen", "unit": "cents", "Stock": "Stock"},
        {"pkg": "bakery", "item": "loaf", "other": "roll", "unit": "pence", "Stock": "Shelf"},
        {"pkg": "garage", "item": "tyre", "other": "bolt", "unit": "cents", "Stock": "Depot"},
        {"pkg": "florist", "item": "rose", "other": "fern", "unit": "pence", "Stock": "Store"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/stock.py": '''\
"""What is on the shelves."""


class $Stock:
    """Counts pieces by name."""

    def __init__(self):
        self._pieces = {}

    def count(self, name):
        return self._pieces.get(name, 0)

    def add(self, name, pieces):
        if pieces <= 0:
            raise ValueError("nothing to add")
        self._pieces[name] = self.count(name) + pieces

    def take(self, name, pieces):
        left = self.count(name) - pieces
        if left < 0:
            raise ValueError("not enough " + name)
        if left == 0:
            del self._pieces[name]
        else:
            self._pieces[name] = left

    def names(self):
        return sorted(self._pieces)

    def low(self, limit):
        return [name for name in self.names() if self._pieces[name] < limit]
''',
        "$pkg/prices.py": '''\
"""What things cost, in $unit."""


def discount(pieces):
    """Return the discount in percent for so many pieces of one kind."""
    if pieces >= 100:
        return 20
    if pieces >= 10:
        return 5
    return 0


def line_total(price, pieces):
    total = price * pieces
    return total - total * discount(pieces) // 100


def shipping(total):
    """Return the price of shipping, which is free for large orders."""
    if total >= 5000:
        return 0
    return max(300, 700 - total // 10)
''',
        "$pkg/orders.py": '''\
"""Orders: what is asked for, what can be filled, what it costs."""

from $pkg.prices import line_total, shipping


class Order:
    def __init__(self, lines):
        self.lines = dict(lines)

    def missing(self, stock):
        """Return how many pieces of each kind are not in stock."""
        lacking = {}
        for name, pieces in self.lines.items():
            short = pieces - stock.count(name)
            if short > 0:
                lacking[name] = short
        return lacking

    def fill(self, stock, prices):
        """Take the goods and return the bill."""
        if self.missing(stock):
            raise ValueError("cannot be filled")
        total = 0
        for name, pieces in self.lines.items():
            stock.take(name, pieces)
            total += line_total(prices[name], pieces)
        return total + shipping(total)
''',
        "tests/test_stock.py": """\
from $pkg.stock import $Stock


def make():
    stock = $Stock()
    stock.add("$item", 5)
    stock.add("$other", 12)
    return stock


def test_counts():
    assert make().count("$item") == 5


def test_unknown_counts_zero():
    assert make().count("nothing") == 0


def test_add_again():
    stock = make()
    stock.add("$item", 2)
    assert stock.count("$item") == 7


def test_add_one():
    stock = make()
    stock.add("$item", 1)
    assert stock.count("$item") == 6


def test_add_nothing_fails():
    try:
        make().add("$item", 0)
    except ValueError:
        return
    raise AssertionError("no error")


def test_take():
    stock = make()
    stock.take("$other", 5)
    assert stock.count("$other") == 7


def test_take_all_forgets():
    stock = make()
    stock.take("$item", 5)
    assert stock.names() == ["$other"]


def test_take_all_but_one():
    stock = make()
    stock.take("$item", 4)
    assert stock.names() == sorted(["$item", "$other"])


def test_take_too_many_fails():
    try:
        make().take("$item", 6)
    except ValueError:
        return
    raise AssertionError("no error")


def test_low():
    assert make().low(12) == ["$item"]


def test_low_limit_is_not_low():
    assert make().low(5) == []
""",
        "tests/test_orders.py": """\
from $pkg.orders import Order
from $pkg.prices import discount, line_total, shipping
from $pkg.stock import $Stock

PRICES = {"$item": 500, "$other": 20}


def make():
    stock = $Stock()
    stock.add("$item", 20)
    stock.add("$other", 150)
    return stock


def test_no_discount():
    assert discount(9) == 0


def test_small_discount():
    assert [discount(10), discount(99)] == [5, 5]


def test_large_discount():
    assert discount(100) == 20


def test_line_without_discount():
    assert line_total(500, 3) == 1500


def test_line_with_discount():
    assert line_total(20, 100) == 1600


def test_line_with_small_discount():
    assert line_total(30, 10) == 285


def test_free_shipping():
    assert shipping(5000) == 0


def test_shipping_falls():
    assert shipping(1000) == 600


def test_shipping_has_a_floor():
    assert shipping(4900) == 300


def test_nothing_is_missing():
    assert Order({"$item": 20}).missing(make()) == {}


def test_missing():
    assert Order({"$item": 23, "$other": 1}).missing(make()) == {"$item": 3}


def test_fill_bill():
    assert Order({"$item": 2}).fill(make(), PRICES) == 1000 + 600


def test_fill_two_lines():
    assert Order({"$item": 10, "$other": 100}).fill(make(), PRICES) == 4750 + 1600


def test_fill_takes():
    stock = make()
    Order({"$item": 3}).fill(stock, PRICES)
    assert stock.count("$item") == 17


def test_fill_what_is_missing_fails():
    stock = make()
    try:
        Order({"$other": 151}).fill(stock, PRICES)
    except ValueError:
        assert stock.count("$other") == 150
        return
    raise AssertionError("no error")
""",
    },
)
