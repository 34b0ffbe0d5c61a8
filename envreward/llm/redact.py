"""Keeping keys out of everything that is written: errors, logs, records."""

from __future__ import annotations

import os
import re

_SECRET_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL)S?(_ID)?$", re.IGNORECASE)
_SECRET_FORM = re.compile(
    r"\b(?:(?:sk|pk|gsk|xai|hf|r8|nvapi|ghp)[-_]|AIza)"  # as the providers begin them
    r"(?=[\w*-]*(?:[A-Z0-9*]|[a-z]{16}))[A-Za-z0-9*][\w*-]{15,}"  # no words in small letters: sk-learn-like-file-names
    r"|\b(?:sk|pk|gsk|xai|hf|r8|nvapi|ghp)(?=[A-Za-z0-9*]*[A-Z0-9*])[A-Za-z0-9*]{16,}"  # or without a separator
    r"|(?<=Bearer )\S+"
    r"|(?<=://)[^/@\s]+:[^/@\s]+(?=@)"  # user:password in an address
)
_MIN_LENGTH = 8  # shorter values (`none`, `test`) would blot out ordinary words
MASK = "[key removed]"


def redact(text: str) -> str:
    """Return ``text`` with every key replaced: values of this process's key variables, and all that has a key's form.

    Providers quote the key they refuse (``Incorrect API key provided: sk-...``), so no message of theirs is shown or
    logged before it went through here.
    """
    return _SECRET_FORM.sub(MASK, redact_known(text))


def redact_known(text: str) -> str:
    """Return ``text`` without the values of this process's key variables; all else stays, as in code it must."""
    secrets = {
        value.strip()
        for name, value in os.environ.items()
        if _SECRET_NAME.search(name) and len(value.strip()) >= _MIN_LENGTH and not value.strip().isdigit()
    }
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
