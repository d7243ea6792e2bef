"""Text made fit for a column: shortened, on one line, searchable, or reduced to a signature."""

from __future__ import annotations

import re

_QUOTED = re.compile(r"""'[^'\n]*'|"[^"\n]*"|`[^`\n]*`""")
_PATH = re.compile(r"(?<![\w.])~?(?:/[\w.@+-]+){2,}/?")
_NUMBER = re.compile(r"\b0x[0-9a-fA-F]+\b|\b\d+(?:\.\d+)?(?:e[+-]?\d+)?\b|\b[0-9a-f]{12,}\b")
_SPACE = re.compile(r"\s+")
SIGNATURE_CHARS = 160


def plain(text: str, limit: int | None = None) -> str:
    """The text as SQLite's TEXT functions take it: no lone surrogates, no NUL; cut to `limit` characters."""
    if limit is not None and len(text) > limit:
        text = text[: limit - 1] + "…"
    if not text.isascii():
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "\ufffd")


def excerpt(text: str, limit: int) -> str:
    """The text's beginning on one line, at most `limit` characters."""
    return plain(_SPACE.sub(" ", text[: 4 * limit]).strip(), limit)


def error_signature(where: str, error: str) -> str:
    """What failures of one cause share: the place, the exception type and the message's fixed words.

    >>> error_signature("CodeTest", "KeyError: 'a3' in /tmp/x/y.py line 12")
    'CodeTest: KeyError: <text> in <path> line <n>'
    """
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    message = lines[-1][:1000] if lines else "no message"
    message = _QUOTED.sub("<text>", message)
    message = _PATH.sub("<path>", message)
    message = _NUMBER.sub("<n>", message)
    return plain(f"{where}: {_SPACE.sub(' ', message)}", SIGNATURE_CHARS)
