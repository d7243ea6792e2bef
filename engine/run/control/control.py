"""Who may cross: every step, model call and verdict of a run asks here before it goes on.

One crossing at a time is the *stop*: the one a person looks at and changes. Whatever else of the run
arrives meanwhile is held back until the run goes on. Stepping lets the stop's execution go on alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from engine.events import RunPaused, RunResumed, ValueEdited
from engine.run.control.breakpoints import Breakpoint
from engine.run.control.crossing import Crossing
from engine.run.emitter import Emitter
from engine.run.ledger import Ledger
from sandbox.errors import ExpectedError, UsageError

Step = Literal["into", "over", "out"]
# Reads the workflow's local variables from its process, as JSON-ready data capped in size.
ReadLocals = Callable[[], Awaitable[Any]]

Edited = Literal["inputs", "messages", "output"]
_EDITED: dict[str, Edited] = {"before": "inputs", "model": "messages", "after": "output", "error": "output"}


class ControlError(ExpectedError):
    """What was asked cannot be done now; the message says why and what can."""

    exit_code = UsageError.exit_code


@dataclass(frozen=True)
class Pass:
    """How a crossing goes on: with `value`, which a person may have `edited`. Where `skipped`, the step is
    not run and `value` is its output.
    """

    value: Any
    edited: bool = False
    skipped: bool = False


@dataclass
class Stop:
    """Where the run stands. `reason` is "pause", "step" or the breakpoint as its user wrote it. `value` is
    what will pass, with the edits so far, and `edited` whether there are any. `locals` are the workflow's
    variables where they could be read, and `go` is set when the run goes on.
    """

    crossing: Crossing
    reason: str
    value: Any
    edited: bool = False
    locals: Any = None
    go: asyncio.Future[Pass] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Control:
    """Control of one run; every method is for the run's event loop."""

    def __init__(self, emitter: Emitter, ledger: Ledger) -> None:
        self._emitter, self._ledger = emitter, ledger
        self._breakpoints: list[Breakpoint] = []
        self._pausing = False
        self._stepping: tuple[Step, Crossing] | None = None
        self._stop: Stop | None = None
        self._until: Breakpoint | None = None
        self._moved = asyncio.Event()
        # Set by `finish_early`: executions end, and what their last step gave is their answer.
        self.finishing = asyncio.Event()

    @property
    def stop(self) -> Stop | None:
        """Where the run stands, None while it goes on."""
        return self._stop

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """All of them, in the order in which they are tried."""
        return tuple(self._breakpoints)

    @property
    def pausing(self) -> bool:
        """Whether the run will stop at its next crossing."""
        return self._pausing

    def set_breakpoints(self, breakpoints: list[Breakpoint]) -> None:
        """Replace all breakpoints. One on a line without an operator call holds from the next execution on,
        because the workflow's process is given such lines when it starts.
        """
        self._breakpoints = list(dict.fromkeys(breakpoints))

    def pause(self) -> None:
        """Stop at the next crossing."""
        self._pausing = self._stop is None

    def resume(self, *, until: Breakpoint | None = None) -> None:
        """Go on, to the next breakpoint or to `until`, which holds once. Raises ControlError where the run is
        not paused.
        """
        if self._stop is None and not self._pausing:
            raise ControlError("the run is not paused")
        self._until = until
        self._release("continue", None)

    def step(self, how: Step) -> None:
        """Go on to another crossing of the same execution: `into` the next of any kind, `over` the next
        outside of this step, `out` to the end of this step; where the run stands in no step, `out` goes on to
        the next breakpoint. Raises ControlError where the run is not paused.
        """
        self._release(f"step {how}", (how, self._standing().crossing))

    def edit(self, value: Any) -> None:
        """Change what the stop goes on with: inputs before a step, messages before a call, output after.

        Raises ControlError where the run is not paused, nothing passes here, or `value` is of the wrong kind.
        """
        stop = self._standing()
        where = stop.crossing.where
        what = _EDITED.get(where)
        if what is None:
            raise ControlError(f"there is nothing to edit at a {where}; stop before or after a step")
        if where == "before" and not isinstance(value, dict):
            raise ControlError("inputs are an object of arguments by name")
        if where == "model" and not _are_messages(value):
            raise ControlError(
                "messages are a list of {role, content}, with a role of system, user or assistant"
            )
        self._emitter.emit(ValueEdited(step_id=stop.crossing.step_id, what=what, value=value))
        stop.value, stop.edited = value, True

    def skip(self, output: Any) -> None:
        """Do not run the step that is about to run; `output` takes the place of its output. Raises
        ControlError where the run does not stand before a step.
        """
        stop = self._standing()
        if stop.crossing.where != "before":
            raise ControlError("only a step that has not run yet can be skipped")
        self._emitter.emit(ValueEdited(step_id=stop.crossing.step_id, what="output", value=output))
        self._release("skip", None, Pass(output, edited=True, skipped=True))

    def finish_early(self) -> None:
        """End every execution now; the last output of each is scored as its answer."""
        self.finishing.set()
        if self._stop is not None or self._pausing:
            self._release("finish", None)

    async def cross(self, crossing: Crossing, read_locals: ReadLocals | None = None) -> Pass:
        """Arrive at a crossing and wait until it may be passed; returns what passes. `read_locals` is called
        only where the run stops here.
        """
        while self._stop is not None:
            await self._moved.wait()
        reason = self._why(crossing)
        if reason is None:
            return Pass(crossing.value)
        return await self._stand(crossing, reason, read_locals)

    async def _stand(self, crossing: Crossing, reason: str, read_locals: ReadLocals | None) -> Pass:
        self._pausing, self._stepping, self._until = False, None, None
        stop = self._stop = Stop(crossing, reason, crossing.value)
        self._moved.clear()
        self._ledger.clock.pause()
        try:
            stop.locals = await read_locals() if read_locals else None
            self._emitter.emit(
                RunPaused(
                    reason=reason,
                    where=crossing.where,
                    execution_id=crossing.execution_id,
                    step_id=crossing.step_id,
                    operator=crossing.operator,
                    line=crossing.line,
                    locals=stop.locals,
                )
            )
            return await stop.go
        finally:
            if self._stop is stop:  # cancelled while it stood here
                self._leave()

    def _why(self, crossing: Crossing) -> str | None:
        """Why to stop here, None to pass."""
        if self._pausing:
            return "pause"
        if self._stepping is not None and _reached(*self._stepping, crossing):
            return "step"
        if self._until is not None and self._until.matches(crossing):
            return str(self._until)
        return next((str(b) for b in self._breakpoints if b.matches(crossing)), None)

    def _standing(self) -> Stop:
        if self._stop is None:
            raise ControlError("the run is not paused; pause it first")
        return self._stop

    def _release(self, action: str, stepping: tuple[Step, Crossing] | None, go: Pass | None = None) -> None:
        self._pausing, self._stepping = False, stepping
        if (stop := self._stop) is None:
            return
        self._emitter.emit(RunResumed(action=action, step_id=stop.crossing.step_id))
        self._leave()
        stop.go.set_result(go or Pass(stop.value, edited=stop.edited))

    def _leave(self) -> None:
        self._stop = None
        self._ledger.clock.resume()
        self._moved.set()


def _are_messages(value: Any) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(m, dict)
            and m.get("role") in ("system", "user", "assistant")
            and isinstance(m.get("content"), str)
            for m in value
        )
    )


def _reached(how: Step, start: Crossing, now: Crossing) -> bool:
    """Whether a step of this kind that began at `start` ends at `now`."""
    if now.execution_id != start.execution_id and start.execution_id is not None:
        return False
    if how == "into":
        return True
    within = start.where in ("model", "verdict")
    if how == "out":
        return within and now.where in ("after", "error") and now.step_id == start.step_id
    if within:
        return now.where in ("model", "verdict", "after", "error") and now.step_id == start.step_id
    return now.where in ("before", "line")
