"""Ways through a grid with walls."""

from . import Template

TEMPLATE = Template(
    about="reads maps of letters and finds the shortest ways through them",
    names=(
        {"pkg": "maze", "wall": "X", "Grid": "Maze", "walk": "walk"},
        {"pkg": "city", "wall": "H", "Grid": "Town", "walk": "route"},
        {"pkg": "caves", "wall": "R", "Grid": "Cave", "walk": "trail"},
        {"pkg": "garden", "wall": "T", "Grid": "Park", "walk": "path"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/board.py": '''\
"""Maps: a letter for each cell, "$wall" for a wall, "." for floor, a digit for what it costs to enter."""


class $Grid:
    def __init__(self, text):
        self.rows = text.split()
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("rows differ in length")
        self.height = len(self.rows)
        self.width = len(self.rows[0])

    def inside(self, x, y):
        return 0 <= x < self.width and 0 <= y < self.height

    def is_wall(self, x, y):
        return self.rows[y][x] == "$wall"

    def cost(self, x, y):
        letter = self.rows[y][x]
        return int(letter) if letter.isdigit() else 1

    def neighbours(self, x, y):
        """Return the cells beside a cell that can be entered: right, down, left, up."""
        around = [(x + 1, y), (x, y + 1), (x - 1, y), (x, y - 1)]
        return [cell for cell in around if self.inside(*cell) and not self.is_wall(*cell)]

    def find(self, letter):
        for y, row in enumerate(self.rows):
            if letter in row:
                return row.index(letter), y
        return None
''',
        "$pkg/reach.py": '''\
"""What can be reached, and in how many steps."""


def steps(grid, start):
    """Return the number of steps to each cell that can be reached."""
    found = {start: 0}
    waiting = [start]
    while waiting:
        cell = waiting.pop(0)
        for other in grid.neighbours(*cell):
            if other not in found:
                found[other] = found[cell] + 1
                waiting.append(other)
    return found


def areas(grid):
    """Return the sizes of the connected parts, largest first."""
    sizes, seen = [], set()
    for y in range(grid.height):
        for x in range(grid.width):
            if not grid.is_wall(x, y) and (x, y) not in seen:
                part = set(steps(grid, (x, y)))
                seen |= part
                sizes.append(len(part))
    return sorted(sizes, reverse=True)
''',
        "$pkg/ways.py": '''\
"""The cheapest way from one cell to another."""


def $walk(grid, start, goal):
    """Return the cheapest way as cells and its cost; None where there is none."""
    best = {start: 0}
    before = {}
    waiting = [(0, start)]
    while waiting:
        waiting.sort()
        spent, cell = waiting.pop(0)
        if cell == goal:
            return trace(before, goal), spent
        if spent > best[cell]:
            continue
        for other in grid.neighbours(*cell):
            total = spent + grid.cost(*other)
            if total < best.get(other, 10**9):
                best[other] = total
                before[other] = cell
                waiting.append((total, other))
    return None


def trace(before, cell):
    way = [cell]
    while cell in before:
        cell = before[cell]
        way.append(cell)
    return way[::-1]


def turns(way):
    """Return how often a way changes its direction."""
    count = 0
    for a, b, c in zip(way, way[1:], way[2:]):
        if (b[0] - a[0], b[1] - a[1]) != (c[0] - b[0], c[1] - b[1]):
            count += 1
    return count
''',
        "tests/test_board.py": '''\
from $pkg.board import $Grid

MAP = """
S.$wall.
.9$wall.
...G
"""


def test_size():
    grid = $Grid(MAP)
    assert (grid.width, grid.height) == (4, 3)


def test_uneven_rows():
    try:
        $Grid(".. .")
    except ValueError:
        return
    raise AssertionError("no error")


def test_inside():
    grid = $Grid(MAP)
    assert grid.inside(3, 2) and grid.inside(0, 0)


def test_outside():
    grid = $Grid(MAP)
    assert not any(grid.inside(x, y) for x, y in [(-1, 0), (4, 0), (0, -1), (0, 3)])


def test_wall():
    assert $Grid(MAP).is_wall(2, 1)


def test_floor():
    assert not $Grid(MAP).is_wall(0, 1)


def test_cost():
    grid = $Grid(MAP)
    assert [grid.cost(1, 1), grid.cost(0, 0)] == [9, 1]


def test_neighbours_of_a_corner():
    assert $Grid(MAP).neighbours(0, 0) == [(1, 0), (0, 1)]


def test_neighbours_without_walls():
    assert $Grid(MAP).neighbours(1, 1) == [(1, 2), (0, 1), (1, 0)]


def test_find():
    assert $Grid(MAP).find("G") == (3, 2)


def test_find_none():
    assert $Grid(MAP).find("Q") is None
''',
        "tests/test_ways.py": '''\
from $pkg.board import $Grid
from $pkg.reach import areas, steps
from $pkg.ways import trace, turns, $walk

MAP = """
S9.$wall
.$wall..
...G
"""
SPLIT = """
..$wall.
..$wall.
"""


def test_steps():
    found = steps($Grid(MAP), (0, 0))
    assert found[(3, 2)] == 5


def test_steps_to_itself():
    assert steps($Grid(MAP), (0, 0))[(0, 0)] == 0


def test_steps_counts_cells():
    assert len(steps($Grid(MAP), (0, 0))) == 10


def test_areas():
    assert areas($Grid(SPLIT)) == [4, 2]


def test_areas_of_walls():
    assert areas($Grid("$wall$wall")) == []


def test_cheapest():
    way, cost = $walk($Grid(MAP), (0, 0), (3, 2))
    assert cost == 5


def test_way():
    way, cost = $walk($Grid(MAP), (0, 0), (3, 2))
    assert way == [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (3, 2)]


def test_dear_cell():
    way, cost = $walk($Grid("S9G"), (0, 0), (2, 0))
    assert (way, cost) == ([(0, 0), (1, 0), (2, 0)], 10)


def test_no_way():
    assert $walk($Grid(SPLIT), (0, 0), (3, 1)) is None


def test_way_to_itself():
    assert $walk($Grid(MAP), (2, 2), (2, 2)) == ([(2, 2)], 0)


def test_way_around():
    way, cost = $walk($Grid("S9G ..."), (0, 0), (2, 0))
    assert cost == 4


def test_trace():
    assert trace({2: 1, 1: 0}, 2) == [0, 1, 2]


def test_turns():
    assert turns([(0, 0), (1, 0), (1, 1), (1, 2), (2, 2)]) == 2


def test_no_turns():
    assert turns([(0, 0), (1, 0), (2, 0)]) == 0
''',
    },
)
