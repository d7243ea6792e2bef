"""What data from elsewhere must look like, said as data: types, sizes, ranges, and nothing besides.

    POINT = Record({"x": Whole(0, 9), "name": Text(20)})
    POINT.check({"x": 3, "name": "here"}, "a point")

Checked once, where it arrives, so that nothing behind that has to doubt it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

_SHOWN = 40


class SchemaError(ValueError):
    """Data that is not as it must be; the message says where and what was expected."""


class Schema(Protocol):
    """A kind of value."""

    def check(self, value: Any, where: str) -> None:
        """Raises SchemaError, calling the value `where`."""
        ...


class Anything:
    """Whatever there is; for what somebody else checks."""

    def check(self, value: Any, where: str) -> None:
        """Never raises."""


class Text:
    """A string of at most `most` characters."""

    def __init__(self, most: int) -> None:
        self._most = most

    def check(self, value: Any, where: str) -> None:
        if type(value) is not str or len(value) > self._most:
            raise SchemaError(f"{where} must be a text of at most {self._most} characters")


class Whole:
    """An integer from `least` to `most`; True and False are none."""

    def __init__(self, least: int, most: int) -> None:
        self._least, self._most = least, most

    def check(self, value: Any, where: str) -> None:
        if type(value) is not int or not self._least <= value <= self._most:
            raise SchemaError(f"{where} must be a whole number from {self._least} to {self._most}")


class Number:
    """A finite number of at least `least`."""

    def __init__(self, least: float = -math.inf) -> None:
        self._least = least

    def check(self, value: Any, where: str) -> None:
        good = type(value) is int or (type(value) is float and math.isfinite(value))
        if not good or value < self._least:
            raise SchemaError(f"{where} must be a finite number{'' if self._least < 0 else ', not negative'}")


class Flag:
    """True or False."""

    def check(self, value: Any, where: str) -> None:
        if type(value) is not bool:
            raise SchemaError(f"{where} must be true or false")


class OneOf:
    """One of a few texts, or None where it is among them."""

    def __init__(self, *known: str | None) -> None:
        self._known = known

    def check(self, value: Any, where: str) -> None:
        if not (value is None or type(value) is str) or value not in self._known:
            raise SchemaError(f"{where} must be one of {', '.join(map(str, self._known))}")


class Maybe:
    """None, or what `kind` says."""

    def __init__(self, kind: Schema) -> None:
        self._kind = kind

    def check(self, value: Any, where: str) -> None:
        if value is not None:
            self._kind.check(value, where)


class Items:
    """A list (or tuple) of at most `most` values of one kind."""

    def __init__(self, kind: Schema, most: int) -> None:
        self._kind, self._most = kind, most

    def check(self, value: Any, where: str) -> None:
        if type(value) not in (list, tuple) or len(value) > self._most:
            raise SchemaError(f"{where} must be a list of at most {self._most}")
        for index, item in enumerate(value):
            self._kind.check(item, f"{where}[{index}]")


class Names:
    """An object of at most `most` values, whatever they are, each with a text for its name."""

    def __init__(self, most: int) -> None:
        self._most = most

    def check(self, value: Any, where: str) -> None:
        if type(value) is not dict or len(value) > self._most or any(type(key) is not str for key in value):
            raise SchemaError(f"{where} must be at most {self._most} values with names")


class Record:
    """An object with exactly these fields; those of `optional` may be missing."""

    def __init__(self, fields: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> None:
        self._fields = {**fields, **(optional or {})}
        self._needed = frozenset(fields)

    def check(self, value: Any, where: str) -> None:
        if type(value) is not dict:
            raise SchemaError(f"{where} must be an object")
        for name in self._needed:
            if name not in value:
                raise SchemaError(f"{where} lacks {name}")
        for name, item in value.items():
            kind = self._fields.get(name) if type(name) is str else None
            if kind is None:
                raise SchemaError(f"{where} has no {ascii(name)[:_SHOWN]}")
            kind.check(item, f"{where}.{name}")
