"""Values of the standard library that cross from one process to another as what they are.

Each kind says how a value is taken apart into plainer ones and how it is put together again. The
receiver looks the class up here: a message names a kind, and never brings code or a class along.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from typing import Any, NamedTuple


class UnknownKindError(ValueError):
    """A message names a class that values here are not made of."""


class Kind(NamedTuple):
    """`take` turns a value into its parts, `make` parts into a value (given the class first)."""

    take: Callable[[Any], tuple[Any, ...]]
    make: Callable[..., Any]


def _fields(*names: str) -> Callable[[Any], tuple[Any, ...]]:
    return lambda value: tuple(getattr(value, name) for name in names)


def _call(kind: Any, *parts: Any) -> Any:
    return kind(*parts)


def _datetime(kind: Any, *parts: Any) -> Any:
    *rest, fold = parts
    return kind(*rest, fold=fold)


def _pattern(kind: Any, *parts: Any) -> Any:
    return importlib.import_module("re").compile(*parts)


def _match(kind: Any, pattern: Any, text: Any, start: int, end: int, span: Any) -> Any:
    """The match that `pattern` makes again; one that it does not make is refused."""
    for find in (pattern.match, pattern.fullmatch, pattern.search):
        match = find(text, start, end)
        if match is not None and match.span() == tuple(span):
            return match
    if list(span) and (match := pattern.match(text, span[0], end)) and match.span() == tuple(span):
        return match  # one of `finditer`
    raise ValueError("a match that its pattern does not make")


def _array(kind: Any, code: str, items: Any) -> Any:
    return kind(code, items)


_TEXT = Kind(lambda value: (str(value),), _call)
_CLOCK = ("hour", "minute", "second", "microsecond", "tzinfo", "fold")
_KINDS: dict[str, Kind] = {
    "datetime.date": Kind(_fields("year", "month", "day"), _call),
    "datetime.datetime": Kind(_fields("year", "month", "day", *_CLOCK), _datetime),
    "datetime.time": Kind(_fields(*_CLOCK), _datetime),
    "datetime.timedelta": Kind(_fields("days", "seconds", "microseconds"), _call),
    "datetime.timezone": Kind(lambda value: tuple(value.__getinitargs__()), _call),
    "zoneinfo.ZoneInfo": Kind(_fields("key"), _call),
    "uuid.UUID": Kind(lambda value: (value.hex,), _call),
    "pathlib.PosixPath": _TEXT,
    "pathlib.PurePosixPath": _TEXT,
    "pathlib.PureWindowsPath": _TEXT,
    "ipaddress.IPv4Address": _TEXT,
    "ipaddress.IPv6Address": _TEXT,
    "ipaddress.IPv4Network": _TEXT,
    "ipaddress.IPv6Network": _TEXT,
    "builtins.slice": Kind(_fields("start", "stop", "step"), _call),
    "builtins.mappingproxy": Kind(lambda value: (dict(value),), _call),
    "re.Pattern": Kind(_fields("pattern", "flags"), _pattern),
    "re.Match": Kind(lambda value: (value.re, value.string, value.pos, value.endpos, value.span()), _match),
    "array.array": Kind(lambda value: (value.typecode, value.tolist()), _array),
}
# `type(value)` says another name than the module has.
_WHERE = {"builtins.mappingproxy": ("types", "MappingProxyType")}

# Classes that may be named: a solution that returns `int` returns the class.
_NAMED = ("builtins", "collections.abc", "datetime", "decimal", "fractions", "numbers", "pathlib", "uuid")
_CLASSES = {
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque"),
    "enum": ("Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum"),
    "types": ("FunctionType", "GeneratorType", "CoroutineType"),
}
_SINGLE = {"Ellipsis": Ellipsis, "NotImplemented": NotImplemented}
_ALIASES = {"NoneType": type(None), "ellipsis": type(Ellipsis), "NotImplementedType": type(NotImplemented)}


def find(value: Any) -> tuple[str, tuple[Any, ...]] | None:
    """The name of a value's kind and its parts; None where it is of none."""
    cls = type(value)
    name = f"{cls.__module__}.{cls.__qualname__}"
    kind = _KINDS.get(name)
    if kind is None or _class(name, load=False) is not cls:
        return None
    return name, kind.take(value)


def make(name: str, parts: list[Any]) -> Any:
    """The value of a kind's parts. Raises UnknownKindError, and what its class raises for wrong parts."""
    kind = _KINDS.get(name)
    if kind is None:
        raise UnknownKindError(f"no value is made of {name!r}")
    return kind.make(_class(name, load=True), *parts)


def _class(name: str, *, load: bool) -> Any:
    module, _, attribute = name.rpartition(".")
    module, attribute = _WHERE.get(name, (module, attribute))
    found = importlib.import_module(module) if load else sys.modules.get(module)
    return getattr(found, attribute, None)


def name_of(value: Any) -> str | None:
    """How a class or singleton of the standard library is named; None for anything else."""
    if value is Ellipsis or value is NotImplemented:
        return repr(value)
    if not isinstance(value, type):
        return None
    cls: Any = value
    if cls in _ALIASES.values():
        return cls.__name__
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        return name if named(name, load=False) is value else None
    except UnknownKindError:
        return None


def named(name: str, *, load: bool = True) -> Any:
    """The class or singleton of that name. Raises UnknownKindError where it may not be named."""
    if name in _SINGLE:
        return _SINGLE[name]
    if name in _ALIASES:
        return _ALIASES[name]
    module, _, attribute = name.rpartition(".")
    if module in _NAMED or attribute in _CLASSES.get(module, ()):
        found: Any = importlib.import_module(module) if load else sys.modules.get(module)
        value = getattr(found, attribute, None)
        if isinstance(value, type):
            return value
    raise UnknownKindError(f"no class is named {name!r} here")
