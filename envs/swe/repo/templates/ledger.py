"""Accounts, amounts and statements."""

from . import Template

TEMPLATE = Template(
    about="keeps accounts in whole cents and writes statements",
    names=(
        {"pkg": "bank", "Account": "Account", "a": "rent", "b": "wage", "sign": "EUR"},
        {"pkg": "purse", "Account": "Wallet", "a": "food", "b": "gift", "sign": "USD"},
        {"pkg": "budget", "Account": "Fund", "a": "fuel", "b": "loan", "sign": "GBP"},
        {"pkg": "till", "Account": "Box", "a": "milk", "b": "sale", "sign": "CHF"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/money.py": '''\
"""Amounts in cents."""


def parse(text):
    """Return the cents of an amount like -12.50."""
    negative = text.startswith("-")
    whole, _, part = text.lstrip("-").partition(".")
    cents = int(whole) * 100 + int(part.ljust(2, "0")[:2] or 0)
    return -cents if negative else cents


def show(cents):
    sign = "-" if cents < 0 else ""
    return "%s%d.%02d $sign" % (sign, abs(cents) // 100, abs(cents) % 100)


def share(cents, people):
    """Split an amount so that no cent is lost; the first ones get the rest."""
    each, rest = divmod(cents, people)
    return [each + 1 if i < rest else each for i in range(people)]


def interest(cents, percent, months):
    """Return simple interest, rounded down."""
    return cents * percent * months // 1200
''',
        "$pkg/account.py": '''\
"""An account and what was booked on it."""


class $Account:
    def __init__(self, limit=0):
        self.limit = limit
        self.entries = []

    def balance(self):
        return sum(cents for _, cents, _ in self.entries)

    def deposit(self, day, cents, text=""):
        if cents <= 0:
            raise ValueError("nothing to deposit")
        self.entries.append((day, cents, text))

    def withdraw(self, day, cents, text=""):
        if cents <= 0:
            raise ValueError("nothing to withdraw")
        if self.balance() - cents < -self.limit:
            raise ValueError("limit exceeded")
        self.entries.append((day, -cents, text))

    def transfer(self, other, day, cents):
        self.withdraw(day, cents, "out")
        other.deposit(day, cents, "in")

    def balance_on(self, day):
        """Return the balance at the end of a day."""
        return sum(cents for when, cents, _ in self.entries if when <= day)
''',
        "$pkg/statement.py": '''\
"""Statements of an account."""

from $pkg.money import show


def by_text(account):
    """Return the sum for each text, largest first."""
    sums = {}
    for _, cents, text in account.entries:
        sums[text] = sums.get(text, 0) + cents
    return sorted(sums.items(), key=lambda item: (-item[1], item[0]))


def between(account, first, last):
    return [entry for entry in account.entries if first <= entry[0] <= last]


def lowest(account):
    """Return the lowest balance that there ever was after an entry."""
    balance, least = 0, 0
    for _, cents, _ in sorted(account.entries, key=lambda entry: entry[0]):
        balance += cents
        least = min(least, balance)
    return least


def lines(account):
    total = 0
    written = []
    for day, cents, text in account.entries:
        total += cents
        written.append("%d %s %s %s" % (day, text, show(cents), show(total)))
    return written
''',
        "tests/test_money.py": """\
from $pkg.money import interest, parse, share, show


def test_parse():
    assert parse("12.50") == 1250


def test_parse_negative():
    assert parse("-3.07") == -307


def test_parse_whole():
    assert parse("8") == 800


def test_parse_one_digit():
    assert parse("0.5") == 50


def test_show():
    assert show(1250) == "12.50 $sign"


def test_show_negative():
    assert show(-5) == "-0.05 $sign"


def test_show_zero():
    assert show(0) == "0.00 $sign"


def test_share():
    assert share(100, 3) == [34, 33, 33]


def test_share_even():
    assert share(90, 3) == [30, 30, 30]


def test_share_keeps_all():
    assert sum(share(101, 4)) == 101


def test_interest():
    assert interest(12000, 5, 12) == 600


def test_interest_of_a_month():
    assert interest(1000, 3, 1) == 2
""",
        "tests/test_account.py": """\
from $pkg.account import $Account
from $pkg.statement import between, by_text, lines, lowest


def make():
    account = $Account(limit=500)
    account.deposit(1, 1000, "$b")
    account.withdraw(2, 1200, "$a")
    account.deposit(5, 700, "$b")
    return account


def fails(call, *arguments):
    try:
        call(*arguments)
    except ValueError:
        return True
    return False


def test_balance():
    assert make().balance() == 500


def test_withdraw_to_the_limit():
    account = make()
    account.withdraw(6, 1000)
    assert account.balance() == -500


def test_withdraw_too_much():
    account = make()
    assert fails(account.withdraw, 6, 1001)
    assert account.balance() == 500


def test_deposit_nothing():
    assert fails(make().deposit, 6, 0)


def test_withdraw_nothing():
    assert fails(make().withdraw, 6, 0)


def test_deposit_one():
    account = make()
    account.deposit(6, 1)
    assert account.balance() == 501


def test_transfer():
    account, other = make(), $Account()
    account.transfer(other, 7, 300)
    assert (account.balance(), other.balance()) == (200, 300)


def test_failed_transfer_moves_nothing():
    account, other = make(), $Account()
    assert fails(account.transfer, other, 7, 3000)
    assert (account.balance(), other.balance()) == (500, 0)


def test_balance_on():
    assert [make().balance_on(day) for day in (0, 1, 2, 4, 5)] == [0, 1000, -200, -200, 500]


def test_by_text():
    assert by_text(make()) == [("$b", 1700), ("$a", -1200)]


def test_between():
    assert [entry[0] for entry in between(make(), 1, 2)] == [1, 2]


def test_between_none():
    assert between(make(), 3, 4) == []


def test_lowest():
    assert lowest(make()) == -200


def test_lowest_of_new():
    assert lowest($Account()) == 0


def test_lines():
    assert lines(make())[1] == "2 $a -12.00 $sign -2.00 $sign"
""",
    },
)
