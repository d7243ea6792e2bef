"""What a solution could change of the process it shares with its tests, and noticing that it did.

Taken before it is loaded: what the modules hold that tests judge with (builtins, `math`, `unittest`, this
package), and the code behind it. Looked at once it is loaded, when no test can have changed any of it; in
small after each call of the solution; and at the end. What a cheat changes and puts back in between, out of
a thread or a finaliser, is not seen.
"""

from __future__ import annotations

import builtins
import itertools
import operator
import re
import sys
import types
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

from . import frames

# Modules whose functions tests judge with, those only where they are loaded.
_JUDGING = """
    builtins bisect collections contextlib copy datetime decimal fractions functools heapq itertools json
    json.decoder json.encoder math operator random re statistics string time traceback types
    unittest.case unittest.loader unittest.mock unittest.result unittest.runner unittest.suite
"""
_OWN = "guest"
_OF_OS = ("write", "read", "_exit", "getpid")
# Of a class, what Python itself writes there later.
_INCIDENTAL = frozenset(
    """
    __doc__ __dict__ __weakref__ __annotations__ __abstractmethods__ __slotnames__ _abc_impl
    """.split()  # noqa: SIM905 - as a list it would be longer than what it says
)
_SOLUTION, _TESTS = "solution", ("test.py", "test_")
_is = operator.is_
_code_of = operator.attrgetter("__code__")


class Watch:
    """What is looked at, as it was before the solution was loaded. `found`: what is wrong, in a few words."""

    def __init__(self) -> None:
        import unittest
        import unittest.mock

        self._unittest = unittest
        self._modules = {name: sys.modules[name] for name in _watched()}
        self._before = [*_held(self._modules)]
        self.found: list[str] = []
        self.rebound = False  # whether functions of the tests rebind names, when the solution calls them

    def loaded(self) -> None:
        """Look once the solution is loaded: whatever changed, it changed it."""
        self._compare("")

    def call(self, frame: types.FrameType | None) -> Call:
        """A call of the solution's that `frame`, a test's, is about to make."""
        return Call(self, frame)

    def changed(self, tests: str) -> str:
        """What was changed, by the solution or by `tests` that do not say so."""
        if not self.found:
            self._compare(tests)
        try:
            self._unittest.TestCase().assertEqual(1, 2)
            self.found.append("assertEqual(1, 2) passed")
        except AssertionError:
            pass
        return "; ".join(self.found[:5])

    def _compare(self, tests: str) -> None:
        replaced = (name for name, module in self._modules.items() if sys.modules.get(name) is not module)
        changed = (
            f"{held.owner}.{name}"
            for held in self._before
            for name in held.changed()
            if not _says(tests, held.owner, name)
        )
        foreign = _foreign(tests, self._modules)
        for name in itertools.chain(replaced, changed, foreign):
            self.found.append(f"{name} was changed")
            return


class Call:
    """One call of the solution's, by a test: what the test has must be there after it."""

    def __init__(self, watch: Watch, frame: types.FrameType | None) -> None:
        self._watch = watch
        self._builtins = tuple(vars(builtins).values())  # which a test may have patched for the call
        above = [*_tests_above(frame)]
        self._locals = [(frame, _variables(frame)) for frame in above]
        self._globals = [] if watch.rebound else [(f.f_globals, dict(f.f_globals)) for f in above[:1]]

    def look(self) -> None:
        """Note what is not as it was before the call."""
        found = self._watch.found
        if found:
            return
        now = tuple(vars(builtins).values())
        if len(now) != len(self._builtins) or not all(map(_is, now, self._builtins)):
            found.append("a builtin was changed in a call")
        elif traced():
            found.append("the tests were traced")
        elif not all(_as_before(names, held) for names, held in self._globals) or not all(
            _as_before(_variables(frame), held) for frame, held in self._locals
        ):
            found.append("a name of the tests was changed in a call")
        elif any(map(_rigged, self._mocks())):
            found.append("an assertion of a mock was changed in a call")

    def _mocks(self) -> Iterator[Any]:
        """Those that the tests have a name for."""
        mock = sys.modules["unittest.mock"].NonCallableMock
        for _, held in (*self._globals, *self._locals):
            yield from (value for value in held.values() if mock in type(value).__mro__)


def traced() -> bool:
    """Whether someone could jump over lines of a test, or change its values: tracing and profiling can."""
    frame: types.FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_trace is not None:
            return True
        frame = frame.f_back
    return sys.gettrace() is not None or sys.getprofile() is not None


def _watched() -> Iterator[str]:
    for name in _JUDGING.split():
        if name in sys.modules:
            yield name
    for name in list(sys.modules):
        if name.partition(".")[0] == _OWN:
            yield name


class _Held:
    """What a module or a class holds, and the code of its functions. What is None may be made later."""

    def __init__(self, owner: str, names: Mapping[str, Any], kept: Iterable[str]) -> None:
        self.owner = owner
        self._of = names
        self._names = tuple(name for name in kept if names.get(name) is not None)
        self._values = tuple(map(names.get, self._names))
        self._functions = tuple(value for value in self._values if type(value) is types.FunctionType)
        self._codes = tuple(map(_code_of, self._functions))

    def changed(self) -> Iterator[str]:
        """The names of what is not as it was."""
        if not all(map(_is, map(self._of.get, self._names), self._values)):
            yield from (n for n, v in zip(self._names, self._values, strict=True) if self._of.get(n) is not v)
        if not all(map(_is, map(_code_of, self._functions), self._codes)):
            pairs = zip(self._functions, self._codes, strict=True)
            changed = [function for function, code in pairs if function.__code__ is not code]
            yield from (n for n, v in zip(self._names, self._values, strict=True) if v in changed)


class _HeldByClass(_Held):
    """The same of a class, where nothing may be added either."""

    def __init__(self, owner: str, names: Mapping[str, Any]) -> None:
        super().__init__(owner, names, [name for name in names if name not in _INCIDENTAL])
        self._all = frozenset(names)

    def changed(self) -> Iterator[str]:
        yield from super().changed()
        if self._of.keys() != self._all:
            yield from self._of.keys() - self._all - _INCIDENTAL


def _held(modules: Mapping[str, types.ModuleType]) -> Iterator[_Held]:
    """Everything in `modules`, and in the classes that are defined there."""
    for owner, module in modules.items():
        names = vars(module)
        own = owner.partition(".")[0] == _OWN
        kept = [n for n, v in names.items() if n[:2] != "__" and n != "_" and not (own and not callable(v))]
        yield _Held(owner, names, kept)
        if owner != "builtins":
            for name in kept:
                value = names[name]
                if type(value) is type and value.__module__ == owner:
                    yield _HeldByClass(f"{owner}.{name}", vars(value))
    yield _Held("os", vars(sys.modules["os"]), _OF_OS)
    yield _HeldByClass(f"{_OWN}.frames.encode", vars(frames.encode.__self__))  # type: ignore[attr-defined]


def _says(tests: str, owner: str, name: str) -> bool:
    """Whether the tests' text says that it changes what has this name: by assignment, or in quotes."""
    if name not in tests or owner.partition(".")[0] == _OWN:
        return False
    last, name = re.escape(owner.rpartition(".")[2]), re.escape(name)
    return re.search(rf"\b{last}\.{name}\s*=[^=]|['\"]([\w.]+\.)?{name}['\"]", tests) is not None


def _foreign(tests: str, watched: Container[str]) -> Iterator[str]:
    """Of modules that `tests` name and the solution loaded first, what is of the solution's own."""
    for name in set(re.findall(r"\w+", tests)):
        module = sys.modules.get(name)
        if name in watched or name in (_SOLUTION, "sys") or not isinstance(module, types.ModuleType):
            continue
        for inner, value in list(vars(module).items()):
            kind = type(value)
            of = value.__module__ if kind in (types.FunctionType, type) else kind.__module__
            code = value.__code__ if kind is types.FunctionType else None
            if of == _SOLUTION or (code is not None and code.co_filename == f"{_SOLUTION}.py"):
                yield f"{name}.{inner}"


def _tests_above(frame: types.FrameType | None) -> Iterator[types.FrameType]:
    while frame is not None:
        if frame.f_code.co_filename.rpartition("/")[2].startswith(_TESTS):
            yield frame
        frame = frame.f_back


def _variables(frame: types.FrameType) -> dict[str, Any]:
    """The variables of a test's function, but for those it shares with functions that may be called back."""
    if frame.f_locals is frame.f_globals:
        return {}
    code = frame.f_code
    shared = {*code.co_cellvars, *code.co_freevars}
    return {name: value for name, value in frame.f_locals.items() if name not in shared}


def _rigged(mock: Any) -> bool:
    """Whether it, or the class it has to itself, has assertions other than those of all mocks."""
    names = vars(sys.modules["unittest.mock"].NonCallableMock)
    assertions = {name for name in names if name.startswith("assert")}
    own = vars(mock)
    return any(not assertions.isdisjoint(names) for names in (own, own["_mock_children"], vars(type(mock))))


def _as_before(now: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether all that there was is there, and nothing came that stands before a builtin."""
    if not all(map(_is, map(now.get, before), before.values())):
        return False
    return len(now) == len(before) or not (now.keys() - before.keys()) & vars(builtins).keys()
