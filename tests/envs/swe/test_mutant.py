"""The tier of mutants: real packages, fetched by their pinned hashes, with one fault each."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import re
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from envreward import contract
from envreward.envs.swe.ast_edits import Edit, Edits, inverse
from envreward.envs.swe.catalog import TASKS
from envreward.envs.swe.grading import Verdict, grade, grade_all
from envreward.envs.swe.grading_diff import make_diff
from envreward.envs.swe.grading_runners import find_factory
from envreward.envs.swe.mutant import build, fetch
from envreward.envs.swe.mutant.exercises import Mutants, make_exercise
from envreward.envs.swe.mutant.packages import PACKAGES, SUPPORT, Release, find_package
from envreward.envs.swe.mutant.table import (
    Mutant,
    PackageTable,
    read_tables,
    shipped_tables,
    write_tables,
)
from envreward.envs.swe.mutant.task import MutantRepair
from envreward.envs.swe.runner import RunnerFactory
from envreward.envs.swe.worlds import RepositoryWorld
from envreward.envs.swe.worlds_actions import Bash, Replace, RunTests, Submit, View
from envreward.envs.swe.worlds_exercise import Bench
from envreward.errors import ActionError, ConfigError, InfraError, UnknownNameError
from envreward.registry import add_task
from envreward.worlds import parse_call

SPEC = next(spec for spec in TASKS if spec.id == "EnvReward/SWEMutant-v0")
TASK = MutantRepair(dataclasses.replace(SPEC, id="tests/SWEMutantInflection-v0"), package="inflection")


@pytest.fixture(scope="module")
def factory() -> Iterator[RunnerFactory]:
    found = find_factory("bubblewrap")
    yield found
    found.close()


@pytest.fixture(scope="module")
def mutants() -> Iterator[Mutants]:
    found = Mutants("inflection")
    yield found
    found.close()


@pytest.fixture
def world(factory: RunnerFactory, mutants: Mutants) -> Iterator[RepositoryWorld]:
    found = RepositoryWorld(mutants, Bench(factory))
    found.reset(0)
    yield found
    found.close()


CHECKED = ("check_declaration", "check_privacy", "check_behaviours", "check_tools")


@pytest.mark.parametrize("check", [c for c in contract.CHECKS if c.__name__ in CHECKED], ids=lambda c: c.__name__)
def test_contract(check: Any) -> None:
    """The task keeps what every task promises; what its world shares with small repositories is checked there."""
    add_task(TASK)
    check(TASK.spec.id)


def test_the_table() -> None:
    """Every package has mutants; each is an edit that another takes back, and breaks some and not all tests."""
    tables = shipped_tables()
    assert tables.keys() == PACKAGES.keys()
    assert sum(len(table.mutants) for table in tables.values()) > 1700
    for name, table in tables.items():
        package = find_package(name)
        assert (table.version, table.sha256) == (package.version, package.release.sha256)
        assert list(table.tests) == sorted(set(table.tests))
        assert len({(mutant.module, mutant.edit) for mutant in table.mutants}) == len(table.mutants)
        for mutant in table.mutants:
            assert mutant.module in package.modules
            assert inverse(mutant.edit) is not None
            assert 0 < len(mutant.broken) < len(table.tests)
            assert max(mutant.broken) < len(table.tests)


def test_everything_is_pinned() -> None:
    """Each file that is fetched has a hash, and a name that holds its version."""
    for release in (*SUPPORT, *(package.release for package in PACKAGES.values())):
        assert re.fullmatch(r"[0-9a-f]{64}", release.sha256), release
        assert re.search(r"-\d+\.\d+[^/]*\.(tar\.gz|whl)$", release.file), release


def test_tables_are_read_as_written(tmp_path: Path) -> None:
    """A table that is written and read is the same; a damaged or foreign one is refused by name."""
    edit = Edit(3, 4, "comparison", "< to <=")
    mutants = (Mutant("a.py", edit, (0, 1, 2, 5)), Mutant("b.py", edit._replace(line=9), (4,)))
    tests = tuple(sorted(f"t{i % 2}.py::test_{i}[x]" for i in range(6)))
    table = PackageTable("p", "1.0", "0" * 64, tests, ("leaves-daemon",), mutants)
    path = tmp_path / "tables.json"
    write_tables({"p": table}, path)
    assert read_tables(path) == {"p": table}
    for text in ("", "{}", '{"format": 99, "packages": {}}', '{"format": 1, "packages": {"p": {}}}'):
        path.write_text(text)
        with pytest.raises(ConfigError, match=r"tables\.json"):
            read_tables(path)


def test_building_finds_what_is_shipped(factory: RunnerFactory) -> None:
    """Building a part of a package's table again gives mutants of the table that is shipped, tests and all."""
    table = build.build(find_package("inflection"), factory, limit=4)
    shipped = shipped_tables()["inflection"]
    assert table.tests == shipped.tests
    assert len(table.mutants) >= 3
    assert set(table.mutants) <= set(shipped.mutants)


def test_lines_of_statements() -> None:
    """A line belongs to the smallest statement that holds it, a header without its body."""
    source = "x = [\n    1,\n]\n\ndef f(a,\n      b=2):\n    if a:\n        return (\n            b)\n"
    lines = build.statement_lines(source)
    assert lines[2] == ({1, 2, 3}, False)
    assert lines[6] == ({5, 6}, False)
    assert lines[7] == ({7}, True)
    assert lines[9] == ({8, 9}, True)


@pytest.mark.parametrize("package", ["inflection", "semver"])
def test_a_mutant_and_its_repair(package: str, factory: RunnerFactory, tmp_path: Path) -> None:
    """A mutant fails the tests that its table says, its repair passes all, and hidden tests are not given away."""
    table = shipped_tables()[package]
    mutant = next(mutant for mutant in table.mutants if len(mutant.broken) > 6)
    exercise = make_exercise(table, mutant, tmp_path / "mutant")
    problem, (path, edit) = exercise.problem, exercise.fix
    assert 0 < len(exercise.fail_to_pass) < len(problem.fail_to_pass)
    whole = (fetch.sources(find_package(package)) / path).read_text()
    assert Edits(problem.base[path].decode()).apply(edit) == whole
    assert "fault" in exercise.statement
    nothing, repair = grade_all(
        [(problem, ""), (problem, make_diff(problem.base, {path: whole.encode()}))], factory, threads=2
    )
    assert isinstance(nothing, Verdict) and isinstance(repair, Verdict)
    assert (nothing.fail_to_pass, nothing.pass_to_pass, nothing.cheats) == (0.0, 1.0, ())
    assert repair.resolved, (repair.cheats, [test for test, status in repair.status.items() if status != "passed"])
    assert repair.cheats == () and repair.unaudited == ()


def test_seeds_pick_packages_alike() -> None:
    """Each package is as likely as another, whatever the number of its mutants."""
    mutants = Mutants()
    assert len(mutants) == sum(len(table.mutants) for table in shipped_tables().values())
    picked = [mutants.pick(seed * 7919)[0] for seed in range(700)]
    assert [picked.count(which) for which in range(len(PACKAGES))] == [100] * len(PACKAGES)
    assert len({mutants.pick(seed) for seed in range(3000)}) > 1000


def test_unknown_packages() -> None:
    """A package that is not in the tier is refused with near names."""
    with pytest.raises(UnknownNameError, match="inflection"):
        Mutants("inflexion")


def test_a_shell(world: RepositoryWorld) -> None:
    """Commands see the repository, change it, and what they change is a change like any other."""
    world.act(parse_call(TASK.tools, "bash", '{"command": "ls && git log --all --oneline | wc -l"}'))
    assert "test_inflection.py" in world.describe() and "\n1\n" in world.describe()
    before = world.state_hash()
    world.act(Bash("echo '# more' >> inflection/__init__.py; mkdir -p x; echo y > x/y.txt; rm README.rst; exit 3"))
    facts = world.facts()
    assert (facts["files_touched"], facts["last_exit_code"], facts["parses"]) == (3, 3, True)
    assert "+# more" in facts["diff"] and "[exit code 3]" in facts["last_output"]
    world.act(Replace("x/y.txt", "y\n", "z\n"))
    world.act(Bash("cat x/y.txt; test -e README.rst || echo gone"))
    assert "z\ngone" in world.describe()
    world.act(parse_call(TASK.tools, "undo", "{}"))
    world.act(parse_call(TASK.tools, "undo", "{}"))
    assert world.state_hash() == before
    world.act(Bash("ls; cat README.rst | head -1"))
    assert "x" not in world.describe().split("\n")
    assert world.state_hash() == before


def test_the_shell_does_not_hold_the_hidden_tests(world: RepositoryWorld) -> None:
    """Neither files nor history of the agent's sandbox hold a hidden test."""
    functions = {
        test.split("::")[1].split("[")[0] for test in world._exercise.problem.tests and world._exercise.visible
    }
    hidden = {
        test.split("::")[1].split("[")[0]
        for test in (*world._exercise.problem.fail_to_pass, *world._exercise.problem.pass_to_pass)
    } - functions
    assert hidden
    pattern = "|".join(f"def {name}\\b" for name in sorted(hidden))
    world.act(Bash(f"grep -rnE '{pattern}' . ; git log --all -p | grep -cE '{pattern}'"))
    assert world.describe().startswith("0\n"), world.describe()


def test_commands_that_hang_flood_or_break_things(world: RepositoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are stopped, clipped or undone; the world goes on."""
    monkeypatch.setattr("envreward.envs.swe.worlds_shell.COMMAND_TIMEOUT_S", 2.0)
    before, began = world.state_hash(), time.monotonic()
    with pytest.raises(ActionError, match="stopped"):
        world.act(Bash("touch made; sleep 600"))
    assert time.monotonic() - began < 20
    world.act(Bash("ls"))
    assert "made" not in world.describe()
    world.act(Bash("head -c 5000000 /dev/zero | tr '\\0' x"))
    assert len(world.describe()) < 20_000
    with pytest.raises(ActionError, match="differs in"):
        world.act(Bash("for i in $(seq 300); do echo $i > f$i; done"))
    assert world.state_hash() == before
    world.act(Bash("rm -rf .git inflection; mkdir inflection; ln -s /etc/passwd inflection/__init__.py"))
    assert world.facts()["fail_to_pass"] == 0.0 and world.facts()["pass_to_pass"] == 0.0
    world.act(Bash("(sleep 300; echo late > late.txt) & echo started"))
    assert "started" in world.describe()


def test_a_shell_that_edits_tests_and_path_hooks(world: RepositoryWorld) -> None:
    """Nothing that a command leaves in the repository changes how it is judged."""
    world.act(
        Bash(
            "printf 'import pytest\\ndef pytest_collection_modifyitems(items):\\n    items.clear()\\n' > conftest.py;"
            "printf 'import os\\nos._exit(0)\\n' > sitecustomize.py; echo '[pytest]' > pytest.ini; > test_inflection.py"
        )
    )
    facts = world.facts()
    assert facts["tests_edited"]
    assert (facts["fail_to_pass"], facts["pass_to_pass"]) == (0.0, 1.0)
    assert not world._verdict.resolved
    assert {cheat.name for cheat in world._verdict.cheats} == {
        *("conftest", "path-hook", "pytest-config", "edits-tests"),
    }


def test_the_same_tests_run_in_the_shell(world: RepositoryWorld) -> None:
    """An agent can run pytest itself, and sees the visible tests fail."""
    world.act(Bash("python3 -m pytest -q -p no:cacheprovider -x 2>&1 | tail -3"))
    assert "1 failed" in world.describe()
    world.act(RunTests())
    assert "FAILED" in world.describe()
    world.act(View("inflection/__init__.py", 1, 5))
    world.act(Submit())
    assert not world.facts()["success"]


def sdist(entries: dict[str, bytes], **links: str) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for name, content in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, target in links.items():
            info = tarfile.TarInfo(f"p-1/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, target
            archive.addfile(info)
    return data.getvalue()


def wheel(entries: dict[str, bytes]) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return data.getvalue()


def test_archives_are_unpacked(tmp_path: Path) -> None:
    """A source distribution is unpacked without its outermost folder, a wheel as it is."""
    fetch.unpack(sdist({"p-1/a.py": b"x", "p-1/d/b.py": b"y"}), "p-1.tar.gz", tmp_path / "s")
    assert (tmp_path / "s" / "d" / "b.py").read_bytes() == b"y"
    fetch.unpack(wheel({"p/a.py": b"x"}), "p-1-py3-none-any.whl", tmp_path / "w")
    assert (tmp_path / "w" / "p" / "a.py").read_bytes() == b"x"


@pytest.mark.parametrize(
    ("data", "file", "reason"),
    [
        (sdist({"p-1/../../evil": b"x"}), "p-1.tar.gz", "leads out"),
        (sdist({"p-1//etc/evil": b"x"}), "p-1.tar.gz", "leads out"),
        (sdist({}, link="/etc/passwd"), "p-1.tar.gz", "neither"),
        (wheel({"../evil": b"x"}), "p-1.whl", "leads out"),
        (b"no archive", "p-1.tar.gz", "cannot be unpacked"),
        (b"no archive", "p-1.whl", "cannot be unpacked"),
        (sdist({"p-1/a": b"x" * 100_000})[:60], "p-1.tar.gz", "cannot be unpacked"),
    ],
    ids=["climbs", "absolute", "link", "wheel that climbs", "no sdist", "no wheel", "cut off"],
)
def test_archives_that_are_not_unpacked(data: bytes, file: str, reason: str, tmp_path: Path) -> None:
    """Paths that lead out, links and damaged archives are refused, and nothing is written outside."""
    with pytest.raises(ConfigError, match=reason):
        fetch.unpack(data, file, tmp_path / "inside")
    assert not [path for path in tmp_path.rglob("*") if path.name == "evil"]


def test_archives_that_are_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive that unpacks to more than there is room for is refused."""
    monkeypatch.setattr(fetch, "MAX_BYTES", 1000)
    with pytest.raises(ConfigError, match="more than"):
        fetch.unpack(sdist({"p-1/a": b"x" * 3000, "p-1/b": b"y" * 3000}), "p-1.tar.gz", tmp_path)


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package index in a folder, as pip's configuration may name one."""
    folder = tmp_path / "index"
    (folder / "thing").mkdir(parents=True)
    (folder / "thing" / "thing-1.0.tar.gz").write_bytes(b"content")
    (folder / "thing" / "index.html").write_text('<a href="thing-1.0.tar.gz#sha256=0">thing-1.0.tar.gz</a>')
    monkeypatch.setattr(fetch, "indexes", lambda: [(tmp_path / "empty").as_uri(), folder.as_uri()])
    return folder


def test_files_are_downloaded(index: Path) -> None:
    """A file is found on any of the configured indexes, and its hash is checked."""
    digest = hashlib.sha256(b"content").hexdigest()
    assert fetch.download(Release("thing", "thing-1.0.tar.gz", digest)) == b"content"


def test_files_that_are_not_the_pinned_ones(index: Path) -> None:
    """A file with another hash is refused; one that no index has is told with what each index said."""
    with pytest.raises(ConfigError, match="sha256"):
        fetch.download(Release("thing", "thing-1.0.tar.gz", "0" * 64))
    with pytest.raises(InfraError, match=r"other-1\.0.*cannot be downloaded"):
        fetch.download(Release("other", "other-1.0.tar.gz", "0" * 64))
    with pytest.raises(InfraError, match="does not list it"):
        fetch.download(Release("thing", "thing-2.0.tar.gz", "0" * 64))


def test_the_indexes_are_those_of_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables of pip's come before its files."""
    fetch._setting.cache_clear()
    monkeypatch.setenv("PIP_INDEX_URL", "https://one.example/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://two.example https://three.example")
    assert fetch.indexes() == ["https://one.example/simple", "https://two.example", "https://three.example"]
    fetch._setting.cache_clear()


def test_what_was_unpacked_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release is downloaded once; a cache that cannot be written is named."""
    data = sdist({"p-1/a.py": b"x"})
    asked: list[Release] = []

    def download(release: Release) -> bytes:
        asked.append(release)
        return data

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(fetch, "download", download)
    package = dataclasses.replace(find_package("inflection"), release=Release("p", "p-1.0.tar.gz", "0" * 64))
    assert (fetch.sources(package) / "a.py").read_bytes() == b"x"
    assert fetch.sources(package) == tmp_path / "envreward" / "packages" / "p-1.0"
    assert len(asked) == 1
    assert [path.name for path in (tmp_path / "envreward" / "packages").iterdir()] == ["p-1.0"]
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match="XDG_CACHE_HOME"):
        fetch.sources(package)


def test_grading_needs_no_trust_in_the_table(factory: RunnerFactory, mutants: Mutants) -> None:
    """A diff that breaks the program further is judged by what its tests do."""
    problem = mutants.make(0).problem
    verdict = grade(problem, make_diff(problem.base, {"inflection/__init__.py": b"def nothing(:\n"}), factory)
    assert (verdict.resolved, verdict.fail_to_pass, verdict.pass_to_pass) == (False, 0.0, 0.0)
    assert set(verdict.status.values()) == {"missing"}
