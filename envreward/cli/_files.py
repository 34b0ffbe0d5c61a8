"""Reading the files that a user names."""

from __future__ import annotations

from pathlib import Path

from envreward.errors import ConfigError


def read_text(path: Path) -> str:
    """Return what a text file holds.

    Raises:
        ConfigError: It is not text.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not a text file (UTF-8)") from error
