"""Rows of SWE-bench, SWE-Gym and SWE-smith, and what becomes of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from envreward.envs.swe.grading import grade
from envreward.envs.swe.grading_diff import make_diff
from envreward.envs.swe.grading_runners import find_factory
from envreward.envs.swe.grading_trees import make_repository
from envreward.envs.swe.instances import checkout, load_instances, make_problem, read_instance, with_patch
from envreward.errors import ConfigError, EnvRewardError

from .grading_repository import FAULTY, FIXED, PATH, TESTS
from .grading_repository import make_problem as make_calc

SWE_BENCH: dict[str, Any] = {
    "repo": "astropy/astropy",
    "instance_id": "astropy__astropy-12907",
    "base_commit": "d16bfe05a744909de4b27f5875fe0d4ed41ce607",
    "patch": "diff --git a/a.py b/a.py\n",
    "test_patch": "diff --git a/tests/test_a.py b/tests/test_a.py\n",
    "problem_statement": "Modeling's separability_matrix is wrong",
    "hints_text": "",
    "created_at": "2022-03-03T15:14:54Z",
    "version": "4.3",
    "FAIL_TO_PASS": '["tests/test_a.py::test_x[compound_model6-result6]", "tests/test_a.py::test_y"]',
    "PASS_TO_PASS": '["tests/test_a.py::test_z"]',
    "environment_setup_commit": "298ccb478e6bf092953bca67a3d29dc6c35f6752",
}
SWE_GYM: dict[str, Any] = {
    "instance_id": "getmoto__moto-7365",
    "hints_text": "",
    "patch": "diff --git a/moto/a.py b/moto/a.py\n",
    "test_patch": "",
    "created_at": "2024-02-19 20:29:03",
    "problem_statement": "DynamoDB's update_item performs floating-point arithmetic",
    "repo": "getmoto/moto",
    "base_commit": "7f6c9cb1deafb280fe7fcc7551c38e397f11a706",
    "version": "5.0",
    "PASS_TO_PASS": ["tests/test_d.py::test_a"],
    "FAIL_TO_PASS": ["tests/test_d.py::test_b"],
}
SWE_SMITH: dict[str, Any] = {
    "instance_id": "oauthlib__oauthlib.1fd52536.combine_file__09vlzwgc",
    "patch": "diff --git a/oauthlib/a.py b/oauthlib/a.py\n",
    "FAIL_TO_PASS": ["tests/test_a.py::TestA::test_b"],
    "PASS_TO_PASS": ["tests/test_a.py::TestA::test_c"],
    "image_name": "jyangballin/swesmith.x86_64.oauthlib_1776_oauthlib.1fd52536",
    "repo": "swesmith/oauthlib__oauthlib.1fd52536",
    "problem_statement": "",
}


def test_rows_of_swe_bench() -> None:
    """Lists of tests that are JSON texts are read, and every field is kept."""
    instance = read_instance(SWE_BENCH)
    assert instance.fail_to_pass == ("tests/test_a.py::test_x[compound_model6-result6]", "tests/test_a.py::test_y")
    assert instance.pass_to_pass == ("tests/test_a.py::test_z",)
    assert (instance.repo, instance.version) == ("astropy/astropy", "4.3")
    assert instance.environment_setup_commit.startswith("298ccb")
    assert instance.patch_makes == "repair"


def test_rows_of_swe_gym() -> None:
    """Lists of tests that are lists are read as well."""
    instance = read_instance(SWE_GYM)
    assert instance.tests == ("tests/test_d.py::test_b", "tests/test_d.py::test_a")


def test_rows_of_swe_smith() -> None:
    """Rows without base commit and test patch are SWE-smith's, whose patch makes the bug."""
    instance = read_instance(SWE_SMITH)
    assert instance.patch_makes == "bug"
    assert instance.image_name.endswith("1fd52536")


@pytest.mark.parametrize("suffix", [".json", ".jsonl", "mapping.json"])
def test_files_of_rows(suffix: str, tmp_path: Path) -> None:
    """A list, one row to a line, and a mapping of rows are all read, in order."""
    rows = [SWE_BENCH, SWE_GYM, SWE_SMITH]
    path = tmp_path / f"rows{suffix}"
    if suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    else:
        path.write_text(json.dumps({row["repo"]: row for row in rows} if suffix.startswith("mapping") else rows))
    assert [instance.instance_id for instance in load_instances(path)] == [row["instance_id"] for row in rows]


def changed(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in {**SWE_BENCH, **values}.items() if value is not ...}


@pytest.mark.parametrize(
    ("row", "key"),
    [
        (changed(instance_id=...), "instance_id"),
        (changed(instance_id=" "), "instance_id"),
        (changed(instance_id=7), "instance_id"),
        (changed(repo=None), "repo"),
        (changed(base_commit=""), "base_commit"),
        (changed(FAIL_TO_PASS=...), "FAIL_TO_PASS"),
        (changed(FAIL_TO_PASS="[]"), "FAIL_TO_PASS"),
        (changed(FAIL_TO_PASS="[1]"), "FAIL_TO_PASS"),
        (changed(PASS_TO_PASS="no json"), "PASS_TO_PASS"),
        (changed(PASS_TO_PASS={"a": 1}), "PASS_TO_PASS"),
        (changed(PASS_TO_PASS=SWE_BENCH["FAIL_TO_PASS"]), "both"),
        (changed(patch=3), "patch"),
        ([1], "object"),
        (None, "object"),
    ],
)
def test_bad_rows_are_named(row: Any, key: str, tmp_path: Path) -> None:
    """A row that is no instance is refused in one line that names the file, the row and the key."""
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([SWE_GYM, row]))
    with pytest.raises(ConfigError) as caught:
        load_instances(path)
    message = str(caught.value)
    assert "row 2" in message and key in message and str(path) in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "{", "3", '"rows"', "\x00\xff", "[" * 100_000])
def test_bad_files_are_named(text: str, tmp_path: Path) -> None:
    """A file that holds no rows is refused by its name."""
    path = tmp_path / "rows.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"rows\.json"):
        load_instances(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """So is one that is not there."""
    with pytest.raises(ConfigError, match=r"none\.json"):
        load_instances(tmp_path / "none.json")


def test_the_same_instance_twice(tmp_path: Path) -> None:
    """Two rows of one name are refused, as one of them would be lost."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(SWE_GYM)}\n{json.dumps(SWE_GYM)}\n")
    with pytest.raises(ConfigError, match=r"row 2.*row 1"):
        load_instances(path)


def test_parquet_is_read_or_refused_by_name(tmp_path: Path) -> None:
    """A parquet file is read where pyarrow is there; else, and where it is damaged, one line says so."""
    path = tmp_path / "rows.parquet"
    path.write_bytes(b"no parquet")
    with pytest.raises(EnvRewardError, match=r"parquet"):
        load_instances(path)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of two commits: the fault, and then its repair with its tests."""
    folder = tmp_path / "clone"
    make_repository({"calc.py": FAULTY.encode(), PATH: b"def test_nothing():\n    pass\n"}, folder)
    (folder / "calc.py").write_text(FIXED)
    (folder / PATH).write_text(TESTS)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(folder)]
    subprocess.run([*git, "commit", "-q", "-am", "Repair the mean"], check=True)
    return folder


def test_an_instance_from_its_clone(clone: Path, tmp_path: Path) -> None:
    """The base commit is taken out of a clone without what came later, and the published repair resolves it."""
    base = make_calc(tmp_path / "calc")
    diff = make_diff({"calc.py": FAULTY.encode()}, {"calc.py": FIXED.encode()})
    tests = make_diff({PATH: b"def test_nothing():\n    pass\n"}, {PATH: TESTS.encode()})
    lists = {"FAIL_TO_PASS": list(base.fail_to_pass), "PASS_TO_PASS": list(base.pass_to_pass)}
    instance = read_instance({**SWE_BENCH, "patch": diff, "test_patch": tests, "base_commit": "HEAD~1", **lists})
    repository = checkout(clone, instance.base_commit, tmp_path / "base")
    log = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(repository), "log", "--all", "--oneline"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(log.stdout.splitlines()) == 1
    assert (repository / "calc.py").read_text() == FAULTY
    problem = make_problem(instance, repository)
    assert problem.tests == {PATH: TESTS}
    problem = make_problem(instance, repository, base.suite)
    factory = find_factory("bubblewrap")
    try:
        assert grade(problem, instance.patch, factory).resolved
        assert not grade(problem, "", factory).resolved
    finally:
        factory.close()


def test_a_patch_that_makes_the_bug(clone: Path, tmp_path: Path) -> None:
    """SWE-smith's patches are applied to get the repository that is to be repaired."""
    whole = checkout(clone, "HEAD", tmp_path / "whole")
    patch = make_diff({"calc.py": FIXED.encode()}, {"calc.py": FAULTY.encode()})
    assert (with_patch(whole, patch, tmp_path / "bug") / "calc.py").read_text() == FAULTY
    with pytest.raises(ConfigError, match="does not fit"):
        with_patch(tmp_path / "bug", patch, tmp_path / "again")


@pytest.mark.parametrize("commit", ["", "--help", "nonsense", "HEAD~7"])
def test_commits_that_are_not_there(commit: str, clone: Path, tmp_path: Path) -> None:
    """A commit that the clone lacks is named in one line."""
    with pytest.raises(ConfigError, match="commit"):
        checkout(clone, commit, tmp_path / "base")


def test_tests_that_pytest_does_not_name(tmp_path: Path) -> None:
    """Instances whose tests are named as another runner names them are refused, not graded wrongly."""
    instance = read_instance({**SWE_BENCH, "FAIL_TO_PASS": ["test_a (migrations.tests.Test)"]})
    with pytest.raises(ConfigError, match="not a pytest node id"):
        make_problem(instance, make_repository({}, tmp_path / "empty"))


def test_a_test_patch_that_does_not_fit(tmp_path: Path) -> None:
    """A test patch for another state of the repository is refused."""
    patch = make_diff({PATH: b"other\n"}, {PATH: b"another\n"})
    instance = read_instance({**SWE_BENCH, "test_patch": patch})
    with pytest.raises(ConfigError, match="test_patch"):
        make_problem(instance, make_repository({PATH: b"x\n"}, tmp_path / "base"))
