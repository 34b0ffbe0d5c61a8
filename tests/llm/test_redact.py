"""Keys are nowhere."""

from __future__ import annotations

import pytest

from envreward.llm.redact import MASK, redact, redact_known


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdefghijklmnop0123456789",
        "sk-ant-api03-abcdefghijklmnop",
        "gsk_abcdefghijklmnop01234",
        "AIzaSyA-1234567890abcdefghij",
        "hf_abcdefghijklmnopqrst",
        "ghp0123456789abcdefABCD",
    ],
)
def test_keys_are_known_by_their_form(secret: str) -> None:
    """Whatever looks like a provider's key is removed, wherever it stands."""
    assert (
        redact(f"Incorrect API key provided: {secret}. See docs.") == f"Incorrect API key provided: {MASK}. See docs."
    )


@pytest.mark.parametrize(
    "text",
    [
        "--out runs/sk-shortest-way-to-the-goal",
        "hf_height_field_of_terrain",
        "skyscraper_climbing_robot_2",
        "pk1234567890",
    ],
)
def test_names_are_not_keys(text: str) -> None:
    """Names of files, fields and tasks stay, so that a command that is printed can be run."""
    assert redact(text) == text


def test_keys_are_known_by_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The value of a key variable of this process is removed, whatever it looks like; ordinary words stay."""
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", "correct horse battery")
    monkeypatch.setenv("OTHER_TOKEN", "none")
    assert redact("I sent correct horse battery, none was wrong") == f"I sent {MASK}, none was wrong"


def test_headers_and_addresses() -> None:
    """Bearer headers and passwords in addresses are removed; the rest of the line stays."""
    assert redact("Authorization: Bearer abc.def") == f"Authorization: Bearer {MASK}"
    assert redact("http://me:pass@host:80/v1 failed") == f"http://{MASK}@host:80/v1 failed"


def test_code_is_left_alone() -> None:
    """A reward program that is recorded stays as it was answered."""
    code = "sk = torch.exp(-task_distance)\nreturn sk - 0.1 * pk_effort_penalty_term, {'sk-term': sk}"
    assert redact_known(code) == code
