"""The checker's end of the line: what comes over it is rebuilt here, stood in for, or refused."""

from __future__ import annotations

import random
import types
from typing import Any

from . import asserts, codec, expected, frames, judge, line, standins
from .line_messages import Reading, Writing

REMEDY = 'give the problem a reference solution, or say "mode": "objects" or "in-process" in its metadata'
# Functions that would reach from what a test passes to what it expects.
_KEPT_BACK = (getattr, setattr, delattr, vars, eval, exec, compile, open, globals, locals, __import__, input)


class GoneError(judge.Interrupt):
    """The solution process ended."""


class CheckerEnd(line.Line):
    """The checker's end of the line: everything that comes is rebuilt here or refused."""

    def __init__(self, wire: frames.Wire, words: set[str], *, objects: bool) -> None:
        super().__init__(wire, -1, forgets=True)
        self.allows_objects = objects
        self.bad: judge.BadAnswerError | None = None  # of the test that runs now
        self.interrupt: judge.Interrupt | None = None
        self.entry: list[Any] = []  # what the entry point names, where it can cross
        self.kept: expected.Kept | None = None
        self.settled: set[int] = set()
        self.unsettled = ""
        self._exported: set[int] = set()
        self._seeds = _Seeds() if "seed" in words or "setstate" in words else None
        self._wants_stop = "StopIteration" in words or "StopAsyncIteration" in words

    # Asking.

    def tell_mode(self, mode: str) -> None:
        """The first word on the line: a solution that waits for it loads only then."""
        self._wire.send({"mode": mode})

    def load(self) -> dict[str, Any] | None:
        """Wait until the solution is loaded. Returns the result of every test if it could not be."""
        message = self._receive()
        if message.get("loaded") is True:
            if "v" in message:
                self.entry = self.read(message)
            return None
        status = "oom" if message.get("oom") is True else "failed"
        reason = "load" if status == "failed" else None
        return asserts.result(status, reason, str(message.get("message"))[:2000])

    def _receive(self) -> dict[str, Any]:
        try:
            return self._wire.receive()
        except (EOFError, OSError):
            raise self._stop() from None
        except frames.FrameError as error:
            raise self.refuse("not-plain-data", str(error)) from None

    def request(self, op: str, target: Any = None, name: str = "", /, *args: Any, **kwargs: Any) -> Any:
        """As `ask`, for tests: what is wrong with an answer becomes the test's result, whatever it catches.

        Raises:
            judge.BadAnswerError: the answer cannot be judged.
            judge.Interrupt: the solution's process ended.
        """
        if self.reading:
            raise self.refuse("not-plain-data", "a key of a class of the solution's own")
        try:
            if self._seeds is not None and self._seeds.planted():
                self.ask("seed", None, "", random.getstate())
            return self.ask(op, target, name, *args, **kwargs)
        except line.RefusedError as error:
            raise self.refuse(error.reason, f"{error}; it cannot be judged here: {REMEDY}") from None
        except (codec.MalformedError, frames.FrameError) as error:
            raise self.refuse("not-plain-data", str(error)) from None
        except (codec.NotPlainError, codec.TooBigError) as error:
            text = f"an argument of the test cannot cross, {error}: {REMEDY}"
            raise self.refuse("not-plain-data", text) from None
        except (EOFError, OSError) as error:
            if self._gone(error):
                raise self._stop() from None
            raise
        except (StopIteration, StopAsyncIteration) as error:
            if op == "call" and not self._wants_stop:  # or `map` and `for` would take it for their own end
                raise self.refuse("exception", f"{type(error).__name__} came out of a function") from None
            raise

    @property
    def beside(self) -> bool:
        """Whether the tests run beside the solution."""
        return self.kept is not None

    def function(self, number: int, name: str) -> Any:
        """What stands for a function of the solution's."""
        return standins.Function(self, name)

    def _gone(self, error: BaseException) -> bool:
        """Whether the line itself failed, and it is not the solution that raised such an error."""
        return not self.known(error)

    def _stop(self) -> judge.Interrupt:
        self.interrupt = GoneError()
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
            kinds = type(value).__mro__
            kind = next(kind for kind in kinds if self.known(kind) or kind.__module__ == "builtins")
            return self.pack_exception(writing, kind, value)
        is_iterator = hasattr(value, "__next__") and hasattr(value, "__iter__")
        kept_back = isinstance(value, type) or any(value is function for function in _KEPT_BACK)
        if (callable(value) or is_iterator) and not kept_back:
            self.keep(number, value)
            self._exported.add(number)
            name = str(getattr(value, "__name__", "function"))
            return ["h", "iterator" if is_iterator else "function", name]
        return super().pack(writing, number, value)

    def build(self, reading: Reading, number: int, row: list[Any]) -> Any:
        """What stands here for what the solution keeps, or an exception of its like."""
        tag = row[0]
        if tag == "e":
            return self.build_exception(reading, row)
        if tag == "C":
            return standins.make_class(self, reading, row)
        if tag == "E":
            cls, name = reading.value(row[1]), row[2]
            named = isinstance(name, str) and name in cls.__members__
            return cls[name] if named else cls(reading.value(name))
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
        others = {"coroutine": self.coroutine, "async_generator": self.async_generator}
        make = others.get(row[1], self.generator)
        kept.append(make(kept))
        return kept[0]

    def new_exception(self, kind: type[BaseException], args: list[Any]) -> BaseException:
        """An exception of a class that may be the solution's, which is not asked."""
        own: type = type(kind)
        make = standins.new_exception if own is standins.SolutionClass else super().new_exception
        return make(kind, args)


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
