"""Files of a repository: remembering and restoring them, and output that is clipped while it streams."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envreward.envs.swe.runners import guest, tree
from envreward.envs.swe.runners.copies import Copies
from envreward.envs.swe.runners.output import Clip

NAMES = st.sampled_from(["a", "b", "ü", "with space", "new\nline", ".hidden"])
TREES = st.recursive(
    st.one_of(st.binary(max_size=20), st.sampled_from(["a", "/etc/passwd", "missing"])),
    lambda inner: st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def _make(folder: Path, content: object) -> None:
    """Write a drawn tree: folders are dictionaries, files bytes, links text."""
    if isinstance(content, dict):
        folder.mkdir()
        for name, inner in content.items():
            _make(folder / name, inner)
    elif isinstance(content, bytes):
        folder.write_bytes(content)
        folder.chmod(0o644 if len(content) % 2 else 0o755)
    else:
        folder.symlink_to(str(content))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=st.dictionaries(NAMES, TREES, max_size=4), found=st.dictionaries(NAMES, TREES, max_size=4))
def test_restore(wanted: object, found: object, tmp_path: Path) -> None:
    """Whatever a folder holds, restoring makes it what was taken, packed or not; what is right is left alone."""
    for path in tmp_path.iterdir():
        tree.remove(str(path))
    _make(tmp_path / "wanted", wanted)
    _make(tmp_path / "found", found)
    snapshot = tree.take(str(tmp_path / "wanted"))
    assert tree.unpack(tree.pack(snapshot)) == snapshot
    tree.restore(str(tmp_path / "found"), snapshot)

    def contents(name: str) -> dict[str, object]:
        taken = tree.take(str(tmp_path / name))
        return {path: entry._replace(mtime_ns=0) if entry.kind == "d" else entry for path, entry in taken.items()}

    assert contents("found") == contents("wanted")
    inodes = [os.lstat(entry).st_ino for entry in (tmp_path / "found").rglob("*")]
    tree.restore(str(tmp_path / "found"), snapshot)
    assert [os.lstat(entry).st_ino for entry in (tmp_path / "found").rglob("*")] == inodes


def test_a_full_disk_costs_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that fails half-way leaves the old content and no file beside it."""
    (tmp_path / "file").write_text("old")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fchmod", full)
    with pytest.raises(tree.Refused, match="no room"):
        tree.write_file(str(tmp_path), "file", b"new")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "old")]


@settings(deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=40), st.integers(40, 200).map(lambda n: 2 * n))
def test_clip(chunks: list[bytes], limit: int) -> None:
    """What fits is kept as it is; of more, the beginning and the end are, within the limit, however it was cut up."""
    clip, together = Clip(limit), Clip(limit)
    for chunk in chunks:
        clip.add(chunk)
    whole = b"".join(chunks)
    together.add(whole)
    kept, clipped = clip.result()
    assert together.result() == (kept, clipped)
    assert clipped == (len(whole) > limit)
    if not clipped:
        assert kept == whole
        return
    head, _, tail = kept.partition(b"\n[... ")
    number, _, tail = tail.partition(b" bytes left out ...]\n")
    assert len(kept) <= limit and whole.startswith(head) and whole.endswith(tail)
    assert len(head) + int(number) + len(tail) == len(whole)


def test_the_guest_runs_in_containers_only() -> None:
    """Outside a container the guest, which ends every process it can see, refuses to start."""
    with pytest.raises(SystemExit, match="container"):
        guest.main({"root": "/nowhere", "scratch": []})
    with pytest.raises(RuntimeError, match="first process"):
        guest._end_all()


def test_copies_of_killed_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process left is removed by the next one; what a living one holds, and what is new, stays."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    stale, new = tmp_path / "envreward-runners-stale", tmp_path / "envreward-runners-new"
    living = Copies(on_disk=False, owner=None)
    for folder in (stale, new):
        folder.mkdir()
        (folder / "file").write_text("x")
    for folder in (stale, living.folder):
        os.utime(folder, (0, 0))
    other = Copies(on_disk=False, owner=None)
    assert {path for path in tmp_path.iterdir()} == {new, living.folder, other.folder}
    living.close()
    other.close()
    assert list(tmp_path.iterdir()) == [new]


def test_few_copies_are_kept(tmp_path: Path) -> None:
    """Copies that nobody uses are forgotten, the oldest first; those in use never are."""
    copies = Copies(on_disk=True, owner=None)
    try:
        taken = []
        for number in range(20):
            (tmp_path / "file").write_text(str(number))
            taken.append(copies.take(tmp_path))
            if number:
                copies.give_back(taken[-1])
        assert taken[0].folder is not None and (taken[0].folder / "file").read_text() == "0"
        assert len(list(copies.folder.iterdir())) <= 8
        assert copies.take(tmp_path) is taken[-1]
    finally:
        copies.close()
    assert not copies.folder.exists()
