"""What went wrong with a request to an endpoint: its kind, a sentence, and whether to try again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from engine.models.base import ErrorKind

if TYPE_CHECKING:
    from openai import APIError

_CLIP = 300
_CONTEXT = re.compile(
    r"context.?length|context window|maximum context|prompt is too long|too many (input )?tokens|"
    r"exceeds? the (available )?context|model's context|input is too long",
    re.I,
)


@dataclass(frozen=True)
class Fault:
    """A failed attempt.

    `wait_s` is what the endpoint asked to wait, in seconds. `param` is the request parameter it
    blamed; `refusal` is True where the request itself was turned down and may be corrected.
    """

    kind: ErrorKind
    reason: str
    retry: bool
    wait_s: float | None = None
    param: str | None = None
    refusal: bool = False


class StreamError(ValueError):
    """The stream was readable but no sensible answer: wrong shapes, or an end without a finish."""

    def __init__(self, kind: ErrorKind, reason: str, *, retry: bool = True) -> None:
        super().__init__(reason)
        self.kind: ErrorKind = kind
        self.retry = retry


def fault_of(error: Exception) -> Fault:
    """Read an exception of the SDK, of its HTTP client, or of decoding what it received."""
    import openai

    if isinstance(error, StreamError):
        return Fault(error.kind, str(error), error.retry)
    if isinstance(error, openai.APITimeoutError):
        return Fault("timeout", "no answer in time", retry=True)
    if isinstance(error, openai.APIConnectionError):
        cause = error.__cause__ or error.__context__
        detail = f" ({cause!s})" if cause is not None and str(cause) else ""
        return Fault("connection", f"the connection failed{detail}", retry=True)
    if isinstance(error, openai.APIStatusError):
        return _of_status(error.status_code, error.response.headers, _said(error), error.code, error.param)
    if isinstance(error, openai.APIError):  # an error object in the middle of the stream
        return _of_message(_said(error), error.code) or Fault("server", _said(error), retry=True)
    if isinstance(error, UnicodeDecodeError):
        return Fault("bad-response", "the answer is not UTF-8", retry=True)
    if isinstance(error, ValueError):
        return Fault("bad-response", f"the answer is not valid JSON ({error!s})", retry=True)
    return Fault("connection", f"the connection failed ({str(error) or type(error).__name__})", retry=True)


def _said(error: APIError) -> str:
    """The endpoint's own words, without the SDK's frame around them."""
    body = error.body
    words = body.get("message") if isinstance(body, dict) else None
    return words if isinstance(words, str) and words.strip() else error.message


def _of_status(
    status: int, headers: Mapping[str, str], message: str, code: str | None, param: str | None
) -> Fault:
    said = f"HTTP {status}: {message}"
    if status in (401, 403):
        return Fault("auth", said, retry=False)
    if status == 404:
        return Fault("not-found", said, retry=False)
    if status == 429:
        broke = code == "insufficient_quota"
        return Fault("rate-limit", said, retry=not broke, wait_s=retry_after(headers))
    if status == 408:
        return Fault("timeout", said, retry=True, wait_s=retry_after(headers))
    if status >= 500 or status in (409, 425):
        return Fault("server", said, retry=True, wait_s=retry_after(headers))
    known = _of_message(said, code)
    return known or Fault("refused", said, retry=False, param=param, refusal=status in (400, 422))


def is_context_overflow(message: str) -> bool:
    """Whether an endpoint's words mean that the prompt was longer than the model's context."""
    return _CONTEXT.search(message) is not None


def _of_message(message: str, code: str | None) -> Fault | None:
    """Faults that are told by their code or wording, whatever the status."""
    if code == "context_length_exceeded" or is_context_overflow(message):
        return Fault("context-length", message, retry=False)
    if code in ("content_filter", "content_policy_violation"):
        return Fault("refused", message, retry=False)
    if code == "rate_limit_exceeded":
        return Fault("rate-limit", message, retry=True)
    return None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait a response asks for, in seconds; None where it asks for none or writes nonsense."""
    try:
        if "retry-after-ms" in headers:
            wait = float(headers["retry-after-ms"]) / 1000
        elif (value := headers.get("retry-after", "").strip()).replace(".", "", 1).isascii() and value[
            :1
        ].isdigit():
            wait = float(value)
        elif value:
            wait = (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        else:
            return None
    except (ValueError, TypeError, OverflowError):  # no number, no date, or a date without a zone
        return None
    return max(0.0, wait) if math.isfinite(wait) else None


def clip(text: str) -> str:
    """One line of bounded length: servers answer with whole HTML pages."""
    line = " ".join(text.split())
    return line if len(line) <= _CLIP else line[:_CLIP] + "…"
