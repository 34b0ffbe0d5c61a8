"""The parts of grading: diffs, twins, test files with tests left out, and many verdicts at once."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envreward.envs.swe.grading import Problem, Verdict, grade_all
from envreward.envs.swe.grading_diff import apply_patch, diff_size, make_diff, parse_diff
from envreward.envs.swe.grading_runners import find_factory
from envreward.envs.swe.grading_runs import Job, place, run_jobs
from envreward.envs.swe.grading_sources import function_of, twin, twinned_functions, without
from envreward.envs.swe.grading_sources import test_functions as functions_of
from envreward.envs.swe.grading_trees import check_path, make_repository, net_changes, read_tree, tree_hash
from envreward.envs.swe.runner import ExecResult, Runner, RunnerFactory
from envreward.errors import ActionError, InfraError, UnknownNameError

from .grading_repository import FAULTY, FIXED, HIDDEN, PATH, TESTS, make_problem

LINES = st.lists(
    st.sampled_from(["a", "b", "", " x", "-y", "+z", "@@ -1 +1 @@", "\\ n", "--- a/f", "é\r"]), max_size=12
)
CONTENT = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@pytest.fixture(scope="module")
def factory() -> Iterator[RunnerFactory]:
    found = find_factory("bubblewrap")
    yield found
    found.close()


def apply(diff: str, base: dict[str, bytes]) -> dict[str, bytes]:
    result = dict(base)
    for patch in parse_diff(diff):
        data = apply_patch(patch, base.get(patch.old) if patch.old else None)
        if patch.old is not None:
            del result[patch.old]
        if data is not None:
            result[patch.path] = data
    return result


@given(st.dictionaries(st.sampled_from("fgh"), CONTENT), st.dictionaries(st.sampled_from("fgh"), st.none() | CONTENT))
def test_a_diff_leads_from_one_tree_to_the_other(before: dict[str, str], changes: dict[str, str | None]) -> None:
    """Whatever texts are in the files, a diff made of changes makes these changes again."""
    base = {path: text.encode() for path, text in before.items()}
    new = net_changes(base, {path: None if text is None else text.encode() for path, text in changes.items()})
    expected = {path: data for path, data in {**base, **new}.items() if data is not None}
    assert apply(make_diff(base, new), base) == expected


@settings(max_examples=20, deadline=None)
@given(CONTENT, CONTENT)
def test_diffs_are_those_of_git(tmp_path_factory: pytest.TempPathFactory, old: str, new: str) -> None:
    """Git applies the diffs that are made here, and its own are applied here, to the same end."""
    if old == new or not old or not new:
        return
    folder = tmp_path_factory.mktemp("diffs")
    make_repository({"f": old.encode()}, folder)
    (folder / "f").write_bytes(new.encode())
    git = ["git", "-c", "core.autocrlf=false", "-c", "safe.directory=*", "-C", str(folder)]
    theirs = subprocess.run([*git, "diff", "--no-ext-diff", "HEAD"], capture_output=True, check=True).stdout.decode()
    assert apply(theirs, {"f": old.encode()}) == {"f": new.encode()}
    (folder / "f").write_bytes(old.encode())
    ours = make_diff({"f": old.encode()}, {"f": new.encode()})
    subprocess.run([*git, "apply", "--whitespace=nowarn", "-"], input=ours.encode(), check=True)
    assert (folder / "f").read_bytes() == new.encode()


def test_hunks_that_have_moved() -> None:
    """A hunk is found where its lines are, however far they have moved, but only if they are the same."""
    diff = "--- a/f\n+++ b/f\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
    assert apply(diff, {"f": b"x\ny\nz\none\ntwo\n"}) == {"f": b"x\ny\nz\none\n2\n"}
    with pytest.raises(ActionError, match="does not match"):
        apply(diff, {"f": b"one\nTwo\n"})


def test_renamed_files() -> None:
    """A rename with changes moves the file."""
    diff = (
        "diff --git a/f b/g\nsimilarity index 50%\nrename from f\nrename to g\n"
        "--- a/f\n+++ b/g\n@@ -1 +1 @@\n-one\n+two\n"
    )
    assert apply(diff, {"f": b"one\n"}) == {"g": b"two\n"}


def test_the_size_of_a_diff() -> None:
    """Added and removed lines are counted as in a diff; binary files have none."""
    assert diff_size({"f": b"a\nb\nc\n"}, {"f": b"a\nB\nc\nd\n", "g": b"\0"}) == (2, 1)
    assert diff_size({"f": b"a\n"}, {"f": None}) == (0, 1)


@pytest.mark.parametrize("path", ["", "/x", "..", "a/../..", ".git", "a/.GIT/config", "a\0b", "x" * 600, 'a"b', "a\nb"])
def test_paths_that_are_refused(path: str) -> None:
    """No path leads out of a repository, into git's folder, or cannot be written down."""
    with pytest.raises(ActionError):
        check_path(path)


def test_paths_are_plain() -> None:
    """Detours within a repository are taken out."""
    assert check_path("./a//b/../c.py") == "a/c.py"


def test_hashes_of_trees() -> None:
    """Equal contents have equal hashes in any order; a deleted file is not an empty one, nor an absent one."""
    assert tree_hash({"a": b"1", "b": b"2"}) == tree_hash({"b": b"2", "a": b"1"})
    assert len({tree_hash(tree) for tree in ({}, {"a": b""}, {"a": None}, {"b": b""}, {"a": b"b"})}) == 5


def test_repositories_are_one_commit(tmp_path: Path) -> None:
    """Equal trees make equal commits; the tree is read back as it was, without links and git's own files."""
    tree = {"a.py": b"x\n", "b/c": b"\0\xff"}
    commits = set()
    for name in ("one", "two"):
        folder = make_repository(tree, tmp_path / name)
        (folder / "link").symlink_to("/etc/passwd")
        assert read_tree(folder) == tree
        git = ["git", "-c", "safe.directory=*", "-C", str(folder), "rev-parse", "HEAD"]
        commits.add(subprocess.run(git, capture_output=True, check=True).stdout)
    assert len(commits) == 1


def test_functions_of_tests() -> None:
    """Test functions are found in classes and conditions, inherited ones too; parameters are no part of a name."""
    expected = ("test_mean", "test_mean_of_equals", "test_spread", "SpreadTest::test_of_one", "test_empty")
    assert functions_of(TESTS) == expected
    source = "class A:\n    def test_a(self): pass\nclass TestB(A):\n    pass\nif 1:\n    def test_c(): pass\n"
    assert functions_of(source) == ("A::test_a", "test_c", "TestB::test_a")
    assert function_of("t.py::A::test_b[x[1]-\n]") == "t.py::A::test_b"


def test_tests_left_out() -> None:
    """The hidden tests are gone with their decorators, all other lines stay, and an emptied class can be parsed."""
    left = without(TESTS, HIDDEN)
    assert functions_of(left) == ("test_mean", "test_spread", "SpreadTest::test_of_one")
    assert "parametrize" not in left
    assert [line for line in TESTS.split("\n") if line in left.split("\n")].count("import unittest") == 1
    assert twinned_functions("def test_a(): pass\ndef test_b(): pass\ntest_a()\n") == ("test_b",)
    alone = without("class A:\n    @x\n    def test_a(self):\n        pass\n", ["A::test_a"])
    assert alone == "class A:\n    pass\n"


def test_twins_fail(tmp_path: Path, factory: RunnerFactory) -> None:
    """Every test of a twin fails, by whatever way it would have ended; the tests' names stay."""
    more = (
        "import pytest\n\n"
        "def test_return():\n    return\n\n"
        "def test_skip():\n    pytest.skip()\n\n"
        "@pytest.mark.parametrize('x', [1, 2])\ndef test_many(x):\n    assert x\n\n"
        "@pytest.fixture\ndef value():\n    yield 1\n\n"
        "class TestClass:\n    def test_value(self, value):\n        assert value == 1\n"
    )
    problem = make_problem(tmp_path, tests={PATH: TESTS, "tests/test_more.py": more})
    runner = factory.open(problem.repository, python_path=problem.suite.python_path)
    paths = (PATH, "tests/test_more.py")
    files = {"calc.py": FIXED, **problem.tests}
    found = run_jobs(
        runner,
        problem.suite,
        [Job(None, files, paths), Job(None, {**files, **{path: twin(files[path]) for path in paths}}, paths)],
    )
    runner.close()
    assert found is not None
    whole, twins = found
    assert whole.collected == twins.collected
    assert {status for status, _ in whole.outcomes.values()} == {"passed", "skipped"}
    assert {status for status, _ in twins.outcomes.values()} == {"failed"}
    assert whole.complete and whole.done == 0
    assert twins.complete and twins.done == 1


def test_twenty_verdicts_at_once(tmp_path: Path, factory: RunnerFactory) -> None:
    """Grading many submissions in parallel loses none and mixes none up."""
    problem = make_problem(tmp_path)
    repair = make_diff(problem.base, {"calc.py": FIXED.encode()})
    other = make_diff(problem.base, {"calc.py": FAULTY.replace("min(values)", "0").encode()})
    jobs = [(problem, (repair, other, "")[number % 3]) for number in range(20)]
    verdicts = grade_all(jobs, factory, threads=4)
    found = [(v.resolved, v.fail_to_pass, v.pass_to_pass) for v in verdicts if isinstance(v, Verdict)]
    assert found == [((True, 1.0, 1.0), (False, 0.0, 0.0), (False, 0.0, 1.0))[number % 3] for number in range(20)]


class Broken:
    """A factory whose first runners break."""

    name = "broken"

    def __init__(self, real: RunnerFactory, failures: int) -> None:
        self._real, self.failures = real, failures

    def unavailable(self) -> str | None:
        return None

    def open(self, repository: Path, *, python_path: tuple[Path, ...] = ()) -> Runner:
        self.failures -= 1
        if self.failures >= 0:
            raise InfraError("the daemon is gone")
        return self._real.open(repository, python_path=python_path)

    def close(self) -> None:
        pass


def test_faults_of_the_machinery_are_no_verdicts(tmp_path: Path, factory: RunnerFactory) -> None:
    """A runner that breaks once is tried again; one that stays broken is reported as such, and costs nobody else."""
    problem = make_problem(tmp_path)
    repair = make_diff(problem.base, {"calc.py": FIXED.encode()})
    (once,) = grade_all([(problem, repair)], Broken(factory, 1), threads=1)
    assert isinstance(once, Verdict) and once.resolved
    lost, kept = grade_all([(problem, repair)] * 2, Broken(factory, 2), threads=1)
    assert isinstance(lost, InfraError) and "daemon" in str(lost)
    assert isinstance(kept, Verdict) and kept.resolved


class Mute:
    """A runner in which nothing runs."""

    def exec(self, command: str, *, timeout_s: float = 60.0, env: object = None) -> ExecResult:
        return ExecResult(127, "python3: not found", False, False, 0.0)

    def read(self, path: str) -> bytes:
        raise ActionError("no such file")

    def write(self, path: str, data: bytes) -> None:
        pass


def test_a_runner_without_python(tmp_path: Path) -> None:
    """A sandbox that cannot run Python is a fault of the machinery, not of the submission."""
    problem: Problem = make_problem(tmp_path)
    with pytest.raises(InfraError, match="python3"):
        run_jobs(Mute(), problem.suite, [Job()])  # type: ignore[arg-type]


def test_files_in_the_place_of_folders(tmp_path: Path, factory: RunnerFactory) -> None:
    """A file may replace a folder; where trusted tests need the folder, the submission is refused."""
    problem = make_problem(tmp_path)
    changes = {"calc.py": None, "calc": b"text\n", "tests": b"no folder\n"}
    (verdict,) = grade_all([(problem, make_diff(problem.base, changes))], factory)
    assert isinstance(verdict, Verdict)
    assert not verdict.resolved and verdict.refused
    runner = factory.open(problem.repository)
    place(runner, {"tests/test_calc.py": None, "tests": b"x"})
    assert runner.read("tests") == b"x"
    runner.close()


def test_unknown_runners() -> None:
    """A runner's name that is not known is told with those that are."""
    with pytest.raises(UnknownNameError, match="bubblewrap"):
        find_factory("bublewrap")


def test_only_tests_that_say_so_may_be_expected_to_fail() -> None:
    """A program that raises xfail gains nothing in a test that does not mention it, marked neighbours or not."""
    from types import SimpleNamespace

    from envreward.envs.swe.grading import _expected_failures

    text = (
        "import pytest\n\n@pytest.mark.xfail\ndef test_known():\n    assert 0\n\n\n"
        "def test_plain():\n    assert 1\n\n\n"
        "@pytest.mark.xfail\nclass TestAll:\n    def test_a(self):\n        assert 0\n\n\n"
        "class TestSome:\n    def test_b(self):\n        pytest.xfail('later')\n\n"
        "    def test_c(self):\n        assert 1\n"
    )
    found = _expected_failures(SimpleNamespace(tests={"t.py": text}))  # type: ignore[arg-type]
    assert found == {"t.py::test_known", "t.py::TestAll::test_a", "t.py::TestSome::test_b"}
