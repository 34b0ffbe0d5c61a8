"""Vectors, matrices and lines through points."""

from . import Template

TEMPLATE = Template(
    about="computes with vectors and matrices of whole numbers and with samples",
    names=(
        {"pkg": "linear", "dot": "dot", "det": "determinant"},
        {"pkg": "algebra", "dot": "inner", "det": "det"},
        {"pkg": "figures", "dot": "product", "det": "volume"},
        {"pkg": "tensors", "dot": "scalar", "det": "delta"},
    ),
    files={
        "$pkg/__init__.py": "",
        "$pkg/vector.py": '''\
"""Vectors as lists."""


def add(a, b):
    if len(a) != len(b):
        raise ValueError("lengths differ")
    return [x + y for x, y in zip(a, b)]


def scale(a, factor):
    return [x * factor for x in a]


def $dot(a, b):
    if len(a) != len(b):
        raise ValueError("lengths differ")
    return sum(x * y for x, y in zip(a, b))


def cross(a, b):
    return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]


def reaches(a, b):
    """Return the distance in a grid of streets."""
    return sum(abs(x - y) for x, y in zip(a, b))
''',
        "$pkg/matrix.py": '''\
"""Matrices as lists of rows."""

from $pkg.vector import $dot


def transpose(m):
    return [list(column) for column in zip(*m)]


def multiply(a, b):
    if len(a[0]) != len(b):
        raise ValueError("sizes do not fit")
    columns = transpose(b)
    return [[$dot(row, column) for column in columns] for row in a]


def identity(size):
    return [[1 if i == j else 0 for j in range(size)] for i in range(size)]


def power(m, exponent):
    """Return a power by repeated squaring."""
    result = identity(len(m))
    while exponent > 0:
        if exponent % 2 == 1:
            result = multiply(result, m)
        m = multiply(m, m)
        exponent //= 2
    return result


def minor(m, i, j):
    return [row[:j] + row[j + 1 :] for number, row in enumerate(m) if number != i]


def $det(m):
    if len(m) == 1:
        return m[0][0]
    return sum((-1) ** j * m[0][j] * $det(minor(m, 0, j)) for j in range(len(m)))


def trace(m):
    return sum(m[i][i] for i in range(len(m)))
''',
        "$pkg/sample.py": '''\
"""Statistics of samples."""


def mean(values):
    return sum(values) / len(values)


def variance(values):
    """Return the unbiased estimate."""
    middle = mean(values)
    return sum((value - middle) ** 2 for value in values) / (len(values) - 1)


def covariance(xs, ys):
    mx, my = mean(xs), mean(ys)
    return sum((x - mx) * (y - my) for x, y in zip(xs, ys)) / (len(xs) - 1)


def line(xs, ys):
    """Return slope and height at zero of the line of least squares."""
    slope = covariance(xs, ys) / variance(xs)
    return slope, mean(ys) - slope * mean(xs)


def moving(values, width):
    """Return the sums of so many neighbours."""
    return [sum(values[i : i + width]) for i in range(len(values) - width + 1)]
''',
        "tests/test_matrix.py": """\
from $pkg.matrix import $det, identity, minor, multiply, power, trace, transpose

M = [[1, 2], [3, 4]]


def test_transpose():
    assert transpose([[1, 2, 3], [4, 5, 6]]) == [[1, 4], [2, 5], [3, 6]]


def test_multiply():
    assert multiply(M, [[0, 1], [1, 0]]) == [[2, 1], [4, 3]]


def test_multiply_sizes():
    assert multiply([[1, 2, 3]], [[1], [1], [1]]) == [[6]]


def test_sizes_that_do_not_fit():
    try:
        multiply(M, [[1, 2]])
    except ValueError:
        return
    raise AssertionError("no error")


def test_identity():
    assert identity(2) == [[1, 0], [0, 1]]


def test_identity_changes_nothing():
    assert multiply(M, identity(2)) == M


def test_power():
    assert power([[1, 1], [1, 0]], 10)[0][1] == 55


def test_power_of_zero():
    assert power(M, 0) == identity(2)


def test_power_of_one():
    assert power(M, 1) == M


def test_minor():
    assert minor([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 1, 1) == [[1, 3], [7, 9]]


def test_determinant():
    assert $det(M) == -2


def test_determinant_of_three():
    assert $det([[2, 0, 1], [1, 3, 2], [1, 1, 4]]) == 18


def test_determinant_of_one():
    assert $det([[7]]) == 7


def test_trace():
    assert trace([[1, 9], [9, 5]]) == 6
""",
        "tests/test_vector.py": """\
from $pkg.sample import covariance, line, mean, moving, variance
from $pkg.vector import add, cross, $dot, reaches, scale


def fails(call):
    try:
        call([1], [1, 2])
    except ValueError:
        return True
    return False


def test_add():
    assert add([1, 2], [3, -5]) == [4, -3]


def test_add_lengths():
    assert fails(add)


def test_scale():
    assert scale([1, -2], 3) == [3, -6]


def test_product():
    assert $dot([1, 2, 3], [4, 5, 6]) == 32


def test_product_lengths():
    assert fails($dot)


def test_cross():
    assert cross([1, 0, 0], [0, 1, 0]) == [0, 0, 1]


def test_cross_of_parallels():
    assert cross([2, 4, 6], [1, 2, 3]) == [0, 0, 0]


def test_cross_in_full():
    assert cross([1, 2, 3], [4, 5, 7]) == [-1, 5, -3]


def test_reaches():
    assert reaches([1, 5], [4, 1]) == 7


def test_mean():
    assert mean([1, 2, 6]) == 3


def test_variance():
    assert variance([1, 3, 5]) == 4


def test_covariance():
    assert covariance([1, 2, 3], [6, 4, 2]) == -2


def test_line():
    assert line([0, 1, 2], [1, 3, 5]) == (2, 1)


def test_line_falls():
    assert line([1, 2, 3], [6, 4, 2]) == (-2, 8)


def test_moving():
    assert moving([1, 2, 3, 4], 2) == [3, 5, 7]


def test_moving_all():
    assert moving([1, 2, 3], 3) == [6]
""",
    },
)
