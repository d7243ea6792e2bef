"""Events as JSON, and back: `to_json` and `from_json` are inverse to each other."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

from engine.events import EVENTS, Event


class UnknownEventError(ValueError):
    """The JSON has an event kind or fields that this version does not know."""


def to_json(event: Event) -> dict[str, Any]:
    """The event as JSON-ready data: its kind first, then its fields."""
    data: dict[str, Any] = {"kind": event.kind}
    for name in _fields(type(event)):
        value = getattr(event, name)
        data[name] = list(value) if isinstance(value, tuple) else value
    return data


def from_json(data: Mapping[str, Any]) -> Event:
    """The inverse of `to_json`.

    Raises:
        UnknownEventError: the kind is unknown, or a field is missing, unknown or of the wrong type.
    """
    kind = data.get("kind")
    cls = EVENTS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise UnknownEventError(f"unknown event kind {kind!r}: was it written by a newer version?")
    hints = _hints(cls)
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "kind":
            continue
        if name not in hints:
            raise UnknownEventError(
                f"event {kind!r} has no field {name!r}: was it written by a newer version?"
            )
        values[name] = _coerce(value, hints[name], f"{kind}.{name}")
    try:
        return cls(**values)
    except TypeError as error:
        raise UnknownEventError(f"event {kind!r}: {error}") from None


_FIELDS: dict[type[Event], tuple[str, ...]] = {}
_HINTS: dict[type[Event], dict[str, Any]] = {}


def _fields(cls: type[Event]) -> tuple[str, ...]:
    if cls not in _FIELDS:
        _FIELDS[cls] = tuple(f.name for f in dataclasses.fields(cls))
    return _FIELDS[cls]


def _hints(cls: type[Event]) -> dict[str, Any]:
    if cls not in _HINTS:
        hints = typing.get_type_hints(cls)
        _HINTS[cls] = {name: hints[name] for name in _fields(cls)}
    return _HINTS[cls]


def _coerce(value: Any, hint: Any, where: str) -> Any:
    """Check `value` against a field's type; JSON lists become the tuples the fields declare."""
    origin = get_origin(hint)
    if hint is Any:
        return value
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in get_args(hint):
            return None
        (hint,) = [a for a in get_args(hint) if a is not type(None)]
        return _coerce(value, hint, where)
    if origin is Literal:
        if value not in get_args(hint):
            raise UnknownEventError(
                f"{where} is {value!r}, not one of {', '.join(map(repr, get_args(hint)))}"
            )
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UnknownEventError(f"{where} is not a list")
        return tuple(_coerce(v, get_args(hint)[0], where) for v in value)
    if origin is dict:
        hint = dict
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint in (int, float) and isinstance(value, bool)):
        raise UnknownEventError(f"{where} is a {type(value).__name__}, not a {hint.__name__}")
    return value
