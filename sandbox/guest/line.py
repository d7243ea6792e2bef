"""The line between the two halves of a check: one asks, the other answers, and may ask back meanwhile."""

from __future__ import annotations

import asyncio
import types
from collections.abc import Iterator
from typing import Any

from . import child, codec, frames
from .graph import Graph
from .line_messages import Reading, Writing

CAPS = frames.Caps(96 << 20, 0)
_EXACTLY = 64  # items of an iterator fetched one by one; then ahead, a half of what was fetched already
_AHEAD = 4096


class RefusedError(Exception):
    """The other end could not answer with a value; `reason` is "not-plain-data" or "too-big"."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Line(Graph):
    """One end. `perform` does what the other asks; `ask` has the other do something."""

    def __init__(self, wire: frames.Wire, step: int, *, forgets: bool = False) -> None:
        super().__init__(step, forgets=forgets)
        self._wire = wire
        self._text_only = False

    def ask(self, op: str, target: Any = None, name: str = "", /, *args: Any, **kwargs: Any) -> Any:
        """What the other end answers; what it raises is raised here.

        Raises:
            RefusedError: it has an answer that cannot cross.
            codec.NotPlainError, codec.TooBigError: an argument cannot cross.
            OSError, EOFError, frames.FrameError, codec.MalformedError: the other end is gone or broken.
        """
        message = {"op": op, "name": name, **self.write(target, *args, *kwargs.values())}
        if kwargs:
            message["keys"] = list(kwargs)
        self._wire.send(message)
        while True:
            message = self._wire.receive()
            op = str(message.get("op"))
            if op == "value":
                return self._root(message)
            if op == "raised":
                error = self._root(message)
                raise error if isinstance(error, BaseException) else codec.MalformedError("no exception")
            if op == "bad":
                reason = "too-big" if message.get("reason") == "too-big" else "not-plain-data"
                raise RefusedError(reason, str(message.get("message"))[:2000])
            self.answer(message)

    def _root(self, message: dict[str, Any]) -> Any:
        try:
            (value,) = self.read(message)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, codec.MalformedError):
                raise
            raise codec.MalformedError("not an answer") from None
        return value

    def serve(self) -> None:
        """Answer until the other end is gone. Raises EOFError, OSError."""
        while True:
            self.answer(self._wire.receive())

    def answer(self, message: dict[str, Any]) -> None:
        """Do what `message` asks, and send what comes of it."""
        try:
            target, *args = self.read(message)
            keys = message.get("keys", ())
            kwargs = dict(zip(keys, args[len(args) - len(keys) :], strict=True))
            del args[len(args) - len(keys) :]
            value = self.perform(str(message["op"]), str(message["name"]), target, args, kwargs)
            answer = {"op": "value", **self.write(value)}
        except (codec.TooBigError, codec.NotPlainError) as error:
            answer = self.refusal(error)
        except RefusedError as error:
            answer = {"op": "bad", "reason": error.reason, "message": str(error)}
        except BaseException as error:  # whatever it raised is the answer
            answer = self._raised(error)
        try:
            data = frames.pack(answer, caps=CAPS)
        except frames.FrameError:
            data = frames.pack(self.refusal(codec.TooBigError("the value is too big to pass on")))
        self._wire.send_packed(data)

    def refusal(self, error: Exception) -> dict[str, Any]:
        """The answer where there is a value that cannot cross."""
        reason = "too-big" if isinstance(error, codec.TooBigError) else "not-plain-data"
        return {"op": "bad", "reason": reason, "message": str(error)}

    def _raised(self, error: BaseException) -> dict[str, Any]:
        try:
            return {"op": "raised", **self.write(error)}
        except Exception:  # something it holds cannot cross: its class and text do
            self._text_only = True
            try:
                return {"op": "raised", **self.write(error)}
            finally:
                self._text_only = False

    def perform(self, op: str, name: str, target: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """Carry out a request of the other end's."""
        raise NotImplementedError

    # What stays at the other end and is reached from here.

    def pack_exception(self, writing: Writing, kind: type, error: BaseException) -> list[Any]:
        """The row of an exception, `kind` being the class it is told as."""
        if self._text_only:
            return ["e", writing.ref(kind), [child.describe(error).partition(": ")[2]], None, None, False, []]
        args = tuple(error.args)
        if isinstance(error, OSError) and len(args) == 2 and error.filename is not None:
            args = (*args, error.filename)  # which OSError takes, and does not keep among them
        notes = getattr(error, "__notes__", None)
        return [
            "e",
            writing.ref(kind),
            writing.refs(args),
            writing.ref(error.__cause__),
            writing.ref(error.__context__),
            bool(error.__suppress_context__),
            writing.refs([note for note in notes if isinstance(note, str)])
            if isinstance(notes, list)
            else [],
        ]

    def build_exception(self, reading: Reading, row: list[Any]) -> BaseException:
        """The exception of such a row."""
        kind = reading.value(row[1])
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            raise codec.MalformedError("no class of exceptions")
        args = reading.values(row[2])
        error = self.new_exception(kind, args)
        for name, ref in (("__cause__", row[3]), ("__context__", row[4])):
            if ref is not None:
                setattr(error, name, reading.value(ref))
        error.__suppress_context__ = row[5] is True
        for note in row[6]:
            error.add_note(note)
        return error

    def new_exception(self, kind: type[BaseException], args: list[Any]) -> BaseException:
        """An exception made of what its class was given."""
        try:
            return kind(*args)
        except TypeError:  # as for a UnicodeError made of a text alone
            error = kind.__new__(kind)
            error.args = tuple(args)
            return error

    def function(self, number: int, name: str) -> Any:
        """What stands here for a function at the other end."""

        def stand_in(*args: Any, **kwargs: Any) -> Any:
            return self.ask("call", stand_in, "", *args, **kwargs)

        stand_in.__name__ = stand_in.__qualname__ = name
        return stand_in

    def generator(self, kept: list[Any]) -> Iterator[Any]:
        """A generator of what one at the other end yields; `kept` will hold it."""
        fetched = 0
        ready: list[Any] = []
        ended: BaseException | None = None
        try:
            while True:
                if not ready:
                    if ended is not None:
                        raise ended
                    wanted = 1 if fetched < _EXACTLY else min(fetched // 2, _AHEAD)
                    items, ended = self.ask("next", kept[0], "", wanted)
                    ready = list(reversed(items))
                    fetched += len(ready)
                    continue
                try:
                    sent = yield ready.pop()
                except GeneratorExit:  # it may come at any time, and the line may be in use
                    raise
                except BaseException as error:
                    ready = [self.ask("method", kept[0], "throw", error)]
                else:
                    if sent is not None:
                        ready = [self.ask("method", kept[0], "send", sent)]
        except StopIteration as stop:
            return stop.value

    async def coroutine(self, kept: list[Any]) -> Any:
        """A coroutine that has one at the other end run to its end."""
        return self.ask("await", kept[0])

    async def async_generator(self, kept: list[Any]) -> Any:
        """An asynchronous generator of what one at the other end yields."""
        while True:
            try:
                item = self.ask("await", kept[0], "__anext__")
            except StopAsyncIteration:
                return
            yield item


_FLAVOURS: dict[str, type] = {
    "coroutine": types.CoroutineType,
    "async_generator": types.AsyncGeneratorType,
    "generator": types.GeneratorType,
}


def take(iterator: Any, count: int) -> tuple[tuple[Any, ...], BaseException | None]:
    """The next items, and what ended the iterator before there were `count`."""
    items: list[Any] = []
    try:
        for _ in range(count):
            items.append(next(iterator))
    except BaseException as error:  # it comes after the items, where the other end meets it
        return tuple(items), error
    return tuple(items), None


def flavour(value: Any) -> str | None:
    """Which of the things that run on demand `value` is; None for what does not."""
    return next((name for name, kind in _FLAVOURS.items() if isinstance(value, kind)), None)


def run_await(value: Any) -> Any:
    """What awaiting `value` gives, in an event loop of this process's own."""

    async def waited() -> Any:
        return await value

    try:
        loop = asyncio.get_event_loop_policy().get_event_loop()
    except RuntimeError:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
    return loop.run_until_complete(waited())
