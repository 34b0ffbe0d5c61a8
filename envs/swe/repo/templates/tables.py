"""Tables in text: reading, choosing, grouping."""

from . import Template

TEMPLATE = Template(
    about="reads tables from text, chooses and sorts rows, groups them and writes them again",
    names=(
        {"pkg": "sheets", "who": "name", "n": "score", "Table": "Table"},
        {"pkg": "records", "who": "city", "n": "rain", "Table": "Records"},
        {"pkg": "rows", "who": "team", "n": "goals", "Table": "Sheet"},
        {"pkg": "data", "who": "fruit", "n": "price", "Table": "Frame"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/reader.py": '''\
"""Reads and writes lines of values that commas part; quotes hold commas."""


def split(line):
    values, value, quoted = [], "", False
    at = 0
    while at < len(line):
        letter = line[at]
        if quoted and letter == '"' and line[at + 1 : at + 2] == '"':
            value += letter
            at += 1
        elif letter == '"':
            quoted = not quoted
        elif letter == "," and not quoted:
            values.append(value)
            value = ""
        else:
            value += letter
        at += 1
    if quoted:
        raise ValueError("a quote is open")
    return values + [value]


def join(values):
    return ",".join(quote(str(value)) for value in values)


def quote(text):
    if "," in text or '"' in text:
        return '"' + text.replace('"', '""') + '"'
    return text


def number(text):
    """Return a whole number where a text is one, else the text."""
    digits = text[1:] if text.startswith("-") else text
    return int(text) if digits.isdigit() else text
''',
        "$pkg/table.py": '''\
"""Rows with named columns."""

from $pkg.reader import join, number, split


class $Table:
    def __init__(self, columns, rows):
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError("a row has another length")

    @classmethod
    def parse(cls, text):
        lines = [line for line in text.splitlines() if line.strip()]
        return cls(split(lines[0]), [[number(v) for v in split(line)] for line in lines[1:]])

    def column(self, name):
        index = self.columns.index(name)
        return [row[index] for row in self.rows]

    def where(self, name, test):
        index = self.columns.index(name)
        return type(self)(self.columns, [row for row in self.rows if test(row[index])])

    def sort(self, name, falling=False):
        index = self.columns.index(name)
        return type(self)(self.columns, sorted(self.rows, key=lambda row: row[index], reverse=falling))

    def write(self):
        return "\\n".join([join(self.columns), *(join(row) for row in self.rows)])
''',
        "$pkg/groups.py": '''\
"""Groups of rows."""


def group(table, name):
    """Return the numbers of the rows for each value of a column."""
    groups = {}
    for number, value in enumerate(table.column(name)):
        groups.setdefault(value, []).append(number)
    return groups


def totals(table, by, of):
    values = table.column(of)
    return {key: sum(values[i] for i in rows) for key, rows in group(table, by).items()}


def largest(table, by, of):
    """Return the key with the largest total, the first of equal ones."""
    best, most = None, None
    for key, total in totals(table, by, of).items():
        if most is None or total > most:
            best, most = key, total
    return best


def running(values):
    """Return the sums so far."""
    total, sums = 0, []
    for value in values:
        total += value
        sums.append(total)
    return sums
''',
        "tests/test_reader.py": '''\
from $pkg.reader import join, number, quote, split


def test_split():
    assert split("a,b,c") == ["a", "b", "c"]


def test_split_empty_values():
    assert split(",a,") == ["", "a", ""]


def test_split_quoted_comma():
    assert split('"a,b",c') == ["a,b", "c"]


def test_split_doubled_quote():
    assert split('"say ""hi""",x') == ['say "hi"', "x"]


def test_open_quote():
    try:
        split('"a,b')
    except ValueError:
        return
    raise AssertionError("no error")


def test_join():
    assert join(["a", 1, "b,c"]) == 'a,1,"b,c"'


def test_join_and_split():
    values = ["a", "b,c", 'd"e', ""]
    assert split(join(values)) == values


def test_plain_is_not_quoted():
    assert quote("plain") == "plain"


def test_quote():
    assert quote('a"b') == '"a""b"'


def test_number():
    assert number("42") == 42


def test_negative_number():
    assert number("-7") == -7


def test_no_number():
    assert [number("-"), number("4x"), number("")] == ["-", "4x", ""]
''',
        "tests/test_table.py": '''\
from $pkg.groups import group, largest, running, totals
from $pkg.table import $Table

TEXT = """
$who,$n
ann,5
bob,-2

ann,4
cyd,8
"""


def make():
    return $Table.parse(TEXT)


def test_columns():
    assert make().columns == ["$who", "$n"]


def test_rows():
    assert make().rows == [["ann", 5], ["bob", -2], ["ann", 4], ["cyd", 8]]


def test_uneven():
    try:
        $Table(["a"], [[1, 2]])
    except ValueError:
        return
    raise AssertionError("no error")


def test_column():
    assert make().column("$n") == [5, -2, 4, 8]


def test_where():
    assert make().where("$n", lambda value: value > 4).column("$who") == ["ann", "cyd"]


def test_sort():
    assert make().sort("$n").column("$n") == [-2, 4, 5, 8]


def test_sort_falling():
    assert make().sort("$n", falling=True).column("$n") == [8, 5, 4, -2]


def test_write():
    assert make().write() == "$who,$n\\nann,5\\nbob,-2\\nann,4\\ncyd,8"


def test_write_and_parse():
    assert $Table.parse(make().write()).rows == make().rows


def test_group():
    assert group(make(), "$who") == {"ann": [0, 2], "bob": [1], "cyd": [3]}


def test_totals():
    assert totals(make(), "$who", "$n") == {"ann": 9, "bob": -2, "cyd": 8}


def test_largest():
    assert largest(make(), "$who", "$n") == "ann"


def test_largest_of_equals():
    assert largest($Table(["a", "b"], [["x", 1], ["y", 1]]), "a", "b") == "x"


def test_largest_of_nothing():
    assert largest($Table(["a", "b"], []), "a", "b") is None


def test_running():
    assert running([1, 2, -4]) == [1, 3, -1]
''',
    },
)
