"""Bad records: each is one clear line that says what to do, and nothing is lost."""

from __future__ import annotations

import errno
import os
import resource
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from envreward.errors import StudyError
from envreward.studies import Proposal, StudyConfig
from envreward.studies.database import APPLICATION_ID
from envreward.studies.lock import RunLock, is_locked
from envreward.studies.store import StudyStore


@pytest.fixture
def run(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> Path:
    """A closed study with 200 candidates."""
    with StudyStore.create(tmp_path / "run", make_config(), {}) as store:
        store.add_proposals(0, [Proposal(answer="x" * 500) for _ in range(200)])
    return tmp_path / "run"


def test_a_folder_without_a_study_says_so_and_stays_clean(tmp_path: Path) -> None:
    """Opening a folder that is no run names the missing file and leaves no file behind."""
    with pytest.raises(StudyError, match=r"no study in .*study\.db"):
        StudyStore.open(tmp_path, versions={})
    assert list(tmp_path.iterdir()) == []


def test_a_study_is_not_overwritten(run: Path, make_config: Callable[..., StudyConfig]) -> None:
    """Creating a study where one is refuses, says how to go on with it, and leaves it whole."""
    with pytest.raises(StudyError, match="already holds a study: `envreward resume"):
        StudyStore.create(run, make_config(), {})
    with StudyStore.open(run) as store:
        assert len(store.candidates()) == 200


def test_another_programs_database_is_recognised(tmp_path: Path) -> None:
    """A SQLite file of another program is refused by its application id, unchanged."""
    connection = sqlite3.connect(tmp_path / "study.db")
    connection.execute("CREATE TABLE candidates (id TEXT)")
    connection.commit()
    connection.close()
    before = (tmp_path / "study.db").read_bytes()
    for versions in (None, {}):
        with pytest.raises(StudyError, match="not an EnvReward study"):
            StudyStore.open(tmp_path, versions=versions)
    assert (tmp_path / "study.db").read_bytes() == before


def test_another_version_is_named(run: Path) -> None:
    """A record of a later version says both versions instead of misreading it."""
    connection = sqlite3.connect(run / "study.db")
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(StudyError, match="record version 99, this EnvReward reads version 1"):
        StudyStore.open(run)


def test_the_application_id_is_in_the_file_header(run: Path) -> None:
    """Bytes 68 to 71 of the file are the id, as SQLite's file format documents, so that other tools can tell."""
    header = (run / "study.db").read_bytes()[68:72]
    assert int.from_bytes(header, "big") == APPLICATION_ID and header == b"EnvR"


@pytest.mark.parametrize("kind", ["text", "truncated", "scribbled", "empty"])
def test_a_damaged_file_says_so(run: Path, kind: str) -> None:
    """Text in place of a database, a cut file and overwritten pages are all recognised when it is opened."""
    path = run / "study.db"
    data = bytearray(path.read_bytes())
    assert len(data) > 60_000
    if kind == "text":
        data = bytearray(b"not a database at all\n" * 100)
    elif kind == "truncated":
        del data[len(data) // 2 :]
    elif kind == "empty":
        data.clear()
    else:
        data[4096 * 3 : 4096 * 12] = os.urandom(4096 * 9)
    path.write_bytes(data)
    with pytest.raises(StudyError, match=r"damaged|not an EnvReward study"):
        StudyStore.open(run, versions={})
    assert not is_locked(run)


def test_two_resumes_at_once(run: Path) -> None:
    """The second process that wants to work on a study is refused with the first one's number."""
    with (
        StudyStore.open(run, versions={}),
        pytest.raises(StudyError, match=f"in use by process {os.getpid()}"),
    ):
        StudyStore.open(run, versions={})
    assert not is_locked(run)


def test_children_do_not_keep_the_lock(tmp_path: Path) -> None:
    """A program started while the lock is held does not hold it after its parent has let go."""
    lock = RunLock(tmp_path)
    child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    lock.release()
    try:
        RunLock(tmp_path).release()
    finally:
        child.communicate()


def _run_limited(folder: Path, limit: int) -> subprocess.CompletedProcess[str]:
    script = textwrap.dedent(
        f"""
        import signal
        from pathlib import Path
        from envreward.studies import Proposal, StudyConfig
        from envreward.studies.store import StudyStore
        store = StudyStore.open(Path({str(folder)!r}), versions={{}})
        try:
            for i in range(1, 10**4):
                store.add_proposals(i, [Proposal(answer="y" * 2000)])
        except OSError as error:
            print(i, error.errno, error.strerror, error.filename)
        """
    )

    def limits() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run([sys.executable, "-c", script], preexec_fn=limits, capture_output=True, text=True, check=True)


def test_a_full_disk_loses_nothing(run: Path) -> None:
    """When no more can be written, it is an OSError on the file; all rows before are kept and writing can go on."""
    out = _run_limited(run, 400_000).stdout.split(maxsplit=2)
    assert len(out) == 3, "the limit was never reached"
    assert int(out[1]) in (errno.ENOSPC, errno.EIO)
    assert str(run / "study.db") in out[2]
    with StudyStore.open(run, versions={}) as store:
        before = store.candidates()
        assert len(before) == 200 + int(out[0]) - 1
        store.add_proposals(int(out[0]), [Proposal(answer="after")])
        assert store.candidates()[-1].answer == "after"


def test_an_unwritable_folder_is_named(tmp_path: Path, make_config: Callable[..., StudyConfig]) -> None:
    """A folder that cannot be made or written gives the operating system's error with its path."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError) as caught:
        StudyStore.create(tmp_path / "file" / "run", make_config(), {})
    assert "file" in str(caught.value.filename)
