"""The runs of this process that other processes can watch and control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.plain import jsonable
from engine.run.control import Breakpoint, BreakpointError, Control, ControlError, parse_breakpoint
from tui.service.engine_process.live_experiments import LiveExperiments

if TYPE_CHECKING:
    from engine.events import Event
    from engine.runner import Run

STEPS = ("into", "over", "out")


class LiveRun:
    """One run in progress. `newest` is the number of its last event in the store, -1 before the first.

    `stored` is set once there are more events than when it was taken.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.ended = False
        self.newest = -1
        self.stored = asyncio.Event()

    def advance(self, newest: int) -> None:
        """Note the number of the newest stored event, and wake those who wait on `stored`."""
        self.newest = newest
        self.stored.set()
        self.stored = asyncio.Event()


class Hub:
    """Runs by id, and experiments by name."""

    def __init__(self) -> None:
        self.live: dict[str, LiveRun] = {}
        self.experiments = LiveExperiments()

    async def track(self, run: Run, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The events of `run`, which arrive stored; until it ends it can be watched and controlled here."""
        live = self.live[run.id] = LiveRun(run)
        try:
            async with aclosing(events):
                async for event in events:
                    live.advance(event.seq)
                    yield event
        finally:
            live.ended = True
            del self.live[run.id]
            live.advance(live.newest)

    def state(self, run_id: str) -> dict[str, Any]:
        """How the run stands: "running", "pausing" or "paused", its breakpoints, and its stop if any.

        Raises ControlError where no such run is in progress here.
        """
        control = self._control(run_id)
        stop = control.stop
        status = "paused" if stop else "pausing" if control.pausing else "running"
        stop_data = None
        if stop is not None:
            crossing = asdict(stop.crossing)
            stop_data = {
                **crossing,
                "value": jsonable(stop.value),
                "reason": stop.reason,
                "edited": stop.edited,
            }
            stop_data["locals"] = stop.locals
        return {
            "run": run_id,
            "experiment": self.live[run_id].run.origin.experiment,
            "status": status,
            "breakpoints": [str(b) for b in control.breakpoints],
            "stop": stop_data,
        }

    def act(self, run_id: str, action: str, args: dict[str, Any]) -> dict[str, Any]:
        """Carry out one control action; returns `state` as it is then.

        Raises ControlError where there is no such run or action, or it cannot be done now.
        """
        control = self._control(run_id)
        match action:
            case "state":
                pass
            case "pause":
                control.pause()
            case "continue":
                until = args.get("until")
                control.resume(until=_breakpoint(until) if until is not None else None)
            case "step":
                how = args.get("how", "over")
                if how not in STEPS:
                    raise ControlError(f"a step can go {', '.join(STEPS)}, not {how!r}")
                control.step(how)
            case "break":
                texts = args.get("breakpoints")
                if not isinstance(texts, list):
                    raise ControlError("breakpoints must be a list of strings")
                control.set_breakpoints([_breakpoint(t) for t in texts])
            case "edit":
                control.edit(args.get("value"))
            case "skip":
                control.skip(args.get("output"))
            case "finish":
                control.finish_early()
            case "cancel":
                self.live[run_id].run.cancel()
                return {**self.state(run_id), "status": "cancelling"}
            case _:
                raise ControlError(f"there is no action {action!r}")
        return self.state(run_id)

    def _control(self, run_id: str) -> Control:
        if run_id not in self.live:
            raise ControlError(f"no run {run_id} is in progress here")
        return self.live[run_id].run.control


def _breakpoint(text: object) -> Breakpoint:
    try:
        return parse_breakpoint(text if isinstance(text, str) else repr(text))
    except BreakpointError as error:
        raise ControlError(str(error)) from None
