"""Recordings: written by record:, played back by replay:."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from envreward.errors import BudgetExceededError, ConfigError, LLMUnavailableError
from envreward.llm import Caps, open_llm
from envreward.llm.recording import RecordingFile, read_recording

ASK = [{"role": "system", "content": "Rules.\nBe brief."}, {"role": "user", "content": "Write a reward."}]
CHANGED = [ASK[0], {"role": "user", "content": "Write a reward.\nfitness: 3.5"}]


@pytest.fixture
def session(llm_server: Any, tmp_path: Path) -> Path:
    """A recording of two requests, three samples and one."""
    file = tmp_path / "session.jsonl"
    llm = open_llm(f"record:{file}=openai/gpt-4o")
    llm.complete(ASK, n=3, key="iteration-0/samples")
    llm.complete(ASK, n=1, key="iteration-1/samples")
    return file


def test_replay_gives_the_same_completions(session: Path, llm_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no key and no server, the recorded answers come back in order, with the recorded usage."""
    recorded = open_llm(f"record:{session}=openai/gpt-4o").complete(ASK, n=3, key="iteration-0/samples")
    asked = len(llm_server.requests)
    monkeypatch.delenv("OPENAI_API_KEY")
    replayed = open_llm(f"replay:{session}").complete(ASK, n=3, key="iteration-0/samples")
    assert replayed.answers == recorded.answers and len(llm_server.requests) == asked
    assert replayed.usage.calls == 3 and replayed.usage.prompt_tokens == 300
    assert replayed.model == "openai/gpt-4o"


def test_fewer_recorded_than_asked(session: Path) -> None:
    """A request recorded with three samples gives three, however many are wanted."""
    llm = open_llm(f"replay:{session}")
    assert len(llm.complete(ASK, n=16, key="iteration-0/samples").answers) == 3
    assert len(llm.complete(ASK, n=2, key="iteration-0/samples").answers) == 2


def test_other_prompt_is_refused_with_the_difference(session: Path) -> None:
    """An answer given to another prompt is not passed off as an answer to this one; the error says what differs."""
    with pytest.raises(LLMUnavailableError, match=r"message 2 \(user\) said '', now says 'fitness: 3.5'") as caught:
        open_llm(f"replay:{session}").complete(CHANGED, key="iteration-0/samples")
    assert f"replay-any:{session}" in str(caught.value)
    anyway = open_llm(f"replay-any:{session}").complete(CHANGED, n=3, key="iteration-0/samples")
    assert len(anyway.answers) == 3
    with pytest.raises(LLMUnavailableError, match="it had 2 messages, now there are 1"):
        open_llm(f"replay:{session}").complete(ASK[:1], key="iteration-0/samples")


def test_no_more_answers(session: Path) -> None:
    """A request beyond the recording ends with one line that says where the recording ends."""
    with pytest.raises(
        LLMUnavailableError, match=r"no more answers: none for iteration-2/samples.*iteration-1/samples"
    ):
        open_llm(f"replay:{session}").complete(ASK, key="iteration-2/samples")


def test_caps_hold_in_replay(session: Path) -> None:
    """A replayed study meets its limits where the recorded one did."""
    llm = open_llm(f"replay:{session}", caps=Caps(tokens=2 * 150))
    assert len(llm.complete(ASK, n=3, key="iteration-0/samples").answers) == 2
    with pytest.raises(BudgetExceededError):
        llm.complete(ASK, key="iteration-1/samples")


def test_recording_by_hand(tmp_path: Path) -> None:
    """A recording without messages answers whatever is asked under its keys."""
    file = tmp_path / "by-hand.jsonl"
    lines = [
        {"format": "envreward-llm-recording", "version": 1},
        {"key": "iteration-0/samples#0", "model": "me", "answer": {"text": "hello"}},
    ]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert open_llm(f"replay:{file}").complete(CHANGED, key="iteration-0/samples").answers[0].text == "hello"


def test_recording_holds_no_key(session: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has the version in its first line and no key anywhere."""
    text = session.read_text()
    assert json.loads(text.splitlines()[0]) == {"format": "envreward-llm-recording", "version": 1}
    assert "sk-test" not in text and "api_key" not in text.lower() and "authorization" not in text.lower()


def test_torn_last_line_is_dropped(session: Path) -> None:
    """A crash in the middle of a line loses that line only, and the file can be gone on with."""
    whole = session.read_text()
    session.write_text(whole[:-30])
    assert len(read_recording(session)) == 3
    store = RecordingFile(session)
    assert len(store) == 3
    store.put("x#0", read_recording(session)[0])
    assert len(read_recording(session)) == 4


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("", "not a recording"),
        ("hello\n", "not a recording"),
        ('{"format": "other"}\n', "not a recording"),
        ('{"format": "envreward-llm-recording", "version": 9}\n', "version 9"),
        ('{"format": "envreward-llm-recording", "version": 1}\n{"key": 3}\n', "line 2"),
        (b"\xff\xfe\x00", "not a text file"),
    ],
)
def test_unreadable_recordings(tmp_path: Path, content: str | bytes | None, says: str) -> None:
    """Whatever is wrong with the file is said in one line that names it."""
    file = tmp_path / "r.jsonl"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=says) as caught:
        open_llm(f"replay:{file}")
    assert str(file) in str(caught.value) and "\n" not in str(caught.value)
