"""What the trials under way wait for, from their events as they come."""

from __future__ import annotations

from collections import Counter

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    ModelRetry,
    RunFinished,
    RunPaused,
    RunResumed,
)

_SANDBOX = "the sandbox"
_STOP = ""  # where calls have their ids


class Waits:
    """Watches any number of runs; of each, what it waits for now. A run in several places counts in each."""

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
        """As in "5 for local/worker", the most frequent first."""
        places = Counter(
            place for calls in self._calls.values() for place in (set(calls.values()) or {_SANDBOX})
        )
        return tuple(f"{number:,} for {place}" for place, number in places.most_common())
