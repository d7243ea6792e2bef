"""JSON objects: read into dataclasses, where pydantic checks the fields and an error is one sentence, and
found in a model's reply.

Two kinds of data are read by hand: problems, because people write them and need a message for each field
(`engine.problems`), and events, because a trace has tens of thousands of them (`engine.event_json`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")
_MAX_OBJECTS = 2_000  # in a text, that are looked at


def read_object(kind: type[T], data: object, what: str, error: type[Exception] = ValueError) -> T:
    """The dataclass `kind` from `data`, the decoded JSON of what `dataclasses.asdict` wrote.

    `what` names it in messages. Raises `error` where `data` is not an object, or a field is missing, unknown
    or of the wrong type.
    """
    from pydantic import ValidationError

    if not isinstance(data, Mapping):
        raise error(f"{what} is a {type(data).__name__}, not a JSON object")
    adapter, names = _adapter(kind)
    if unknown := sorted(set(map(str, data)) - names):
        raise error(f"{what} has no field {unknown[0]!r}: was it written by another version?")
    try:
        return adapter.validate_python(dict(data))
    except ValidationError as wrong:
        first = wrong.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise error(f"{what}: {where}: {first['msg']}; was it written by another version?") from None


def last_object(text: str, key: str) -> dict[str, Any] | None:
    """The last top-level JSON object in a text that has `key`, or None. Line breaks inside its strings are
    forgiven.
    """
    decoder = json.JSONDecoder(strict=False)
    found: dict[str, Any] | None = None
    position = 0
    for _ in range(_MAX_OBJECTS):
        position = text.find("{", position)
        if position < 0:
            break
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            position += 1
            continue
        if isinstance(value, dict) and key in value:
            found = value
    return found


@lru_cache
def _adapter(kind: type[Any]) -> tuple[TypeAdapter[Any], frozenset[str]]:
    from dataclasses import fields

    from pydantic import TypeAdapter

    return TypeAdapter(kind), frozenset(field.name for field in fields(kind))
