"""The files that a program left in its directory, in a line for the trace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tui.safe import one_line

_SHOWN = 8


def left_files(verdict: Mapping[str, Any]) -> str:
    """`a.png (12 kB), b.csv (8 B)`, and those that were refused, with the reason; empty for none."""
    kept = [f"{_name(file)} ({_size(file.get('size'))})" for file in _records(verdict, "files")]
    kept += [
        f"{_name(file)} (refused: {one_line(str(file.get('reason')), 80)})"
        for file in _records(verdict, "refused")
    ]
    more = f" and {len(kept) - _SHOWN} more" if len(kept) > _SHOWN else ""
    return ", ".join(kept[:_SHOWN]) + more


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
