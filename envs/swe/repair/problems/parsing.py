"""Small languages."""

from __future__ import annotations

import re

from ..problem import problem


def is_balanced(text: str) -> bool:
    """Return whether the brackets (), [] and {} in text are closed in the right order; all else in it does not
    matter.
    """
    pairs = {")": "(", "]": "[", "}": "{"}
    stack: list[str] = []
    for char in text:
        if char in "([{":
            stack.append(char)
        elif char in pairs:
            opened = stack.pop() if stack else ""
            if opened != pairs[char]:
                return False
    return not stack


def evaluate_rpn(text: str) -> int:
    """Evaluate an expression in reverse Polish notation, of integers and + - *, separated by blanks. One that is
    not complete, or leaves more than one value, is refused with ValueError.
    """
    stack: list[int] = []
    for token in text.split():
        if token in ("+", "-", "*"):
            if len(stack) < 2:
                raise ValueError("too few values")
            right = stack.pop()
            left = stack.pop()
            if token == "+":
                stack.append(left + right)
            elif token == "-":
                stack.append(left - right)
            else:
                stack.append(left * right)
        else:
            stack.append(int(token))
    if len(stack) != 1:
        raise ValueError("too many values")
    return stack[0]


def split_csv_line(line: str) -> list[str]:
    """Split a line at its commas. Commas between double quotes do not count; the quotes are left out, and two of
    them in a quoted part stand for one.
    """
    cells = []
    cell = ""
    quoted = False
    index = 0
    while index < len(line):
        char = line[index]
        if quoted and char == '"':
            if line[index + 1 : index + 2] == '"':
                cell += char
                index += 1
            else:
                quoted = False
        elif char == '"':
            quoted = True
        elif char == "," and not quoted:
            cells.append(cell)
            cell = ""
        else:
            cell += char
        index += 1
    cells.append(cell)
    return cells


def parse_duration(text: str) -> int:
    """Read a duration like "1h30m" or "45s" as seconds. A text that is not of this form is refused with
    ValueError.
    """
    factors = {"h": 3600, "m": 60, "s": 1}
    total = 0
    number = ""
    for char in text:
        if char.isdigit():
            number += char
        elif char in factors and number:
            total += int(number) * factors[char]
            number = ""
        else:
            raise ValueError("not a duration")
    if number or not text:
        raise ValueError("not a duration")
    return total


def parse_range_list(text: str) -> list[int]:
    """Read a list of pages like "1-3,7" as the numbers [1, 2, 3, 7]; both ends of a range are included."""
    pages: list[int] = []
    for part in text.split(","):
        first, dash, last = part.partition("-")
        if dash:
            pages.extend(range(int(first), int(last) + 1))
        else:
            pages.append(int(first))
    return pages


def compare_versions(a: str, b: str) -> int:
    """Compare versions like "1.2.10": -1 if a is older than b, 1 if it is newer, 0 if they are equal. Missing
    parts at the end count as 0.
    """
    left = [int(part) for part in a.split(".")]
    right = [int(part) for part in b.split(".")]
    for index in range(max(len(left), len(right))):
        x = left[index] if index < len(left) else 0
        y = right[index] if index < len(right) else 0
        if x != y:
            return -1 if x < y else 1
    return 0


def fill_template(template: str, values: dict[str, str]) -> str:
    """Replace each {name} in a template by its value; names that have no value stay as they are."""
    result = ""
    end = 0
    for match in re.finditer(r"\{(\w+)\}", template):
        name = match.group(1)
        result += template[end : match.start()]
        result += values[name] if name in values else match.group(0)
        end = match.end()
    return result + template[end:]


PROBLEMS = (
    problem(
        is_balanced,
        visible="""
            nested: is_balanced("([]{})") is True
            crossed: is_balanced("([)]") is False
            open: is_balanced("((") is False
            closed: is_balanced(")") is False
            empty: is_balanced("") is True
        """,
        hidden="""
            text: is_balanced("f(x[0]) + {1}") is True
            one_missing: is_balanced("{(}") is False
            in_a_row: is_balanced("()[]{}") is True
            late: is_balanced("()]") is False
        """,
    ),
    problem(
        evaluate_rpn,
        visible="""
            sum: evaluate_rpn("2 3 +") == 5
            difference: evaluate_rpn("7 2 -") == 5
            nested: evaluate_rpn("2 1 + 3 *") == 9
            one: evaluate_rpn("42") == 42
            incomplete: raises ValueError: evaluate_rpn("1 +")
        """,
        hidden="""
            product: evaluate_rpn("4 5 *") == 20
            left_over: raises ValueError: evaluate_rpn("1 2")
            empty: raises ValueError: evaluate_rpn("")
            negative: evaluate_rpn("3 -2 +") == 1
            deep: evaluate_rpn("5 1 2 + 4 * + 3 -") == 14
        """,
    ),
    problem(
        split_csv_line,
        visible='''
            plain: split_csv_line("a,b,c") == ["a", "b", "c"]
            quoted: split_csv_line('x,"a,b",y') == ["x", "a,b", "y"]
            empty_cells: split_csv_line(",a,") == ["", "a", ""]
            two_quotes: split_csv_line('"say ""hi""",b') == ['say "hi"', "b"]
            one: split_csv_line("abc") == ["abc"]
        ''',
        hidden="""
            empty: split_csv_line("") == [""]
            empty_quoted: split_csv_line('"",a') == ["", "a"]
            all_quoted: split_csv_line('"a","b"') == ["a", "b"]
            blanks: split_csv_line("a b, c") == ["a b", " c"]
        """,
    ),
    problem(
        parse_duration,
        visible="""
            hours_minutes: parse_duration("1h30m") == 5400
            seconds: parse_duration("45s") == 45
            all: parse_duration("2h3m4s") == 7384
            no_unit: raises ValueError: parse_duration("15")
            no_number: raises ValueError: parse_duration("h")
        """,
        hidden="""
            empty: raises ValueError: parse_duration("")
            unknown_unit: raises ValueError: parse_duration("5d")
            two_digits: parse_duration("12m") == 720
            no_second_number: raises ValueError: parse_duration("1hm")
            zero: parse_duration("0s") == 0
        """,
    ),
    problem(
        parse_range_list,
        visible="""
            mixed: parse_range_list("1-3,7") == [1, 2, 3, 7]
            single: parse_range_list("5") == [5]
            same_ends: parse_range_list("4-4") == [4]
            ranges: parse_range_list("1-2,8-9") == [1, 2, 8, 9]
        """,
        hidden="""
            singles: parse_range_list("3,1,2") == [3, 1, 2]
            long: parse_range_list("10-14") == [10, 11, 12, 13, 14]
            last: parse_range_list("9,1-2") == [9, 1, 2]
        """,
    ),
    problem(
        compare_versions,
        visible="""
            older: compare_versions("1.2", "1.3") == -1
            newer: compare_versions("2.0", "1.9") == 1
            equal: compare_versions("1.0", "1.0") == 0
            numbers: compare_versions("1.10", "1.9") == 1
            missing_zero: compare_versions("1", "1.0.0") == 0
        """,
        hidden="""
            missing: compare_versions("1.0.1", "1") == 1
            missing_left: compare_versions("1", "1.0.1") == -1
            first_decides: compare_versions("0.9.9", "1.0.0") == -1
            last_decides: compare_versions("3.1.2", "3.1.4") == -1
        """,
    ),
    problem(
        fill_template,
        visible="""
            one: fill_template("hi {name}!", {"name": "Ada"}) == "hi Ada!"
            unknown: fill_template("{x} and {y}", {"x": "1"}) == "1 and {y}"
            none: fill_template("plain", {"a": "b"}) == "plain"
            twice: fill_template("{a}{a}", {"a": "z"}) == "zz"
        """,
        hidden="""
            empty_value: fill_template("<{a}>", {"a": ""}) == "<>"
            empty: fill_template("", {}) == ""
            not_a_name: fill_template("{ a }", {"a": "1"}) == "{ a }"
            tail: fill_template("{a} b", {"a": "1"}) == "1 b"
        """,
    ),
)
"""The problems of this module."""
