"""Role `checker`: the trusted half of a split check.

It runs the tests with the entry point bound to a proxy. What the solution sends is decoded to
builtin types, so `==` here is always the real one; the verdict leaves on a socket the solution
process never had.
"""

from __future__ import annotations

import builtins
from collections import deque
from typing import Any

from . import asserts, codec, frames, judge, tolerance

_EXCEPTIONS = {
    name: kind
    for name, kind in vars(builtins).items()
    if isinstance(kind, type) and issubclass(kind, BaseException)
}
_ODD_ARGUMENTS = {"UnicodeDecodeError", "UnicodeEncodeError", "UnicodeTranslateError", "BaseExceptionGroup"}


class _GoneError(judge.Interrupt):
    """The solution process ended."""


class _NeedsOneProcessError(judge.Interrupt):
    """A test passes something that cannot cross, such as a function."""


def run(payload: dict[str, Any], control: frames.Wire, data: int) -> None:
    tests = tolerance.applied([judge.parse(source) for source in payload["tests"]], payload["tolerance"])
    entry_point: str | None = payload["entry_point"]
    base = judge.namespace(payload["prelude"])
    base.update(tolerance.names(payload["tolerance"]))
    why = judge.needs_one_process(tests, set(base), entry_point)
    if why is not None or entry_point is None:
        control.send({"op": "in-process", "why": why or ""})
        return
    proxy = _Proxy(frames.Wire(data), int(payload["result_bytes"]))
    proxy.__name__ = entry_point
    base[entry_point] = proxy

    def report(index: int, result: dict[str, Any]) -> None:
        if proxy.interrupt is not None:  # a test that catches everything caught it
            raise proxy.interrupt
        if proxy.bad is not None and result["status"] == "passed":  # and this one, too
            result = asserts.result(proxy.bad.status, proxy.bad.reason, str(proxy.bad))
        proxy.bad = None
        control.send({"op": "test", "index": index, **result})

    try:
        loaded = proxy.load()
        if loaded is None:
            judge.judge_all(tests, base, proxy, report, shared=False)
        else:
            for index in range(len(tests)):
                report(index, loaded)
    except _NeedsOneProcessError as error:
        control.send({"op": "in-process", "why": str(error)})
        return
    except _GoneError:
        pass  # the runner saw how it ended and fills in the tests that are missing
    control.send({"op": "end"})


class _Proxy:
    """The entry point as the tests see it: arguments out, plain data or an exception back."""

    __name__: str

    def __init__(self, wire: frames.Wire, max_bytes: int) -> None:
        self._wire = wire
        self._max = max_bytes
        self.interrupt: judge.Interrupt | None = None
        self.bad: judge.BadAnswerError | None = None  # of the test that runs now

    def load(self) -> dict[str, Any] | None:
        """Wait until the solution is loaded. Returns the result of every test if it could not be."""
        message = self._receive()
        if message.get("loaded") is True:
            return None
        status = "oom" if message.get("oom") is True else "failed"
        text = str(message.get("message"))[:2000]
        return {"status": status, "reason": "load" if status == "failed" else None, "message": text}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        listed = list(args)
        try:
            request = {
                "args": codec.encode(listed, max_bytes=self._max),
                "kwargs": codec.encode(kwargs, max_bytes=self._max),
            }
        except codec.NotPlainError as error:
            raise self._stop(_NeedsOneProcessError(f"an argument cannot cross: {error}")) from None
        try:
            self._wire.send(request)
        except OSError:
            raise self._stop(_GoneError()) from None
        answer = self._receive()
        self._write_back(answer.get("after"), listed, kwargs)
        if "value" in answer:
            return self._decode(answer["value"])
        if "bad" in answer:
            reason = answer["bad"] if answer["bad"] in ("too-big", "not-plain-data") else "not-plain-data"
            raise self._refuse(reason, str(answer.get("message"))[:2000])
        raise _exception(answer.get("raised"), str(answer.get("message"))[:2000])

    def _stop(self, interrupt: judge.Interrupt) -> judge.Interrupt:
        self.interrupt = interrupt
        return interrupt

    def _refuse(self, reason: str, message: str) -> judge.BadAnswerError:
        self.bad = judge.BadAnswerError("failed", reason, message)
        return self.bad

    def _receive(self) -> dict[str, Any]:
        try:
            return self._wire.receive()
        except (EOFError, OSError):
            raise self._stop(_GoneError()) from None
        except frames.FrameError as error:
            raise self._refuse("not-plain-data", str(error)) from None

    def _decode(self, data: Any) -> Any:
        try:
            return codec.decode(data)
        except codec.MalformedError as error:
            raise self._refuse("not-plain-data", str(error)) from None

    def _write_back(self, after: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """What the solution did to its arguments, done to the caller's."""
        if after is None:
            return
        decoded = self._decode(after)
        if isinstance(decoded, list) and len(decoded) == 2:
            absorb(args, decoded[0])
            absorb(kwargs, decoded[1])


def absorb(old: Any, new: Any) -> None:
    """Make the container `old` equal to `new` in place, inner containers too where they match."""
    if type(old) is not type(new):
        return
    if isinstance(old, list):
        if len(old) == len(new):
            old[:] = [_merged(a, b) for a, b in zip(old, new, strict=True)]
        else:
            old[:] = new
    elif isinstance(old, dict):
        merged = {key: _merged(old.get(key), value) for key, value in new.items()}
        old.clear()
        old.update(merged)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, bytearray):
        old[:] = new
    elif isinstance(old, deque):
        old.clear()
        old.extend(new)


def _merged(old: Any, new: Any) -> Any:
    if type(old) is type(new) and isinstance(old, list | dict | set | bytearray | deque):
        absorb(old, new)
        return old
    return new


def _exception(names: Any, message: str) -> BaseException:
    """The nearest builtin exception to what the solution raised."""
    for name in names if isinstance(names, list) else []:
        kind = _EXCEPTIONS.get(name) if isinstance(name, str) and name not in _ODD_ARGUMENTS else None
        if kind is not None and name not in ("BaseException", "Exception", "object"):
            return kind(message)
    return Exception(f"{names[0]}: {message}" if isinstance(names, list) and names else message)
