"""The cache of judgements."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from envreward.errors import ConfigError
from envreward.rewards.judge_cache import JudgementCache
from envreward.rewards.judge_prompt import Judgement

GOOD = Judgement("pass", {"progress": 7}, {"progress": "öffnet 'cart.py'"})
BAD = Judgement("fail", {"progress": 0}, {})


def test_judgements_last(tmp_path: Path) -> None:
    """What was kept is there in the next run, whole; trust is given per key and stays."""
    cache = JudgementCache(tmp_path / "judgements.db")
    cache.put("a", GOOD, "openai/gpt-4o", 0.01)
    cache.put("b", BAD, "openai/gpt-4o", None)
    cache.trust(["a"])
    cache.close()
    cache = JudgementCache(tmp_path / "judgements.db")
    assert cache.get("a") == (GOOD, True)
    assert cache.get("b") == (BAD, False)
    assert cache.get("c") is None
    cache.drop(["b", "c"])
    assert cache.get("b") is None
    cache.close()


def test_two_share_a_file(tmp_path: Path) -> None:
    """One sees at once what the other keeps."""
    one, other = (JudgementCache(tmp_path / "judgements.db") for _ in range(2))
    one.put("a", GOOD, "m", 0.0)
    assert other.get("a") == (GOOD, False)
    other.trust(["a"])
    assert one.get("a") == (GOOD, True)
    one.close()
    other.close()


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """A file of another kind or another program's table is refused in one line and stays as it is."""
    text = tmp_path / "notes.txt"
    text.write_text("notes " * 1000)
    with pytest.raises(ConfigError, match=r"cannot keep judgements in .*notes.txt: file is not a database"):
        JudgementCache(text)
    assert text.read_text() == "notes " * 1000
    table = tmp_path / "study.db"
    connection = sqlite3.connect(table)
    connection.execute("CREATE TABLE studies (id)")
    connection.close()
    before = table.read_bytes()
    with pytest.raises(ConfigError, match="it is something else, or of another version; give another file"):
        JudgementCache(table)
    assert table.read_bytes() == before
    with pytest.raises(ConfigError, match="unable to open database file"):
        JudgementCache(tmp_path / "missing" / "judgements.db")
