"""What went wrong with a request to an endpoint: its kind, a sentence, and whether to try again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

from engine.models.base import ErrorKind
from engine.models.error_bodies import Said, read_error

_CLIP = 300
_CONTEXT = re.compile(
    r"context.?(length|window|size|limit)|maximum context|model's context|exceeds? the (available )?context|"
    r"(prompt|input|messages?|request|text)s?( is| are)? too (long|large)|"
    r"too many (input |prompt )?tokens|maximum (prompt|input|model) length|"
    r"(range of |maximum )input length|input (token count|length).{0,40}exceed|"
    r"reduce (the length|your prompt|the number of tokens)|"
    r"exceeds? (the |this model's )?(maximum|max) (number of )?(input |prompt )?tokens|"
    r"(inputs?|prompt).{0,60}(must have less|must be <=|longer than the max)",
    re.I,
)
_SPENT = re.compile(
    r"insufficient.{0,12}(balance|credit|quota|funds)|(out of|no|not enough) credits?|credit balance|billing|"
    r"exceeded your current quota|payment required|account.{0,20}(suspended|deactivated|arrears)",
    re.I,
)
_NO_MODEL = re.compile(
    r"\bmodel\b(?:(?!\.\s)[^;\n]){0,80}?(not found|does ?n.t exist|does not exist|not exist)|"
    r"(no such|unknown|invalid) model\b",
    re.I,
)
_RATE = re.compile(r"\brate.?limit", re.I)
_CONTEXT_CODES = {"context_length_exceeded", "request_too_large", "string_above_max_length"}
_FILTER_CODES = {"content_filter", "content_policy_violation", "responsibleaipolicyviolation"}
_NO_MODEL_CODES = {"model_not_found", "model_not_exist"}
_RATE_CODES = {"rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "too_many_requests"}
_SPENT_CODES = {
    *("insufficient_quota", "insufficient_user_quota", "billing_hard_limit_reached", "billing_not_active")
}
_WAIT = re.compile(
    r"(?:try again|retry|come back|wait)\W{0,4}(?:in|after|for)?\W{0,4}((?:\d+(?:\.\d+)?\s*"
    r"(?:ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)(?![a-z])[\s,]*)+)",
    re.I,
)
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|mil|[smhd])", re.I)
_UNITS = {"ms": 0.001, "mil": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True)
class Fault:
    """A failed attempt.

    `reason` is a sentence for people, `retry` whether the same request may succeed later, `wait_s` the wait
    that the endpoint asked for. `params` are the request parameters it blamed; `refusal` is True where the
    request itself was turned down and a corrected one may be accepted.
    """

    kind: ErrorKind
    reason: str
    retry: bool
    wait_s: float | None = None
    params: tuple[str, ...] = ()
    refusal: bool = False


class StreamError(ValueError):
    """The response could be read but is not a sensible answer: wrong shapes, or an end without a finish."""

    def __init__(self, kind: ErrorKind, reason: str, *, retry: bool = True) -> None:
        super().__init__(reason)
        self.kind: ErrorKind = kind
        self.retry = retry


class ToldError(ValueError):
    """The endpoint reported an error in place of an answer or in the middle of one; `body` is its JSON
    data.
    """

    def __init__(self, body: Any) -> None:
        super().__init__("the endpoint reported an error")
        self.body = body


def fault_of(error: Exception) -> Fault:
    """The fault that an exception of the SDK, its HTTP client, or `engine.models.chunks` stands for."""
    import httpx2
    import openai

    if isinstance(error, StreamError):
        return Fault(error.kind, str(error), error.retry)
    if isinstance(error, ToldError):
        report = read_error(error.body)
        if report.status is not None:
            return _of_status(report.status, {}, report)
        words = report.words or "an error without words"
        return _of_words(words, report) or Fault(
            "server", words, True, _asked_wait(words), report.params, True
        )
    if isinstance(error, openai.APIStatusError):
        report = read_error(_body(error.response))
        return _of_status(error.status_code, error.response.headers, report)
    if isinstance(error, openai.APITimeoutError | httpx2.TimeoutException):
        return Fault("timeout", "no answer in time", retry=True)
    if isinstance(error, UnicodeEncodeError):
        return Fault("refused", "the prompt holds half a character (a lone surrogate)", retry=False)
    if isinstance(error, UnicodeDecodeError):
        return Fault("bad-response", "the answer is not UTF-8", retry=True)
    if isinstance(error, ValueError):
        return Fault("bad-response", f"the answer is not valid JSON ({error!s})", retry=True)
    cause = (error.__cause__ or error.__context__) if isinstance(error, openai.APIConnectionError) else error
    detail = f" ({cause!s})" if cause is not None and str(cause) else ""
    # Not the network's fault, so another attempt would fail in the same way.
    lasting = (httpx2.TooManyRedirects, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError)
    is_certificate = "CERTIFICATE_VERIFY_FAILED" in detail
    if is_certificate:
        detail += "; SSL_CERT_FILE names the certificates to trust"
    return Fault(
        "connection", f"the connection failed{detail}", not (is_certificate or isinstance(cause, lasting))
    )


def _body(response: Any) -> Any:
    try:
        return response.text
    except (ValueError, LookupError, RuntimeError):  # it cannot be decoded, or was not read
        return ""


def _of_status(status: int, headers: Mapping[str, str], report: Said) -> Fault:
    words = f"HTTP {status}: {report.words or _phrase(status)}"
    wait = retry_after(headers)
    wait = _asked_wait(f"{report.words} retry in {report.retry_delay}") if wait is None else wait
    if status in (429, 402):
        # A quota that comes back says when.
        broke = status == 402 or bool(report.codes & _SPENT_CODES) or (_SPENT.search(words) and wait is None)
        return Fault("rate-limit", words, retry=not broke, wait_s=wait)
    by_words = _of_words(words, report)
    if status >= 500 and by_words is not None and by_words.kind != "context-length":
        by_words = None  # its own trouble, whatever words it has for it
    if by_words is not None and by_words.kind != "rate-limit":
        return by_words
    if status in (401, 403, 407):
        return Fault("auth", words, retry=False, params=report.params, refusal=status == 403)
    if status in (404, 405, 410) or status < 400:  # a redirect that was not followed
        return Fault("not-found", words, retry=False, params=report.params, refusal=True)
    if status == 408:
        return Fault("timeout", words, retry=True, wait_s=wait)
    if status >= 500 or status in (409, 424, 425):
        return Fault("server", words, retry=status != 501, wait_s=wait, params=report.params, refusal=True)
    return by_words or Fault("refused", words, retry=False, params=report.params, refusal=True)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "no reason given"


def is_context_overflow(message: str) -> bool:
    """Whether an endpoint's words mean that the prompt was longer than the model's context."""
    return _CONTEXT.search(message) is not None


def _of_words(words: str, report: Said) -> Fault | None:
    """Faults that show in their code or wording, whatever the status; None where they do not."""
    if report.codes & _CONTEXT_CODES or is_context_overflow(words):
        return Fault("context-length", words, retry=False)
    if report.codes & _FILTER_CODES:
        return Fault("refused", words, retry=False)
    if report.codes & _NO_MODEL_CODES or _NO_MODEL.search(words):
        return Fault("not-found", words, retry=False)
    if report.codes & _SPENT_CODES or _SPENT.search(words):
        return Fault("rate-limit", words, retry=False)
    if report.codes & _RATE_CODES or _RATE.search(words):
        return Fault("rate-limit", words, retry=True, wait_s=_asked_wait(words))
    return None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The wait in seconds that a response's headers ask for; None where they ask for none or cannot be
    read.
    """
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


def _asked_wait(words: str) -> float | None:
    """As `retry_after`, from words such as "try again in 7m12s"."""
    match = _WAIT.search(words)
    if match is None:
        return None
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in _SPAN.findall(match[1]))


def come_back(wait_s: float, now: datetime | None = None) -> str:
    """A sentence that says how long a wait is, and when it is over in local time."""
    now = now or datetime.now().astimezone()
    then = datetime.fromtimestamp(now.timestamp() + min(wait_s, 3.2e8), now.tzinfo)
    day = "" if then.date() == now.date() else f"{then:%Y-%m-%d} "
    minutes = math.ceil(wait_s / 60)
    span = f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 60)} hours"
    return f"it asks to come back in {span}, at {day}{then:%H:%M}"


def clip(text: str) -> str:
    """The text as one line of at most 300 characters; servers answer with whole HTML pages."""
    line = " ".join(text.split())
    return line if len(line) <= _CLIP else line[:_CLIP] + "…"
