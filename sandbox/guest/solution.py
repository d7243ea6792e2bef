"""Role `solution`: the untrusted half of a check.

It loads the solution and does what the checker asks of it. It never sees the socket a verdict travels
on; in a split check it has no test and no expected value either. What it sends is data, or the number of
an object that stays here.
"""

from __future__ import annotations

import builtins
import contextlib
import copy
import enum
import functools
import operator
import random
import types
from collections.abc import Iterator
from typing import Any

from . import child, classes, codec, frames, inprocess, judge, kinds, line, tampering
from .containers import tag_of
from .line_messages import Reading, Writing

_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
    functools.partial,
    functools._lru_cache_wrapper,
)

_LIBRARY = ("builtins", "itertools", "collections", "_collections")


def run(payload: dict[str, Any], control: frames.Wire, data: int) -> None:
    """Load, then serve. `control` stays silent: a verdict has no word of this process in it."""
    wire = frames.Wire(data, line.CAPS)
    mode = payload["mode"]
    if mode == "auto":
        mode = wire.receive()["mode"]
    names = judge.namespace(payload["prelude"], "solution")
    watch = tampering.Watch() if mode == "in-process" else None
    try:
        module = load(payload, names)
    except BaseException as error:  # whatever loading raised is the answer
        child.print_traceback(error)
        child.flush()
        wire.send({"loaded": False, "message": child.describe(error), "oom": isinstance(error, MemoryError)})
        return
    end = SolutionEnd(wire, module, objects=mode != "split")
    if watch is not None:
        end.tests = inprocess.Tests(end, watch, names, payload)
    with contextlib.suppress(EOFError, OSError):  # the checker is done
        if payload["mode"] != "auto":
            wire.receive()  # the mode, which is known
        wire.send({"loaded": True, **end.told_of(payload["entry_point"])})
        end.serve()


def load(payload: dict[str, Any], names: dict[str, Any]) -> types.ModuleType:
    """The solution's module. Whatever it raises comes through.

    It finds what the problem provides in `names`, but for the head of its own function, and its names are put
    there: a helper of the problem's may call them.
    """
    entry_point = payload["entry_point"]
    names.pop(entry_point, None)
    given = {name: value for name, value in names.items() if name.isidentifier() and name[:2] != "__"}
    module = child.load(payload["code"], "solution", "solution.py", given)
    if entry_point is not None and not hasattr(module, entry_point):
        raise NameError(f"the solution defines no {entry_point!r}")
    if entry_point is not None and not callable(getattr(module, entry_point)):
        raise TypeError(f"{entry_point!r} is not a function")
    # None that means something to tests without being asked for, `__builtins__` among them.
    kept_out = vars(builtins).keys() - {entry_point}
    names.update({n: v for n, v in vars(module).items() if n not in kept_out and n[:2] != "__"})
    return module


class SolutionEnd(line.Line):
    """What the solution's process hands out. `objects`: whether instances of its classes may be named."""

    def __init__(self, wire: frames.Wire, module: types.ModuleType, *, objects: bool) -> None:
        super().__init__(wire, 1)
        self.module = module
        self._objects = objects
        self.tests: inprocess.Tests | None = None

    def told_of(self, name: str | None) -> dict[str, Any]:
        """The message that hands out what the module has under `name`; nothing where it cannot cross."""
        try:
            return self.write(getattr(self.module, name)) if name else {}
        except (codec.NotPlainError, codec.TooBigError):
            return {}

    # Doing what the checker asks.

    def perform(self, op: str, name: str, target: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """One request of the checker's; it may ask for anything."""
        if op == "call":
            return target(*args, **kwargs)
        if op == "next":
            return line.take(target, args[0])
        if op == "get":
            return getattr(target, name)
        if op == "method":
            return getattr(target, name)(*args, **kwargs)
        if op == "special":
            return self._special(name, target, args, kwargs)
        if op == "await":
            return line.run_await(getattr(target, name)() if name else target)
        return self._rarer(op, name, target, args)

    def _special(self, name: str, target: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        if name in ("__copy__", "__deepcopy__"):
            return (copy.copy if name == "__copy__" else copy.deepcopy)(target)
        return getattr(type(target), name)(target, *args, **kwargs)

    def _rarer(self, op: str, name: str, target: Any, args: Any) -> Any:
        if op == "set":
            setattr(target, name, args[0])
        elif op == "delete":
            delattr(target, name)
        elif op == "equal":
            return bool(operator.eq(target, args[0]))
        elif op == "fields":
            return tuple(getattr(target, field) for field in args)
        elif op == "module":
            return tuple(getattr(self.module, name, NotImplemented) for name in args)
        elif op == "seed":
            random.setstate(args[0])
        elif op == "test" and self.tests is not None:
            return self.tests.run(args[0])
        elif op == "changed" and self.tests is not None:
            return self.tests.changed()
        else:
            raise codec.MalformedError(f"nothing is called {op!r}")
        return None

    # Telling what stays here.

    def pack(self, writing: Writing, number: int, value: Any) -> list[Any]:
        """The row of what is no plain data: by content, or by the number it is kept under here."""
        cls = type(value)
        if isinstance(value, BaseException):
            self.keep(number, value)
            return self.pack_exception(writing, cls, value)
        if isinstance(value, type):
            return self._class(writing, number, value)
        if isinstance(value, enum.Enum):
            self.keep(number, value)
            return [
                "E",
                writing.ref(cls),
                value.name if classes.is_member(value) else writing.ref(value.value),
            ]
        kind = classes.kind_of(cls)
        if kind in ("namedtuple", "value"):
            return self._content(writing, number, value, kind)
        if isinstance(value, _FUNCTIONS):
            self.keep(number, value)
            return ["h", "function", str(getattr(value, "__name__", "function"))]
        found = line.flavour(value)
        if (
            found is None
            and isinstance(value, Iterator)
            and (not self._objects or cls.__module__ in _LIBRARY)
        ):
            found = "iterator"
        if found is not None:
            self.keep(number, value)
            return ["h", found, cls.__name__]
        if not self._objects:
            raise codec.NotPlainError(f"a value of type {cls.__name__} is not plain data")
        self.keep(number, value)
        return ["h", "object", writing.ref(cls)]

    def _content(self, writing: Writing, number: int, value: Any, kind: str) -> list[Any]:
        """A value of a class that derives from a plain one: what it holds, read by that one's methods."""
        base = next(b for b in classes.PLAIN if isinstance(value, b))
        if tag_of(value) is not None:
            self.keep(number, value)
            inner = writing.contents(number, value)
        elif base is tuple:
            inner = ["t", writing.refs(tuple(tuple.__iter__(value)))]
        elif base is frozenset:
            inner = ["z", writing.refs(tuple(frozenset.__iter__(value)))]
        else:
            inner = ["x", writing.ref(_plain(base, value))]
        if kind == "value" and not self._objects:
            return inner
        self.keep(number, value)
        return ["i", writing.ref(type(value)), inner]

    def _class(self, writing: Writing, number: int, cls: Any) -> list[Any]:
        if not self._objects and classes.kind_of(cls) in ("object", "value"):
            raise codec.NotPlainError(f"the class {cls.__name__} is not plain data")
        self.keep(number, cls)
        members = []
        if classes.kind_of(cls) == "enum":
            members = [[name, writing.ref(member.value)] for name, member in cls.__members__.items()]
        bases = [writing.ref(base) for base in classes.bases_of(cls) if self._tells(base)]
        return ["C", classes.describe(cls), bases, members]

    def _tells(self, base: type) -> bool:
        return (
            kinds.name_of(base) is not None
            or self._objects
            or classes.kind_of(base) not in ("object", "value")
        )

    # What the checker sends of its own.

    def build(self, reading: Reading, number: int, row: list[Any]) -> Any:
        """What stands here for a function or an iterator of a test's; exceptions are made anew."""
        if row[0] == "e":
            return self.build_exception(reading, row)
        if row[0] == "h" and row[1] == "function":
            return self.function(number, row[2])
        if row[0] == "h":
            kept: list[Any] = []
            kept.append(self.generator(kept))
            return kept[0]
        return super().build(reading, number, row)


def _plain(base: type, value: Any) -> Any:
    """The plain value under one of a derived class, by the plain class's own methods."""
    if base is int:
        return int.__index__(value)
    if base is float:
        return float.__float__(value)
    if base is str:
        return str.__str__(value)
    if base is complex:
        return complex.__add__(value, 0j)
    return bytes(memoryview(value))
