"""Role `checker`: the trusted half of a check.

It has the tests, and runs them with the entry point bound to what stands in for it. The solution's process
sends data, which is rebuilt here, or numbers of objects that stay there; it never has the socket on which
the verdict leaves. Tests that watch the process itself run beside the solution (`inprocess`), without their
expected values, and what they find is settled here.
"""

from __future__ import annotations

import ast
import contextlib
import sys
import types
from typing import Any, NamedTuple

from . import asserts, decoys, expected, forms, frames, judge, line, tolerance
from .checker_line import REMEDY, CheckerEnd, GoneError


def run(payload: dict[str, Any], control: frames.Wire, data: int) -> None:
    """Judge, and tell `control` the mode, each test's result as it is known, and the end."""
    tests = [judge.parse(source) for source in payload["tests"]]
    judge_as(look(payload, tests), control, frames.Wire(data, line.CAPS))


class Looked(NamedTuple):
    """Tests, and what was found out by looking at them. `mode` is the one asked for, or their own."""

    tests: list[judge.Test]
    base: dict[str, Any]  # names the tests may use
    entry_point: str | None
    tolerance: float
    form: forms.Form
    mode: str


def look(payload: dict[str, Any], tests: list[judge.Test]) -> Looked:
    """How `tests`, the payload's, can be judged. The prelude is run for it."""
    entry_point: str | None = payload["entry_point"]
    base = judge.namespace(payload["prelude"])
    form = forms.look([test for test in tests if isinstance(test, ast.Module)], base, entry_point)
    asked = payload["mode"]
    mode = form.mode if asked == "auto" else asked
    return Looked(tests, base, entry_point, payload["tolerance"], form, mode)


def judge_as(looked: Looked, control: frames.Wire, data: frames.Wire) -> None:
    """Judge what was looked at; `data` is the line to the solution."""
    tests, base, entry_point, within, form, mode = looked
    if mode != "in-process" and form.mode == "in-process":
        control.send({"op": "refused", "why": form.why[:1000]})
        return
    control.send({"op": "mode", "mode": mode})
    end = CheckerEnd(data, form.words, objects=mode != "split")
    with contextlib.suppress(OSError):  # how it ended is seen when its answer is awaited
        end.tell_mode(mode)
    if mode == "in-process":
        judged = _InProcess(end, within)
    else:
        base.update(tolerance.names(within))
        tolerance.applied(tests, within)
        judged = _Split(end, base, entry_point, form.names)
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
    except GoneError:
        return  # the runner saw how it ended and fills in the tests that are missing
    found = judged.finish() if results is None else ""
    if found:
        control.send({"op": "tampered", "why": found})


class _Split:
    """Tests that run here."""

    def __init__(
        self, end: CheckerEnd, base: dict[str, Any], entry_point: str | None, names: tuple[str, ...]
    ) -> None:
        self._end, self._base, self._entry_point, self._names = end, base, entry_point, names

    def prepare(self) -> None:
        """Bind the names that only the solution defines."""
        names = self._base
        if self._entry_point is not None:
            names[self._entry_point] = (
                self._end.entry[0] if self._end.entry else self._asked(self._entry_point)
            )
        for name in self._names:
            value = self._asked(name)
            if value is not NotImplemented:
                names[name] = value
        module = types.ModuleType("solution")
        module.__dict__.update(
            {name: names[name] for name in (self._entry_point, *self._names) if name in names}
        )
        sys.modules["solution"] = module

    def _asked(self, name: str) -> Any:
        try:
            (value,) = self._end.request("module", None, "", name)
        except judge.BadAnswerError:  # told where it is used: the entry point is, by every test
            self._end.bad = None
            return _Unjudged(self._end, name)
        return value

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
        self._refuse = lambda: end.refuse("not-plain-data", f"{name} cannot be judged here: {REMEDY}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise self._refuse()

    def __getattr__(self, name: str) -> Any:
        raise self._refuse()


class _InProcess:
    """Tests that run beside the solution; what they assert is settled here."""

    def __init__(self, end: CheckerEnd, within: float) -> None:
        self._end, self._within = end, within

    def prepare(self) -> None:
        """Nothing: the names are there already."""

    def judge(self, tree: ast.Module) -> dict[str, Any]:
        """One test's result: its own word, unless what had to be settled here did not hold or never came."""
        kept = expected.Kept(tree, self._within)
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
        """What is amiss in the other process. One that cannot or will not be looked at is no better."""
        try:
            return self._found()[:500]
        except BaseException as error:  # of the line, or whatever is raised there in place of an answer
            return f"the solution's process could not be looked at ({type(error).__name__})"

    def _found(self) -> str:
        """What that process finds changed in itself. Canaries must fail there, a planted change be found."""
        for source in decoys.canaries():
            status, *_ = self._end.request("test", None, "", source)
            if status == "passed":
                return "assertions that must fail passed"
        if found := str(self._end.request("changed")):
            return found
        source, name = decoys.planted()
        self._end.request("test", None, "", source)
        return "" if name in str(self._end.request("changed")) else "a change that must be found was not"


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
