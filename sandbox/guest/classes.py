"""A class of the solution's, told to the half that judges: names and shapes, no code."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from typing import Any

# What the judging half forwards to an object that stays with the solution.
TEXTS = ("__str__", "__repr__")
COMPARISONS = ("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__")
_ARITHMETIC = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_OTHERS = """
    bool len length_hint iter next reversed contains getitem setitem delitem missing call enter exit aenter
    aexit aiter anext await neg pos abs invert int float complex index round trunc floor ceil bytes fspath
    format copy deepcopy dir
"""
SPECIAL = (
    *TEXTS,
    *COMPARISONS,
    *(
        f"__{prefix}{name}__"
        for name in _ARITHMETIC.split()
        for prefix in ("", "r", "i")
        if prefix + name != "idivmod"
    ),
    *(f"__{name}__" for name in _OTHERS.split()),
)
PLAIN: tuple[type, ...] = (
    list,
    dict,
    set,
    deque,
    frozenset,
    tuple,
    str,
    bytes,
    bytearray,
    int,
    float,
    complex,
)
_ENUMS = (enum.IntFlag, enum.Flag, enum.StrEnum, enum.IntEnum, enum.Enum)


def kind_of(cls: type) -> str:
    """How objects of a class cross: as an exception, by name, by content, or not at all ("object")."""
    if issubclass(cls, BaseException):
        return "exception"
    if issubclass(cls, enum.Enum):
        return "enum"
    if issubclass(cls, tuple) and isinstance(getattr(cls, "_fields", None), tuple):
        return "namedtuple"
    return "value" if issubclass(cls, PLAIN) else "object"


def describe(cls: Any) -> dict[str, Any]:
    """What the other half makes its stand-in from; all of it JSON."""
    kind = kind_of(cls)
    base = next((b for b in cls.__mro__ if b.__module__ == "builtins"), object)
    if kind == "namedtuple":
        base = tuple
    own = [name for name in SPECIAL if getattr(cls, name, None) is not getattr(base, name, None)]
    told: dict[str, Any] = {
        "name": cls.__name__,
        "qualname": cls.__qualname__,
        "own": cls.__module__ == "solution",
        "doc": cls.__doc__ if isinstance(cls.__doc__, str) else None,
        "kind": kind,
        "special": [name for name in own if getattr(cls, name, None) is not None],
        "hashable": cls.__hash__ is not None,
    }
    if kind in ("value", "namedtuple"):
        told["methods"] = [
            name
            for name in dir(base)
            if not name.startswith("__") and getattr(cls, name, None) is not getattr(base, name)
        ]
    if kind == "namedtuple":
        told["fields"] = list(cls._fields)
    elif kind == "enum":
        told["enum"] = next(b.__name__ for b in _ENUMS if issubclass(cls, b))
    elif dataclasses.is_dataclass(cls):
        told["fields"] = [field.name for field in dataclasses.fields(cls)]
        told["generated"] = _generated(cls)
    match = getattr(cls, "__match_args__", None)
    if isinstance(match, tuple) and all(isinstance(name, str) for name in match):
        told["match"] = list(match)
    return told


def _generated(cls: Any) -> bool:
    """Whether a dataclass's `__eq__` is the one that compares its fields."""
    code = getattr(cls.__eq__, "__code__", None)
    return code is not None and code.co_filename == "<string>"


def bases_of(cls: type) -> list[type]:
    """The bases that the other half can name or stand in for, nearest first."""
    found: list[type] = []
    for base in cls.__bases__:
        if base is object or base.__module__ in ("typing", "abc"):
            continue
        found.append(base)
    return found


def is_member(value: Any) -> bool:
    """Whether an enum's member has a name of its own, as a combination of flags has not."""
    return value.name in type(value).__members__
