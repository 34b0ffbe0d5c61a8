"""Instances in SWE-bench's schema: rows of SWE-bench, SWE-Gym and SWE-smith as they are published.

Fields and their meaning are those of the SWE-bench datasets (Jimenez et al., "SWE-bench: Can Language Models Resolve
Real-World GitHub Issues?", ICLR 2024, and the dataset card of ``princeton-nlp/SWE-bench``). The lists of tests are JSON
texts there, and lists in SWE-Gym and SWE-smith. SWE-smith's rows have no ``base_commit`` and no ``test_patch``: its
``patch`` makes the bug, so that it is the reverse of a repair, and each instance has a branch of a mirror repository.

What is needed to judge an instance besides its row is its repository, which the user has: `checkout` takes the base
commit out of a clone, without its history.
"""

from __future__ import annotations

import importlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from envreward.errors import ActionError, ConfigError, InfraError, MissingExtraError

from .grading import Problem
from .grading_diff import apply_patch, parse_diff
from .grading_rules import is_test
from .grading_runs import Suite
from .grading_trees import check_path, git, make_repository, read_tree

MAX_ROW = 50_000_000
"""Longest line of a file of rows, characters."""


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One row."""

    instance_id: str
    repo: str
    """``owner/name`` on GitHub; for SWE-smith that of the mirror."""
    base_commit: str = ""
    """Commit that a repair begins from; empty for SWE-smith, where it is the branch ``instance_id``."""
    problem_statement: str = ""
    hints_text: str = ""
    patch: str = ""
    """The published repair; for SWE-smith the diff that made the bug."""
    test_patch: str = ""
    """Changes of the tests that come with the repair."""
    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    version: str = ""
    environment_setup_commit: str = ""
    image_name: str = ""
    """Container image with the environment, where the row names one."""
    patch_makes: Literal["repair", "bug"] = "repair"
    """Which way ``patch`` leads."""

    @property
    def tests(self) -> tuple[str, ...]:
        """All tests that count."""
        return (*self.fail_to_pass, *self.pass_to_pass)


_TEXTS = (
    *("base_commit", "problem_statement", "hints_text", "patch", "test_patch", "version"),
    *("environment_setup_commit", "image_name"),
)


def load_instances(path: Path) -> list[Instance]:
    """Read a file of rows: ``.jsonl``, ``.json`` (a list, or a mapping of rows), or ``.parquet``.

    Raises:
        ConfigError: The file cannot be read, or a row is not an instance; the message names the row and the key.
        MissingExtraError: It is a parquet file, and ``pyarrow`` is not installed.
    """
    instances: list[Instance] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(_rows(path), 1):
        try:
            instance = read_instance(row)
        except ConfigError as error:
            raise ConfigError(f"{path}, row {number}: {error}") from None
        if instance.instance_id in seen:
            first = seen[instance.instance_id]
            raise ConfigError(f"{path}, row {number}: instance_id {instance.instance_id!r} is that of row {first} too")
        seen[instance.instance_id] = number
        instances.append(instance)
    return instances


def read_instance(row: Any) -> Instance:
    """Turn one row into an instance; keys that are not known are left aside.

    Raises:
        ConfigError: A key is missing or has a value of a wrong kind; the message names it.
    """
    if not isinstance(row, Mapping):
        raise ConfigError(f"expected an object, got {type(row).__name__}")
    named = _text(row, "instance_id")
    if not named.strip():
        raise ConfigError("instance_id is empty")
    texts = {key: _text(row, key, missing="") for key in _TEXTS}
    makes: Literal["repair", "bug"] = "repair"
    if not texts["base_commit"]:
        if not texts["patch"] or not ("image_name" in row or "rp" in row or "strategy" in row):
            raise ConfigError(f"{named}: base_commit is missing or empty")
        makes = "bug"  # as in SWE-smith
    fail_to_pass, pass_to_pass = (_tests(row, key, named) for key in ("FAIL_TO_PASS", "PASS_TO_PASS"))
    if not fail_to_pass:
        raise ConfigError(f"{named}: FAIL_TO_PASS is empty, so nothing could show a repair")
    if both := set(fail_to_pass) & set(pass_to_pass):
        raise ConfigError(f"{named}: {min(both)!r} is in both FAIL_TO_PASS and PASS_TO_PASS")
    return Instance(
        instance_id=named,
        repo=_text(row, "repo"),
        fail_to_pass=fail_to_pass,
        pass_to_pass=pass_to_pass,
        patch_makes=makes,
        **texts,
    )


def _text(row: Mapping[str, Any], key: str, missing: str | None = None) -> str:
    value = row.get(key, missing)
    if value is None and missing is not None:
        return missing
    if value is None:
        raise ConfigError(f"{key} is missing; the row has {', '.join(map(str, row)) or 'nothing'}"[:300])
    if not isinstance(value, str):
        raise ConfigError(f"{key} must be a text, got {type(value).__name__}")
    return value


def _tests(row: Mapping[str, Any], key: str, named: str) -> tuple[str, ...]:
    value = row.get(key)
    if value is None:
        raise ConfigError(f"{named}: {key} is missing")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError as error:
            raise ConfigError(f"{named}: {key} is a text but no JSON list: {error}") from None
    if not isinstance(value, list) or not all(isinstance(test, str) and test for test in value):
        raise ConfigError(f"{named}: {key} must be a list of test names, or that as JSON")
    return tuple(dict.fromkeys(value))


def _rows(path: Path) -> Iterator[Any]:
    if path.suffix == ".parquet":
        yield from _parquet(path)
        return
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from None
    if path.suffix in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _json(line, f"{path}, line {number}")
        return
    rows = _json(text, str(path))
    if isinstance(rows, dict):
        rows = list(rows.values())
    if not isinstance(rows, list):
        raise ConfigError(
            f"{path} holds {type(rows).__name__}; expected a list of rows, or one row to a line in a .jsonl"
        )
    yield from rows


def _json(text: str, where: str) -> Any:
    if len(text) > MAX_ROW * 20:
        raise ConfigError(f"{where}: {len(text):,} characters are too many")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: not JSON: {error}") from None


def _parquet(path: Path) -> Iterator[Any]:
    try:
        parquet = importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise MissingExtraError("reading parquet files", "parquet") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read as parquet: {error}") from None
    yield from table.to_pylist()


def checkout(clone: Path, commit: str, folder: Path) -> Path:
    """Write a commit of a clone into a new folder, as a repository whose whole history is that one state.

    Raises:
        ConfigError: The clone is no repository, or has no such commit.
    """
    if not commit or commit.startswith("-"):
        raise ConfigError(f"{commit!r} names no commit")
    try:
        data = git(clone, "archive", "--format=tar", commit)
    except InfraError as error:
        raise ConfigError(f"commit {commit} cannot be taken out of {clone}: {error}") from None
    tree: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isreg() else None  # links are left out
            if file is not None:
                tree[check_path(member.name)] = file.read()
    return make_repository(tree, folder)


def make_problem(instance: Instance, repository: Path, suite: Suite | None = None) -> Problem:
    """Return what judges repairs of an instance.

    Args:
        instance: The row.
        repository: Its repository at the base commit, from `checkout`; it is only read. For an instance whose patch
            makes the bug, the repository with the bug (see `with_patch`).
        suite: How its tests are run; ``None``: the files that its tests are in, by pytest, with modules imported from
            the repository's root and from ``src``.

    Raises:
        ConfigError: The test patch does not fit the repository, or its tests are not named as pytest names them.
    """
    strange = [test for test in instance.tests if "::" not in test]
    if strange:
        raise ConfigError(
            f"{instance.instance_id}: {strange[0]!r} is not a pytest node id; its tests cannot be run here"
        )
    base = read_tree(repository)
    tests = {path: data for path, data in base.items() if is_test(path)}
    try:
        for patch in parse_diff(instance.test_patch):
            if patch.refused:
                raise ConfigError(f"{instance.instance_id}: test_patch changes {patch.path}, which is not text")
            data = apply_patch(patch, base.get(patch.old) if patch.old else None)
            if data is not None:
                tests[check_path(patch.path)] = data
            elif patch.old in tests:
                del tests[patch.old]
    except ActionError as error:
        raise ConfigError(f"{instance.instance_id}: test_patch: {error}") from None
    texts = {path: text for path, data in tests.items() if (text := _decoded(data)) is not None}
    paths = tuple(sorted({test.split("::")[0] for test in instance.tests}))
    if lost := [path for path in paths if path not in texts]:
        raise ConfigError(
            f"{instance.instance_id}: {lost[0]} holds tests of the instance, but is not in the repository"
        )
    roots = ("", "src") if any(path.startswith("src/") for path in base) else ("",)
    return Problem(
        id=instance.instance_id,
        repository=repository,
        suite=suite or Suite(roots=roots, paths=paths, timeout_s=1800.0),
        tests=texts,
        fail_to_pass=instance.fail_to_pass,
        pass_to_pass=instance.pass_to_pass,
    )


def _decoded(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def with_patch(repository: Path, patch: str, folder: Path) -> Path:
    """Write a repository with a patch applied into a new folder, e.g. SWE-smith's that makes the bug.

    Raises:
        ConfigError: The patch does not fit.
    """
    tree = read_tree(repository)
    try:
        for part in parse_diff(patch):
            data = apply_patch(part, tree.get(part.old) if part.old else None)
            tree.pop(part.old or part.path, None)
            if data is not None:
                tree[check_path(part.path)] = data
    except ActionError as error:
        raise ConfigError(f"the patch does not fit {repository}: {error}") from None
    return make_repository(tree, folder)
