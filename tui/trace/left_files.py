"""The files that a program left in its directory, in a line for the trace."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from tui.safe import one_line

_SHOWN = 8
_TEXT_CHARS = 20_000


def left_files(verdict: Mapping[str, Any]) -> str:
    """`a.png (12 kB), b.csv (8 B)`, and those that were refused, with the reason; empty for none."""
    kept = [f"{_name(file)} ({_size(file.get('size'))})" for file in _records(verdict, "files")]
    kept += [
        f"{_name(file)} (refused: {one_line(str(file.get('reason')), 80)})"
        for file in _records(verdict, "refused")
    ]
    more = f" and {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""
    return ", ".join(kept[:_SHOWN]) + more


def file_texts(verdict: Mapping[str, Any], files: Iterable[Mapping[str, str]]) -> str:
    """The files one by one: texts with what is in them, others with what they begin with."""
    parts = [f"── {_name(file)} ──\n{_content(str(file.get('base64') or ''))}" for file in files]
    parts += [
        f"── {_name(file)} ──\nrefused: {one_line(str(file.get('reason')), 200)}"
        for file in _records(verdict, "refused")
    ]
    return "\n\n".join(parts)


def _content(encoded: str) -> str:
    try:
        data = base64.b64decode(encoded)
    except (binascii.Error, ValueError):
        return "damaged: cannot be decoded"
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{len(data):,} bytes, not text; they begin {data[:32].hex(' ')}"
    if len(text) <= _TEXT_CHARS:
        return text
    return f"{text[:_TEXT_CHARS]}\n… {len(text) - _TEXT_CHARS:,} more characters; --out writes files whole"


def _records(verdict: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """A stored trace may hold anything."""
    found = verdict.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list | tuple) else []


def _name(file: Mapping[str, Any]) -> str:
    return one_line(str(file.get("name")), 80)


def _size(size: object) -> str:
    if not isinstance(size, int):
        return "?"
    return (
        f"{size} B"
        if size < 1000
        else f"{size / 1000:,.1f} kB"
        if size < 1_000_000
        else f"{size / 1e6:,.1f} MB"
    )
