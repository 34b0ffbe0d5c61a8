"""Matrices and other tables, given as lists of rows."""

from __future__ import annotations

from ..problem import problem


def transpose(rows: list[list[int]]) -> list[list[int]]:
    """Turn a matrix's rows into columns; a matrix without rows stays empty."""
    if not rows:
        return []
    result = []
    for column in range(len(rows[0])):
        result.append([row[column] for row in rows])
    return result


def matrix_product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    """Return the product of two matrices. Matrices whose shapes do not fit are refused with ValueError."""
    if len(a[0]) != len(b):
        raise ValueError("shapes do not fit")
    result = []
    for row in a:
        line = []
        for j in range(len(b[0])):
            total = 0
            for k in range(len(b)):
                total += row[k] * b[k][j]
            line.append(total)
        result.append(line)
    return result


def spiral(rows: list[list[int]]) -> list[int]:
    """Return the entries of a matrix in a spiral: along the top row, down the last column, back along the bottom
    row, up the first column, and so on inwards.
    """
    result: list[int] = []
    top = 0
    bottom = len(rows) - 1
    left = 0
    right = len(rows[0]) - 1
    while top <= bottom and left <= right:
        for column in range(left, right + 1):
            result.append(rows[top][column])
        for row in range(top + 1, bottom + 1):
            result.append(rows[row][right])
        if top < bottom and left < right:
            for column in range(right - 1, left - 1, -1):
                result.append(rows[bottom][column])
            for row in range(bottom - 1, top, -1):
                result.append(rows[row][left])
        top += 1
        bottom -= 1
        left += 1
        right -= 1
    return result


def diagonal_difference(rows: list[list[int]]) -> int:
    """Return how far the sums of a square matrix's two diagonals are apart."""
    down = 0
    up = 0
    size = len(rows)
    for i in range(size):
        down += rows[i][i]
        up += rows[i][size - 1 - i]
    return abs(down - up)


def count_islands(grid: list[list[int]]) -> int:
    """Count the groups of ones in a grid of zeros and ones; ones belong together that are neighbours in a row or a
    column.
    """
    seen = set()
    islands = 0
    for i in range(len(grid)):
        for j in range(len(grid[i])):
            if grid[i][j] == 0 or (i, j) in seen:
                continue
            islands += 1
            stack = [(i, j)]
            while stack:
                row, column = stack.pop()
                if row < 0 or column < 0 or row >= len(grid) or column >= len(grid[row]):
                    continue
                if grid[row][column] == 0 or (row, column) in seen:
                    continue
                seen.add((row, column))
                stack += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return islands


def live_neighbours(grid: list[list[int]], row: int, column: int) -> int:
    """Count the ones among the up to eight neighbours of a cell of a grid of zeros and ones."""
    count = 0
    for i in range(max(0, row - 1), min(len(grid), row + 2)):
        for j in range(max(0, column - 1), min(len(grid[i]), column + 2)):
            if (i, j) != (row, column):
                count += grid[i][j]
    return count


PROBLEMS = (
    problem(
        transpose,
        visible="""
            square: transpose([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]
            wide: transpose([[1, 2, 3]]) == [[1], [2], [3]]
            empty: transpose([]) == []
            one: transpose([[5]]) == [[5]]
        """,
        hidden="""
            tall: transpose([[1], [2]]) == [[1, 2]]
            twice: transpose(transpose([[1, 2, 3], [4, 5, 6]])) == [[1, 2, 3], [4, 5, 6]]
            no_columns: transpose([[], []]) == []
        """,
    ),
    problem(
        matrix_product,
        visible="""
            square: matrix_product([[1, 2], [3, 4]], [[5, 6], [7, 8]]) == [[19, 22], [43, 50]]
            identity: matrix_product([[2, 3], [4, 5]], [[1, 0], [0, 1]]) == [[2, 3], [4, 5]]
            row_column: matrix_product([[1, 2, 3]], [[4], [5], [6]]) == [[32]]
            unfit: raises ValueError: matrix_product([[1, 2]], [[1, 2]])
            one: matrix_product([[3]], [[4]]) == [[12]]
        """,
        hidden="""
            column_row: matrix_product([[1], [2]], [[3, 4]]) == [[3, 4], [6, 8]]
            unfit_tall: raises ValueError: matrix_product([[1]], [[1], [2]])
            zeros: matrix_product([[0, 0]], [[1], [2]]) == [[0]]
            wide: matrix_product([[1, 0]], [[1, 2, 3], [4, 5, 6]]) == [[1, 2, 3]]
        """,
    ),
    problem(
        spiral,
        visible="""
            square: spiral([[1, 2], [3, 4]]) == [1, 2, 4, 3]
            three: spiral([[1, 2, 3], [4, 5, 6], [7, 8, 9]]) == [1, 2, 3, 6, 9, 8, 7, 4, 5]
            row: spiral([[1, 2, 3]]) == [1, 2, 3]
            column: spiral([[1], [2], [3]]) == [1, 2, 3]
            one: spiral([[7]]) == [7]
        """,
        hidden="""
            wide: spiral([[1, 2, 3, 4], [5, 6, 7, 8]]) == [1, 2, 3, 4, 8, 7, 6, 5]
            tall: spiral([[1, 2], [3, 4], [5, 6]]) == [1, 2, 4, 6, 5, 3]
            wide_odd: spiral([[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]]) == [1, 2, 3, 4, 8, 12, 11, 10, 9, 5, 6, 7]
        """,
    ),
    problem(
        diagonal_difference,
        visible="""
            three: diagonal_difference([[1, 2, 3], [4, 5, 6], [9, 8, 9]]) == 2
            one: diagonal_difference([[4]]) == 0
            two: diagonal_difference([[1, 2], [3, 4]]) == 0
            negative: diagonal_difference([[1, 5], [5, 1]]) == 8
        """,
        hidden="""
            down_larger: diagonal_difference([[9, 0], [0, 9]]) == 18
            middle: diagonal_difference([[0, 0, 1], [0, 7, 0], [2, 0, 0]]) == 3
            empty: diagonal_difference([]) == 0
            four: diagonal_difference([[1, 0, 0, 2], [0, 1, 0, 0], [0, 5, 1, 0], [0, 0, 0, 1]]) == 3
        """,
    ),
    problem(
        count_islands,
        visible="""
            two: count_islands([[1, 0], [0, 1]]) == 2
            one: count_islands([[1, 1], [0, 1]]) == 1
            none: count_islands([[0, 0]]) == 0
            single: count_islands([[1]]) == 1
            row: count_islands([[1, 0, 1, 1]]) == 2
        """,
        hidden="""
            empty: count_islands([]) == 0
            ring: count_islands([[1, 1, 1], [1, 0, 1], [1, 1, 1]]) == 1
            edges: count_islands([[1, 0, 1], [0, 0, 0], [1, 0, 1]]) == 4
            upwards: count_islands([[0, 1], [1, 1], [1, 0]]) == 1
        """,
    ),
    problem(
        live_neighbours,
        visible="""
            middle: live_neighbours([[1, 1, 1], [1, 1, 1], [1, 1, 1]], 1, 1) == 8
            corner: live_neighbours([[1, 1], [1, 1]], 0, 0) == 3
            none: live_neighbours([[0, 0], [0, 1]], 1, 1) == 0
            edge: live_neighbours([[1, 0, 1], [0, 1, 0]], 1, 1) == 2
        """,
        hidden="""
            last_corner: live_neighbours([[1, 0, 0], [0, 1, 1], [0, 1, 1]], 2, 2) == 3
            alone: live_neighbours([[1]], 0, 0) == 0
            row: live_neighbours([[1, 0, 1, 1]], 0, 2) == 1
            right: live_neighbours([[0, 0, 1], [0, 0, 1], [0, 0, 1]], 1, 1) == 3
        """,
    ),
)
"""The problems of this module."""
