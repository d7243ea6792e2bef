"""Role `checker`: the trusted half of a check.

It has the tests, and runs them with the entry point bound to what stands in for it. The solution's process
sends data, which is rebuilt here, or numbers of objects that stay there; it never has the socket on which
the verdict leaves. Tests that watch the process itself run beside the solution (`inprocess`), without their
expected values, and what they find is settled here.
"""

from __future__ import annotations

import ast
import contextlib
import random
import sys
import types
from typing import Any

from . import asserts, codec, decoys, expected, forms, frames, judge, line, standins
from .graph import Reading, Writing

_NOT_FOR_OTHERS = (
    getattr,
    setattr,
    delattr,
    vars,
    eval,
    exec,
    compile,
    open,
    globals,
    locals,
    __import__,
    input,
)
_REMEDY = 'give the problem a reference solution, or say "mode": "objects" or "in-process" in its metadata'


class _GoneError(judge.Interrupt):
    """The solution process ended."""


def run(payload: dict[str, Any], control: frames.Wire, data: int) -> None:
    """Judge, and tell `control` the mode, each test's result as it is known, and the end."""
    tests = [judge.parse(source) for source in payload["tests"]]
    entry_point: str | None = payload["entry_point"]
    base = judge.namespace(payload["prelude"])
    form = forms.look([test for test in tests if isinstance(test, ast.Module)], base, entry_point)
    asked = payload["mode"]
    mode = form.mode if asked == "auto" else asked
    if mode != "in-process" and form.mode == "in-process":
        control.send({"op": "refused", "why": form.why})
        return
    control.send({"op": "mode", "mode": mode})
    end = CheckerEnd(frames.Wire(data, line.MAX_FRAME), tests, objects=mode != "split")
    with contextlib.suppress(OSError):  # how it ended is seen when its answer is awaited
        end.tell_mode(mode)
    judged = _InProcess(end) if mode == "in-process" else _Split(end, base, entry_point, form.names)
    _judge_all(tests, end, judged, control)
    control.send({"op": "end"})


def _judge_all(
    tests: list[judge.Test], end: CheckerEnd, judged: _Split | _InProcess, control: frames.Wire
) -> None:
    try:
        results = end.load()
        if results is None:
            judged.prepare()
        for index, test in enumerate(tests):
            result = results or (judged.judge(test) if isinstance(test, ast.Module) else test)
            control.send({"op": "test", "index": index, **end.final(result)})
        if results is None:
            found = judged.finish()
            if found:
                control.send({"op": "tampered", "why": found})
    except _GoneError:
        return  # the runner saw how it ended and fills in the tests that are missing


class _Split:
    """Tests that run here."""

    def __init__(
        self, end: CheckerEnd, base: dict[str, Any], entry_point: str | None, names: tuple[str, ...]
    ) -> None:
        self._end, self._base, self._entry_point, self._names = end, base, entry_point, names

    def prepare(self) -> None:
        """Bind the names that only the solution defines."""
        wanted = [*([self._entry_point] if self._entry_point else []), *self._names]
        module = types.ModuleType("solution")
        for name in wanted:
            try:
                (value,) = self._end.request("module", None, "", name)
            except judge.BadAnswerError:  # told where it is used: the entry point is, by every test
                self._end.bad = None
                value = _Unjudged(self._end, name)
            if value is not NotImplemented:
                self._base[name] = value
                setattr(module, name, value)
        sys.modules["solution"] = module

    def judge(self, tree: ast.Module) -> dict[str, Any]:
        """One test's result."""
        names = dict(self._base)
        return judge.judge(tree, names, names.get(self._entry_point or ""))

    def finish(self) -> str:
        """What was found amiss, which is nothing: no test ran beside the solution."""
        return ""


class _Unjudged:
    """What stands for a name whose value cannot cross."""

    def __init__(self, end: CheckerEnd, name: str) -> None:
        self._refuse = lambda: end.refuse("not-plain-data", f"{name} cannot be judged here: {_REMEDY}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._refuse()

    def __getattr__(self, name: str) -> Any:
        raise self._refuse()


class _InProcess:
    """Tests that run beside the solution; what they assert is settled here."""

    def __init__(self, end: CheckerEnd) -> None:
        self._end = end

    def prepare(self) -> None:
        """Nothing: the names are there already."""

    def judge(self, tree: ast.Module) -> dict[str, Any]:
        """One test's result: as it says itself, unless what it had to settle here did not hold or never came."""
        kept = expected.Kept(tree)
        self._end.kept, self._end.settled = kept, set()
        status, reason, message = self._end.request("test", None, "", kept.source)
        if self._end.unsettled:
            return asserts.result("failed", "assert", self._end.unsettled)
        if status != "passed":
            return _untrusted(status, reason, message)
        if not kept.sure <= self._end.settled:
            return asserts.result("tampered", None, "the test passed without its assertions")
        return asserts.result("passed")

    def finish(self) -> str:
        """What the other process finds changed in itself; canaries among them, which have to fail."""
        for source in decoys.canaries():
            status, *_ = self._end.request("test", None, "", source)
            if status == "passed":
                return "assertions that must fail passed"
        found = self._end.request("changed")
        return str(found)[:500] if found else ""


_FAILURES = ("failed", "oom", "tampered")
_REASONS = ("assert", "exception", "load", "not-plain-data", "too-big", "no-verdict")


def _untrusted(status: Any, reason: Any, message: Any) -> dict[str, Any]:
    """The result of a process that the solution shares; what is not known there is a failure."""
    if status not in _FAILURES:
        return asserts.result("failed", "no-verdict", "the test ended in no known way")
    if status != "failed":
        reason = None
    elif reason not in _REASONS:
        reason = "exception"
    return asserts.result(status, reason, message if isinstance(message, str) else "")


class CheckerEnd(line.Line):
    """The checker's end of the line: everything that comes is rebuilt here or refused."""

    def __init__(self, wire: frames.Wire, tests: list[judge.Test], *, objects: bool) -> None:
        super().__init__(wire, -1, forgets=True)
        self.allows_objects = objects
        self.bad: judge.BadAnswerError | None = None  # of the test that runs now
        self.interrupt: judge.Interrupt | None = None
        self.kept: expected.Kept | None = None
        self.settled: set[int] = set()
        self.unsettled = ""
        self._exported: set[int] = set()
        self._seeds = _Seeds() if any("seed" in _names(test) for test in tests) else None
        self._wants_stop = any({"StopIteration", "StopAsyncIteration"} & _names(test) for test in tests)

    # Asking.

    def tell_mode(self, mode: str) -> None:
        """The first word on the line: a solution that waits for it loads only then."""
        self._wire.send({"mode": mode})

    def load(self) -> dict[str, Any] | None:
        """Wait until the solution is loaded. Returns the result of every test if it could not be."""
        message = self._receive()
        if message.get("loaded") is True:
            return None
        status = "oom" if message.get("oom") is True else "failed"
        return asserts.result(
            status, "load" if status == "failed" else None, str(message.get("message"))[:2000]
        )

    def _receive(self) -> dict[str, Any]:
        try:
            return self._wire.receive()
        except (EOFError, OSError):
            raise self._stop() from None
        except frames.FrameError as error:
            raise self.refuse("not-plain-data", str(error)) from None

    def request(self, op: str, target: Any = None, name: str = "", *args: Any, **kwargs: Any) -> Any:
        """As `ask`, for tests: what is wrong with an answer becomes the test's result, whatever it catches.

        Raises:
            judge.BadAnswerError: the answer cannot be judged.
            judge.Interrupt: the solution's process ended.
        """
        if self.reading:
            raise self.refuse("not-plain-data", "a key of a class of the solution's own")
        if self._seeds is not None and self._seeds.planted():
            self.ask("seed", None, "", random.getstate())
        try:
            return self.ask(op, target, name, *args, **kwargs)
        except line.RefusedError as error:
            raise self.refuse(error.reason, f"{error}; it cannot be judged here: {_REMEDY}") from None
        except (codec.MalformedError, frames.FrameError) as error:
            raise self.refuse("not-plain-data", str(error)) from None
        except (codec.NotPlainError, codec.TooBigError) as error:
            text = f"an argument of the test cannot cross, {error}: {_REMEDY}"
            raise self.refuse("not-plain-data", text) from None
        except (EOFError, OSError) as error:
            if self._gone(error):
                raise self._stop() from None
            raise
        except (StopIteration, StopAsyncIteration) as error:
            if op == "call" and not self._wants_stop:  # or `map` and `for` would take it for their own end
                raise self.refuse("exception", f"{type(error).__name__} came out of a function") from None
            raise

    def function(self, number: int, name: str) -> Any:
        """What stands for a function of the solution's."""
        return _Function(self, name)

    def _gone(self, error: BaseException) -> bool:
        """Whether the line itself failed, and it is not the solution that raised such an error."""
        return not self.known(error)

    def _stop(self) -> judge.Interrupt:
        self.interrupt = _GoneError()
        return self.interrupt

    def refuse(self, reason: str, message: str, status: str = "failed") -> judge.BadAnswerError:
        """The error that ends a test whose answer cannot be judged, noted for tests that catch it."""
        self.bad = judge.BadAnswerError(status, reason or None, message)
        return self.bad

    def final(self, result: dict[str, Any]) -> dict[str, Any]:
        """A test's result, once what the test itself may have caught is taken into account."""
        if self.interrupt is not None:
            raise self.interrupt
        if self.bad is not None:
            result = asserts.result(self.bad.status, self.bad.reason, str(self.bad))
        self.bad, self.unsettled = None, ""
        return result

    # Answering.

    def perform(self, op: str, name: str, target: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """What the solution may ask for: a call of a function it was passed, or a value to be settled."""
        if op == "settle" and self.kept is not None:
            return self._settle(*args)
        if self.numbers.get(id(target)) not in self._exported:
            raise codec.MalformedError("it was not passed to the solution")
        if op == "call":
            return target(*args, **kwargs)
        if op == "next":
            return line.take(target, int(args[0]))
        raise codec.MalformedError(f"nothing is called {op[:20]!r}")

    def _settle(self, number: int, *values: Any) -> str:
        """ "" where statement `number` of the test holds for `values`, or what its failure says."""
        assert self.kept is not None
        holds, value, source = self.kept.settle(number, values)
        self.settled.add(number)
        if holds:
            return ""
        self.unsettled = self.unsettled or f"{source[:300]}  # got {asserts.short(value)}"
        return self.unsettled

    # What crosses.

    def pack(self, writing: Writing, number: int, value: Any) -> list[Any]:
        """The row of what a test passes that is no data: a function or an iterator; it stays here."""
        if isinstance(value, types.TracebackType):
            return ["x", None]
        if isinstance(value, BaseException):
            kind = next(
                kind for kind in type(value).__mro__ if self.known(kind) or kind.__module__ == "builtins"
            )
            return self.pack_exception(writing, kind, value)
        is_iterator = hasattr(value, "__next__") and hasattr(value, "__iter__")
        if (callable(value) or is_iterator) and not isinstance(value, type) and value not in _NOT_FOR_OTHERS:
            self.keep(number, value)
            self._exported.add(number)
            return [
                "h",
                "iterator" if is_iterator else "function",
                str(getattr(value, "__name__", "function")),
            ]
        return super().pack(writing, number, value)

    def build(self, reading: Reading, number: int, row: list[Any]) -> Any:
        """What stands here for what the solution keeps, or an exception of its like."""
        tag = row[0]
        if tag == "e":
            return self.build_exception(reading, row)
        if tag == "C":
            return standins.make_class(self, reading, row)
        if tag == "E":
            cls = reading.value(row[1])
            return (
                cls[row[2]]
                if isinstance(row[2], str) and row[2] in cls.__members__
                else cls(reading.value(row[2]))
            )
        if tag == "i":
            return standins.with_content(self, reading, row)
        if tag == "h" and row[1] == "object":
            return standins.make_object(self, reading.value(row[2]))
        if tag == "h":
            return self._running(number, row)
        return super().build(reading, number, row)

    def shell(self, reading: Reading, row: list[Any]) -> Any:
        """An empty container of a class of the solution's."""
        return standins.with_content(self, reading, row, empty=True)

    def _running(self, number: int, row: list[Any]) -> Any:
        """A function, generator, coroutine or iterator of the solution's."""
        if row[1] == "function":
            return self.function(number, str(row[2])[:200])
        kept: list[Any] = []
        make = {"coroutine": self.coroutine, "async_generator": self.async_generator}.get(
            row[1], self.generator
        )
        kept.append(make(kept))
        return kept[0]

    def new_exception(self, kind: type[BaseException], args: list[Any]) -> BaseException:
        """An exception of a class that may be the solution's, which is not asked."""
        own: type = type(kind)
        make = standins.new_exception if own is standins.SolutionClass else super().new_exception
        return make(kind, args)


class _Function:
    """A function of the solution's: a call, or an attribute, is asked for there."""

    __slots__ = ("__dict__", "__weakref__", "_end")

    def __init__(self, end: CheckerEnd, name: str) -> None:
        object.__setattr__(self, "_end", end)
        self.__dict__["__name__"] = self.__dict__["__qualname__"] = name

    @property
    def __class__(self) -> type:  # type: ignore[override]
        return types.FunctionType

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._end.request("call", self, "", *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in (
            "__wrapped__",
            "__signature__",
            "__text_signature__",
            "_is_coroutine",
            "__unittest_skip__",
        ):
            raise AttributeError(name)
        return self._end.request("get", self, name)

    def __repr__(self) -> str:
        return f"<function {self.__name__}>"


_Function.__doc__ = property(lambda self: self._end.request("get", self, "__doc__"))  # type: ignore[assignment]


class _Seeds:
    """Whether a test set `random`'s state since it was last asked: the solution's process has its own."""

    def __init__(self) -> None:
        self._planted = False
        for name in ("seed", "setstate"):
            setattr(random, name, self._noting(getattr(random, name)))

    def _noting(self, function: Any) -> Any:
        def noted(*args: Any, **kwargs: Any) -> None:
            self._planted = True
            function(*args, **kwargs)

        return noted

    def planted(self) -> bool:
        """True once after each time."""
        planted, self._planted = self._planted, False
        return planted


def _names(test: judge.Test) -> set[str]:
    if isinstance(test, dict):
        return set()
    found = {node.id for node in forms.nodes(test) if isinstance(node, ast.Name)}
    return found | {node.attr for node in forms.nodes(test) if isinstance(node, ast.Attribute)}
