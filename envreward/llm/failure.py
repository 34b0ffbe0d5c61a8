"""What a failed request means: whether to ask again, when, whether it may be billed, and the one line that says so."""

from __future__ import annotations

import email.utils
import re
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from .redact import redact

# A quota that is used up comes as 429, as a passing rate limit does (OpenAI's insufficient_quota and others).
_NO_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|credit balance|billing|payment required", re.I)
_RETRY_HINT = re.compile(r"(?:try again|retry) in ([\d.]+) ?s", re.I)
_NOT_CONNECTED = {"ConnectError", "ConnectTimeout", "ConnectionRefusedError"}
_PERMANENT = {400, 401, 402, 403, 404, 405, 413, 422}


class Failure(NamedTuple):
    """One failed request."""

    text: str
    """One line without keys."""
    permanent: bool = False
    """Asking again cannot help."""
    connected: bool = True
    """Whether the server could be reached at all."""
    maybe_billed: bool = False
    """The server may have made an answer that did not arrive."""
    retry_after_s: float | None = None
    """How long the server asks to wait."""
    status: int | None = None
    """HTTP status, where there was one."""


def understand(error: Exception) -> Failure:
    """Read one of litellm's exceptions.

    litellm gives every failure an HTTP status, invented ones for what never was an HTTP answer (500 for a body that is
    not JSON or a refused connection). Whether a refusal is real shows in the headers it kept.
    """
    status = getattr(error, "status_code", None)
    headers: Mapping[str, str] | None = getattr(error, "litellm_response_headers", None)
    text = _one_line(error)
    answered = headers is not None
    connected = not any(
        type(e).__name__ in ("ConnectError", "ConnectTimeout", "ConnectionRefusedError") for e in _chain(error)
    )
    retry_after_s = _retry_after(headers or {}, text)
    permanent = (
        type(error).__name__ in ("AuthenticationError", "NotFoundError", "PermissionDeniedError")
        or (status in _PERMANENT and (answered or status == 400))
        or (status == 429 and retry_after_s is None and _NO_CREDIT.search(text) is not None)
    )
    return Failure(
        text=text,
        permanent=permanent,
        connected=connected,
        maybe_billed=connected and not answered and not permanent,
        retry_after_s=retry_after_s,
        status=status,
    )


def _retry_after(headers: Mapping[str, str], text: str) -> float | None:
    """Return the seconds of a ``Retry-After`` header (number or date, RFC 9110, 10.2.3), or of a hint in the text."""
    value = headers.get("retry-after", "").strip()
    if value:
        try:
            return max(0.0, float(value))
        except ValueError:
            pass
        try:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
        except ValueError:
            pass
    hint = _RETRY_HINT.search(text)
    return float(hint.group(1)) if hint else None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    # litellm stacks names in front: "litellm.RateLimitError: RateLimitError: OpenAIException - slow down"
    text = re.sub(r"^(?:litellm\.)?(?:\w+(?:Error|Timeout|Exception)(?:: | - ))+", "", text)
    return redact(text)[:300] or type(error).__name__


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__
