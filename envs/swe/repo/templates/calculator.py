"""Arithmetic in text: tokens, precedence, values."""

from . import Template

TEMPLATE = Template(
    about="reads arithmetic expressions with variables and computes their values",
    names=(
        {"pkg": "calc", "x": "x", "y": "y", "evaluate": "evaluate"},
        {"pkg": "formula", "x": "a", "y": "b", "evaluate": "compute"},
        {"pkg": "terms", "x": "p", "y": "q", "evaluate": "value"},
        {"pkg": "expr", "x": "u", "y": "v", "evaluate": "solve"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/tokens.py": '''\
"""Splits an expression into tokens."""

SIGNS = "+-*/%()^,"


def tokens(text):
    """Return numbers as integers, names and signs as texts."""
    found = []
    at = 0
    while at < len(text):
        letter = text[at]
        end = at + 1
        if letter.isspace():
            at = end
            continue
        if letter.isdigit():
            while end < len(text) and text[end].isdigit():
                end += 1
            found.append(int(text[at:end]))
        elif letter.isalpha():
            while end < len(text) and text[end].isalnum():
                end += 1
            found.append(text[at:end])
        elif letter in SIGNS:
            found.append(letter)
        else:
            raise ValueError("unknown sign at %d" % at)
        at = end
    return found
''',
        "$pkg/order.py": '''\
"""Brings tokens into reverse Polish order."""

STRENGTH = {"+": 1, "-": 1, "*": 2, "/": 2, "%": 2, "^": 3}


def binds_before(top, sign):
    """Return whether the sign on the stack comes before a new one."""
    if top not in STRENGTH:
        return False
    if sign == "^":
        return STRENGTH[top] > STRENGTH[sign]
    return STRENGTH[top] >= STRENGTH[sign]


def polish(found):
    done, stack = [], []
    for token in found:
        if token == "(":
            stack.append(token)
        elif token == ")":
            while stack and stack[-1] != "(":
                done.append(stack.pop())
            if not stack:
                raise ValueError("no ( for a )")
            stack.pop()
        elif token in STRENGTH:
            while stack and binds_before(stack[-1], token):
                done.append(stack.pop())
            stack.append(token)
        else:
            done.append(token)
    if "(" in stack:
        raise ValueError("no ) for a (")
    return done + stack[::-1]
''',
        "$pkg/values.py": '''\
"""Computes values."""

from $pkg.order import STRENGTH, polish
from $pkg.tokens import tokens


def apply(sign, left, right):
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if sign == "/":
        return left // right
    if sign == "%":
        return left % right
    return left ** right


def $evaluate(text, names=None):
    """Return the value of an expression; names are looked up."""
    stack = []
    for token in polish(tokens(text)):
        if isinstance(token, int):
            stack.append(token)
        elif token in STRENGTH:
            if len(stack) < 2:
                raise ValueError("a number is missing")
            right = stack.pop()
            left = stack.pop()
            stack.append(apply(token, left, right))
        elif token in (names or {}):
            stack.append(names[token])
        else:
            raise ValueError("unknown name " + token)
    if len(stack) != 1:
        raise ValueError("no single value")
    return stack[0]
''',
        "tests/test_tokens.py": """\
from $pkg.tokens import tokens


def test_numbers():
    assert tokens("12 345") == [12, 345]


def test_signs():
    assert tokens("1+2*(3)") == [1, "+", 2, "*", "(", 3, ")"]


def test_names():
    assert tokens("$x+${y}2") == ["$x", "+", "${y}2"]


def test_spaces():
    assert tokens("  7 ") == [7]


def test_nothing():
    assert tokens("") == []


def test_unknown():
    try:
        tokens("1 ? 2")
    except ValueError as error:
        assert str(error) == "unknown sign at 2"
        return
    raise AssertionError("no error")


def test_single_digit_at_the_end():
    assert tokens("$x-5") == ["$x", "-", 5]
""",
        "tests/test_values.py": """\
from $pkg.order import binds_before, polish
from $pkg.values import apply, $evaluate


def fails(text):
    try:
        $evaluate(text)
    except ValueError:
        return True
    return False


def test_stronger_first():
    assert binds_before("*", "+") and not binds_before("+", "*")


def test_equal_from_the_left():
    assert binds_before("-", "+")


def test_powers_from_the_right():
    assert not binds_before("^", "^")


def test_bracket_never():
    assert not binds_before("(", "+")


def test_polish():
    assert polish([1, "+", 2, "*", 3]) == [1, 2, 3, "*", "+"]


def test_polish_brackets():
    assert polish(["(", 1, "+", 2, ")", "*", 3]) == [1, 2, "+", 3, "*"]


def test_sum():
    assert $evaluate("1 + 2 + 3") == 6


def test_differences():
    assert $evaluate("9 - 4 - 3") == 2


def test_products():
    assert $evaluate("2 + 3 * 4") == 14


def test_brackets():
    assert $evaluate("(2 + 3) * (4 - 1)") == 15


def test_quotients():
    assert $evaluate("17 / 5") == 3


def test_remainders():
    assert $evaluate("17 % 5") == 2


def test_powers():
    assert $evaluate("2 ^ 3 ^ 2") == 512


def test_names():
    assert $evaluate("$x * $y - 1", {"$x": 6, "$y": 7}) == 41


def test_unknown_name():
    assert fails("$x + 1")


def test_missing_number():
    assert fails("1 +")


def test_two_values():
    assert fails("1 2")


def test_open_bracket():
    assert fails("(1 + 2")


def test_closing_bracket():
    assert fails("1 + 2)")


def test_apply():
    assert [apply(sign, 7, 2) for sign in "+-*/%^"] == [9, 5, 14, 3, 1, 49]
""",
    },
)
