"""A value in parts: each text in it as itself, and JSON only for what is no text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tui.safe import clean, one_line

MOST_PARTS = 24  # of a list or an object; one with more is JSON as a whole
_MOST_DEPTH = 20

Path = tuple[str | int, ...]


class Part(NamedTuple):
    """A text of a value, or a piece of it that holds none, as JSON."""

    path: Path
    title: str
    text: str
    is_json: bool


def parts_of(value: Any) -> list[Part]:
    """What a value is shown and edited as, in order; a chat message is its content, under its role."""
    parts = list(_parts(value, (), 0))
    return parts if parts else [_json_part(value, ())]


def _parts(value: Any, path: Path, depth: int) -> Iterator[Part]:
    if isinstance(value, str):
        yield Part(path, _title(path), value, is_json=False)
        return
    if _is_message(value):
        yield Part((*path, "content"), _title((*path, value["role"])), value["content"], is_json=False)
        return
    inner: list[Part] = []
    if isinstance(value, dict | list) and depth < _MOST_DEPTH and len(value) <= MOST_PARTS:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        inner = [part for key, item in items for part in _parts(item, (*path, key), depth + 1)]
    has_text = any(not part.is_json for part in inner)
    is_arguments = not path and isinstance(value, dict)
    if inner and len(inner) <= MOST_PARTS and (has_text or is_arguments):
        yield from inner
    else:
        yield _json_part(value, path)


def _is_message(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"role", "content"}
        and all(isinstance(text, str) for text in value.values())
    )


def _json_part(value: Any, path: Path) -> Part:
    return Part(path, _title(path), as_json(value), is_json=True)


def _title(path: Path) -> str:
    """As `fork --set` names the place: names and list positions with dots between them."""
    return one_line(".".join(map(str, path)), 80)


def as_json(value: Any) -> str:
    """As JSON a person can edit. Control codes come out escaped; direction marks are taken out."""
    return clean(json.dumps(value, ensure_ascii=False, indent=2, default=repr))
