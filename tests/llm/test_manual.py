"""ManualLLM: a person and any chat window."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import pytest

from envreward.errors import BudgetExceededError, LLMError, LLMUnavailableError
from envreward.llm import Caps, Usage
from envreward.llm.manual import ManualFilesLLM, ManualLLM, as_text
from envreward.llm.meter import Meter

ASK = [
    {"role": "system", "content": "You write rewards."},
    {"role": "user", "content": "Write one."},
    {"role": "assistant", "content": "Here."},
    {"role": "user", "content": "A better one."},
]

NO_CAPS = Caps()


def manual(pasted: str, caps: Caps = NO_CAPS) -> tuple[ManualLLM, io.StringIO]:
    shown = io.StringIO()
    return ManualLLM(Meter(caps), source=io.StringIO(pasted), sink=shown), shown


def test_pasted_answers() -> None:
    """The prompt is shown once; each paste up to END is an answer; an empty one says that there are no more."""
    llm, shown = manual("first\nline two\nEND\n```python\npass\n```\nEND\nEND\nnever read\n")
    completion = llm.complete(ASK, n=5, key="iteration-0/samples")
    assert [a.text for a in completion.answers] == ["first\nline two", "```python\npass\n```"]
    assert shown.getvalue().count("You write rewards.") == 1 and "A better one." in shown.getvalue()
    assert completion.usage == Usage(calls=2)


def test_end_of_input() -> None:
    """An answer ended by the end of input counts; nothing at all is an error that says what to do."""
    llm, _ = manual("the only answer\n")
    assert llm.complete(ASK, n=1, key="a").answers[0].text == "the only answer"
    with pytest.raises(LLMUnavailableError, match="manual:FOLDER"):
        llm.complete(ASK, n=1, key="b")


def test_call_cap() -> None:
    """The limit on calls holds for people too."""
    llm, _ = manual("a\nEND\nb\nEND\n", Caps(calls=1))
    assert len(llm.complete(ASK, n=2, key="a").answers) == 1
    with pytest.raises(BudgetExceededError):
        llm.complete(ASK, key="b")


def test_files(tmp_path: Path) -> None:
    """The prompt is a file, the answers are files saved while it waits; an empty one says that there are no more."""
    llm = ManualFilesLLM(tmp_path / "chat", Meter(Caps()), poll_s=0.02, timeout_s=20)

    def person() -> None:
        prompt = tmp_path / "chat" / "iteration-0-samples.prompt.md"
        while not prompt.exists():
            time.sleep(0.01)
        (tmp_path / "chat" / "iteration-0-samples.answer-1.md").write_text("one: " + prompt.read_text()[:14])
        (tmp_path / "chat" / "iteration-0-samples.answer-2.md").write_text("two")
        (tmp_path / "chat" / "iteration-0-samples.answer-3.md").write_text("")

    thread = threading.Thread(target=person)
    thread.start()
    completion = llm.complete(ASK, n=8, key="iteration-0/samples")
    thread.join()
    assert [a.text for a in completion.answers] == ["one: # Instructions", "two"]


def test_files_time_limit(tmp_path: Path) -> None:
    """Waiting can be limited; the error names the missing file."""
    llm = ManualFilesLLM(tmp_path, Meter(Caps()), poll_s=0.01, timeout_s=0.05)
    with pytest.raises(LLMError, match=r"k\.answer-1\.md is missing"):
        llm.complete(ASK, key="k")


def test_conversation_as_text() -> None:
    """A chat window gets the whole conversation, each part under its heading, in order."""
    text = as_text(ASK)
    parts = [
        "# Instructions",
        "You write",
        "# Question",
        "Write one",
        "# Your earlier answer",
        "Here.",
        "A better one.",
    ]
    positions = [text.index(part) for part in parts]
    assert positions == sorted(positions)
    assert as_text(ASK[:1]) == "You write rewards."
