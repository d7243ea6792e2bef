"""What the trials in progress wait for, from their events as they come."""

from __future__ import annotations

from collections import Counter

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    ModelLoading,
    ModelRetry,
    RunFinished,
    RunPaused,
    RunResumed,
)

_SANDBOX = "the sandbox"
_LOAD = "load "  # begins the key of a model that is loaded; no call's id has a space
_STOP = ""  # the key of a stop, in place of a call's id


class Waits:
    """Keeps what each of any number of runs waits for now. A run that waits for several things counts
    for each.
    """

    def __init__(self) -> None:
        self._calls: dict[str, dict[str, str]] = {}  # by run: what each open call waits for
        self._models: dict[tuple[str, str], str] = {}

    def watch(self, event: Event) -> None:
        """Take note of an event of any run."""
        calls = self._calls.setdefault(event.run_id, {})
        match event:
            case ModelCallStarted():
                self._models[event.run_id, event.call_id] = event.model
                calls[event.call_id] = event.model
            case ModelLoading():
                if event.wall_ms is None:
                    calls[_LOAD + event.model] = f"{event.model} to be loaded"
                else:
                    calls.pop(_LOAD + event.model, None)
            case ModelRetry():
                model = self._models.get((event.run_id, event.call_id), "a model")
                calls[event.call_id] = f"another try of {model} ({event.reason})"
            case ModelDelta() if event.call_id in calls:
                calls[event.call_id] = self._models[event.run_id, event.call_id]
            case ModelCallFinished():
                calls.pop(event.call_id, None)
                self._models.pop((event.run_id, event.call_id), None)
            case RunPaused():
                calls[_STOP] = f"you (stopped: {event.reason})"
            case RunResumed():
                calls.pop(_STOP, None)
            case RunFinished():
                for call_id in self._calls.pop(event.run_id):
                    self._models.pop((event.run_id, call_id), None)

    def told(self) -> tuple[str, ...]:
        """A text for each thing that runs wait for, such as "5 for local/worker", the most frequent first."""
        places = Counter(
            place for calls in self._calls.values() for place in (set(calls.values()) or {_SANDBOX})
        )
        return tuple(f"{number:,} for {place}" for place, number in places.most_common())
