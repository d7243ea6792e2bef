"""What an endpoint says is wrong, read out of an error body of any shape.

OpenAI sends `{"error": {"message", "code", "param"}}`. Others send a string, a list, `detail` (FastAPI),
`errors`, `message` (as text or as an object), Google's `details`, a gateway's error around its provider's,
JSON as text in any of these, a web page, plain text, or nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_WORDS = (
    *("message", "msg", "error_message", "error_msg", "errorMessage", "faultstring", "error", "errors"),
    *("detail", "details", "error_description", "description", "reason", "title", "fault", "cause"),
)
_NO_WORDS = (
    "code",
    "type",
    "status",
    "param",
    "loc",
    "object",
    "success",
    "request_id",
    "requestId",
    "input",
)
_PARAMS = ("param", "parameter", "field")
_CODES = ("code", "error_code", "errorCode", "type", "status")
_STATUSES = ("code", "status", "statusCode", "status_code", "error_code", "http_status")
_MOST_ITEMS, _DEEPEST, _MOST_WORDS = 8, 12, 4000
_LONGEST, _PAGE = 64 << 10, 8 << 10  # characters of JSON within text, and of a page, that are read
_TAGS = re.compile(r"<(script|style)\b.*?</\1>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True)
class Said:
    """An error in the endpoint's words. `codes` are its codes for programs, in lower case, `params` the
    request parameters it blames, `status` the HTTP status that the body names, if any.
    """

    words: str
    codes: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    status: int | None = None
    retry_delay: str = ""  # as in "34s"


def read_error(body: Any) -> Said:
    """Read a body, which is JSON data or text. Never raises; a body that says nothing gives no words."""
    body = _as_data(body)
    parts = list(_objects(body))
    codes = (part.get(name) for part in parts for name in _CODES)
    return Said(
        _words(body)[:_MOST_WORDS],
        frozenset(code.lower() for code in codes if isinstance(code, str) and code),
        tuple(dict.fromkeys(_params(parts))),
        next((s for part in parts for name in _STATUSES if (s := _status(part.get(name)))), None),
        next((d for part in parts if isinstance(d := part.get("retryDelay"), str)), ""),
    )


def page_title(page: str) -> str:
    """The title of a web page, else the beginning of its text; at most 200 characters."""
    page = page[:_PAGE]
    title = _TITLE.search(page)
    return " ".join((title[1] if title else _TAGS.sub(" ", page)).split())[:200]


def parsed(text: bytes | str) -> Any:
    """JSON as data. Raises ValueError, whatever is wrong with it (also where it is nested too deeply)."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _as_data(value: Any) -> Any:
    """JSON text as data; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and len(value) <= _LONGEST:
        try:
            return parsed(value)
        except ValueError:
            return value
    return value


def _objects(value: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """All objects in the body, the outer ones first."""
    value = _as_data(value)
    if depth > _DEEPEST:
        return
    if isinstance(value, dict):
        yield value
        for inner in list(value.values())[: _MOST_ITEMS * 4]:
            yield from _objects(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value[:_MOST_ITEMS]:
            yield from _objects(inner, depth + 1)


def _params(parts: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        names = [part.get(name) for name in _PARAMS]
        loc = part.get("loc")
        names += (
            [next((p for p in reversed(loc) if isinstance(p, str)), None)] if isinstance(loc, list) else []
        )
        for name in names:
            if isinstance(name, str) and name:
                yield name.removeprefix("body.").rsplit(".", 1)[-1] if "[" not in name else name


def _status(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) == 3:
        value = int(value)
    return value if isinstance(value, int) and 400 <= value <= 599 else None


def _words(value: Any, depth: int = 0) -> str:
    """The words for people in a value; "" where there are none."""
    value = _as_data(value)
    if isinstance(value, str):
        return page_title(value) if value.lstrip()[:1] == "<" else value.strip()
    if depth > _DEEPEST:
        return ""
    if isinstance(value, list):
        texts = (_words(item, depth + 1) for item in value[:_MOST_ITEMS])
        return "; ".join(dict.fromkeys(words for words in texts if words))
    if isinstance(value, dict):
        return _words_of_object(value, depth)
    return ""


def _words_of_object(value: dict[str, Any], depth: int) -> str:
    message = next((words for name in _WORDS if (words := _words(value.get(name), depth + 1))), "")
    if message:
        # What a gateway's provider said, which the gateway's own words leave out.
        metadata = value.get("metadata")
        raw = _words(metadata.get("raw"), depth + 1) if isinstance(metadata, dict) else ""
        loc = value.get("loc")
        where = ".".join(str(p) for p in loc if p != "body") if isinstance(loc, list) else ""
        return (
            f"{where}: {message}"
            if where
            else f"{message} ({raw})"
            if raw and raw not in message
            else message
        )
    # Fields of the request by name, as in {"seed": ["is not allowed"]}.
    named = ((k, _words(v, depth + 1)) for k, v in list(value.items())[:_MOST_ITEMS] if k not in _NO_WORDS)
    if by_field := "; ".join(f"{name}: {words}" for name, words in named if words):
        return by_field
    code = next((value[name] for name in _CODES if isinstance(value.get(name), str | int)), "")
    return str(code)
