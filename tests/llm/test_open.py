"""open_llm: the words a user writes, and the settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from envreward.errors import ConfigError, UnknownNameError
from envreward.llm import LLMConfig, open_llm
from envreward.llm.manual import ManualFilesLLM, ManualLLM


@pytest.mark.parametrize("spec", ["record:x.jsonl", "record:=openai/gpt-4o", "replay:", "replay-any:", "", "  "])
def test_malformed_specs(spec: str) -> None:
    """A spec that lacks a part is refused with an example."""
    with pytest.raises(ConfigError, match="--llm"):
        open_llm(spec)


@pytest.mark.parametrize("bad", [{"timeout_s": 0}, {"attempts": 0}, {"max_tokens": 0}, {"price_usd_per_mtok": (-1, 1)}])
def test_bad_settings(bad: dict[str, object]) -> None:
    """Settings that cannot work are refused by name."""
    with pytest.raises(ConfigError, match=next(iter(bad))):
        LLMConfig(**bad)  # type: ignore[arg-type]


def test_misspelt_kind() -> None:
    """A misspelt word before the colon names the near one."""
    with pytest.raises(UnknownNameError, match="did you mean 'replay'"):
        open_llm("reply:session.jsonl")


def test_manual_kinds(tmp_path: Path) -> None:
    """`manual` is the terminal, `manual:FOLDER` a folder, made when needed."""
    assert type(open_llm("manual")) is ManualLLM
    assert type(open_llm(f"manual:{tmp_path / 'a' / 'b'}")) is ManualFilesLLM
    assert (tmp_path / "a" / "b").is_dir()


def test_recording_continues(llm_server: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """record: with a file that exists says so and asks only what the file lacks."""
    spec = f"record:{tmp_path / 'new' / 'r.jsonl'}=openai/gpt-4o"
    ask = [{"role": "user", "content": "Write a reward."}]
    open_llm(spec).complete(ask, n=2, key="k")
    assert "holds" not in caplog.text
    open_llm(spec).complete(ask, n=3, key="k")
    assert "holds 2 answers already" in caplog.text and len(llm_server.requests) == 3


def test_unwritable_recording(tmp_path: Path) -> None:
    """A recording that cannot be written is found out before anything is asked."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError):
        open_llm(f"record:{tmp_path / 'file' / 'r.jsonl'}=manual")
