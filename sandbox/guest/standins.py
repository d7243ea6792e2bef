"""What stands in the tests' process for objects and classes that stay in the solution's.

A stand-in is of a class made here, with the names the other end told and methods that only pass on a
request. Of an allow-list of special methods it has those that the real class has, so that `len(x)` or
`callable(x)` answer as they would there.
"""

from __future__ import annotations

import enum
import importlib
import types
from abc import ABCMeta
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import classes, codec, decoys, tolerance
from .line_messages import Reading

if TYPE_CHECKING:
    from .checker_line import CheckerEnd

_ENUMS = {kind.__name__: kind for kind in (enum.Enum, enum.IntEnum, enum.StrEnum, enum.Flag, enum.IntFlag)}


# What Python and its tools ask any function for, where the answer is no.
_LOOKED_FOR = ("__wrapped__", "__signature__", "__text_signature__", "_is_coroutine", "__unittest_skip__")
_END = "@end"  # no attribute of any program's


class SolutionClass(type):
    """The class of classes that are the solution's: an instance is made, and an attribute found, there."""

    def __new__(mcs, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> Any:
        if _END not in names:
            end = next(end for base in bases if (end := getattr(base, _END, None)) is not None)
            raise end.refuse("not-plain-data", f"a test derives the class {name} from one of the solution's")
        return super().__new__(mcs, name, bases, names)

    def __init__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> None:
        super().__init__(name, bases, names)

    def __call__(cls, /, *args: Any, **kwargs: Any) -> Any:
        return _end_of(cls).request("call", cls, "", *args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        if name == _END or (name.startswith("__") and name.endswith("__")):
            raise AttributeError(name)
        return _end_of(cls).request("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        _end_of(cls).request("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        _end_of(cls).request("delete", cls, name)


def _end_of(cls: type) -> CheckerEnd:
    return getattr(cls, _END)


def make_class(end: CheckerEnd, reading: Reading, row: list[Any]) -> Any:
    """The class for a row `C`. Raises codec.MalformedError where it may not be one here."""
    _, told, refs, members = row
    kind, name = told["kind"], str(told["name"])
    if kind not in ("exception", "enum", "namedtuple") and not end.allows_objects:
        raise codec.MalformedError(f"the class {name} is not plain data")
    known = [reading.value(ref) for ref in refs]
    if kind == "enum":
        return _make_enum(end, told, known, [(key, reading.value(ref)) for key, ref in members])
    names = {_END: end, "__doc__": told["doc"], "__module__": "solution", "__qualname__": told["qualname"]}
    names |= _methods(end, told)
    bases = [base for base in known if isinstance(base, type) and not _is_abstract(base)]
    if kind == "object":
        bases = [base for base in bases if isinstance(base, SolutionClass)]
    if kind == "namedtuple":
        from collections import namedtuple

        bases = [namedtuple(name, told["fields"])]
    try:
        cls = SolutionClass(name, tuple(bases), names)
    except TypeError:  # bases that do not go together without what is between them there
        root = BaseException if kind == "exception" else object
        cls = SolutionClass(name, tuple(b for b in bases[:1] if issubclass(b, root)) or (root,), names)
    for base in known:
        if isinstance(base, type) and _is_abstract(base):
            base.register(cls)  # type: ignore[attr-defined]
    return cls


def _is_abstract(base: type) -> bool:
    return isinstance(base, ABCMeta)


def _make_enum(
    end: CheckerEnd, told: dict[str, Any], known: list[Any], members: list[tuple[str, Any]]
) -> Any:
    mixed = [base for base in known if isinstance(base, type) and base in classes.PLAIN]
    shown = {name: forward(end, name) for name in told["special"] if name in classes.TEXTS}
    shown["__getattr__"] = _get(end)
    bases = (type("Forwarding", (), shown), *mixed, _ENUMS[told["enum"]])
    kind = type(bases[-1])
    names = kind.__prepare__(told["name"], bases)
    for key, value in members:
        if not key.isidentifier() or key.startswith("_"):  # it would be a method, or enum's own
            raise codec.MalformedError("no name of a member")
        names[key] = value
    names["__module__"] = "solution"
    names["__qualname__"] = told["qualname"]
    return kind(told["name"], bases, names)


def _get(end: CheckerEnd) -> Callable[[Any, str], Any]:
    def get(self: Any, name: str) -> Any:
        if (
            name.startswith("__")
            and name.endswith("__")
            and name not in ("__dict__", "__notes__", "__wrapped__")
        ):
            raise AttributeError(name)  # what Python itself looks for on a class
        if not end.known(self):  # one that was made here, as a copy
            raise AttributeError(name)
        return end.request("get", self, name)

    return get


def forward(end: CheckerEnd, name: str) -> Callable[..., Any]:
    """A special method that asks the solution's."""

    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return end.request("special", self, name, *args, **kwargs)

    return method


def _methods(end: CheckerEnd, told: dict[str, Any]) -> dict[str, Any]:
    """What the class has of its own here: the forwarded methods, and how it compares."""
    kind = told["kind"]
    names: dict[str, Any] = {"__getattr__": _get(end)}
    special = set(told["special"]) & set(classes.SPECIAL)
    if not end.allows_objects:
        special &= set(classes.TEXTS)
    names |= {name: forward(end, name) for name in special - set(classes.COMPARISONS)}
    if "__await__" in special:
        names["__await__"] = _awaited(end)
    if kind in ("value", "namedtuple") and end.allows_objects:
        names |= {
            str(name): _method(end, str(name)) for name in told["methods"] if not str(name).startswith("_")
        }
    if "match" in told:
        names["__match_args__"] = tuple(told["match"])
    # A plain value of a class of the solution's compares as a plain value. In one process other classes
    # may come along, such as the calls that a mock noted.
    if kind in ("value", "namedtuple") and "__eq__" in special and end.beside and not told["own"]:
        names |= _comparing(_equal(end), end, told)
    if kind in ("exception", "value", "namedtuple"):
        return names  # or compared as what they derive from
    names |= {name: forward(end, name) for name in special & {"__lt__", "__le__", "__gt__", "__ge__"}}
    names["__setattr__"] = lambda self, name, value: end.request("set", self, name, value)
    names["__delattr__"] = lambda self, name: end.request("delete", self, name)
    if "__eq__" in special:
        equal = _equal_fields(end, told["fields"]) if told.get("generated") else _equal(end)
        names |= _comparing(equal, end, told)
    names |= {name: forward(end, name) for name in ("__copy__", "__deepcopy__")}
    names["__reduce_ex__"] = _not_pickled(end)
    if "fields" in told:
        names["__dataclass_fields__"] = _fields(told["name"], told["fields"])
    return names


def _method(end: CheckerEnd, name: str) -> Callable[..., Any]:
    def method(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        return end.request("method", self, name, *args, **kwargs)

    return method


def _comparing(equal: Callable[[Any, Any], bool], end: CheckerEnd, told: dict[str, Any]) -> dict[str, Any]:
    """The methods of a class that says itself what its objects equal."""
    return {
        "__eq__": equal,
        "__ne__": lambda self, other: not equal(self, other),
        "__hash__": forward(end, "__hash__") if told["hashable"] else None,
    }


def _not_pickled(end: CheckerEnd) -> Callable[[Any, Any], Any]:
    def reduce(self: Any, protocol: Any) -> Any:
        raise end.refuse("not-plain-data", "an object of the solution's cannot be pickled by a test here")

    return reduce


def _awaited(end: CheckerEnd) -> Callable[[Any], Any]:
    def wait(self: Any) -> Any:
        return end.request("await", self)
        yield  # it is an iterator that ends at once

    return wait


def _fields(name: str, fields: list[str]) -> Any:
    dataclasses = importlib.import_module("dataclasses")
    return dataclasses.make_dataclass(name, fields).__dataclass_fields__


def _equal_fields(end: CheckerEnd, fields: list[str]) -> Callable[[Any, Any], bool]:
    """How a dataclass compares: class and fields, looked at here."""

    def equal(self: Any, other: Any) -> bool:
        other = tolerance.plain(other)
        if self is other:
            return True
        if type(self) is not type(other):
            return False
        return end.request("fields", self, "", *fields) == end.request("fields", other, "", *fields)

    return equal


def _equal(end: CheckerEnd) -> Callable[[Any, Any], bool]:
    """How an object compares whose class says how: asked there, about decoys as well.

    The solution cannot tell the expected value from values drawn beside it, so one that says yes to
    whatever it is asked is found out.
    """

    def equal(self: Any, other: Any) -> bool:
        other = tolerance.plain(other)
        if self is other:
            return True
        asked = decoys.among(other, known=end.known)
        answers = [(is_decoy, end.request("equal", self, "", value) is True) for is_decoy, value in asked]
        if decoys.lying(answers):
            raise end.refuse("", "an object equals values drawn at random", status="tampered")
        return any(equal for is_decoy, equal in answers if not is_decoy)

    return equal


def make_object(end: CheckerEnd, cls: Any) -> Any:
    """What stands for an object that stays with the solution. Raises codec.MalformedError."""
    if not end.allows_objects or not isinstance(cls, SolutionClass):
        raise codec.MalformedError("an object of the solution's")
    return object.__new__(cls)


def with_content(end: CheckerEnd, reading: Reading, row: list[Any], *, empty: bool = False) -> Any:
    """A value of a class of the solution's that derives from a plain one: what it holds is here."""
    cls = reading.value(row[1])
    base = next((base for base in classes.PLAIN if isinstance(cls, type) and issubclass(cls, base)), None)
    if base is None or not isinstance(cls, SolutionClass):
        raise codec.MalformedError("no class of values")
    new: Any = base.__new__
    if empty:
        return new(cls)
    inner = row[2]
    content = reading.value(inner[1]) if inner[0] == "x" else reading.values(inner[1])
    return new(cls, content)


def new_exception(kind: type[BaseException], args: list[Any]) -> BaseException:
    """An exception of a class of the solution's, made without asking it."""
    error = kind.__new__(kind, *args)
    error.args = tuple(args)
    return error


class Function:
    """A function of the solution's: a call, or an attribute, is asked for there."""

    __slots__ = ("__dict__", "__weakref__", "_end")

    def __init__(self, end: CheckerEnd, name: str) -> None:
        object.__setattr__(self, "_end", end)
        self.__dict__["__name__"] = self.__dict__["__qualname__"] = name

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return types.FunctionType

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._end.request("call", self, "", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in _LOOKED_FOR:
            raise AttributeError(name)
        return self._end.request("get", self, name)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


Function.__doc__ = property(lambda self: self._end.request("get", self, "__doc__"))  # type: ignore[assignment]
