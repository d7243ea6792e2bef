"""The experiments of this process that other processes can follow and control."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.experiments.standing import Standing
from engine.run.control import ControlError

if TYPE_CHECKING:
    from engine.experiments.experiment import Ended, Experiment
    from engine.experiments.keys import TrialKey
    from engine.search import Trial

ACTIONS = ("state", "pause", "continue", "cancel")
FRESH_S = 2.0  # a follower is sent the standing at least this often: clocks run on between trials
OFTEN_S = 0.2  # and at most this often: hundreds of trials may end in a second


class LiveExperiment:
    """One experiment. `changed` is set once it stands otherwise than when it was taken."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.task = asyncio.current_task()
        self.cancelling = False
        self.end, self.stopped = "", ""
        self.changed = asyncio.Event()

    @property
    def standing(self) -> Standing:
        """How it stands now; after its end, how and why it ended."""
        now = self.experiment.standing()
        if self.end:
            return replace(now, status="ended", end=self.end, stopped=self.stopped, eta_s=None, waits=())
        return replace(now, status="cancelling") if self.cancelling else now

    def advance(self) -> None:
        """Wake those who wait on `changed`."""
        self.changed.set()
        self.changed = asyncio.Event()


class LiveExperiments:
    """Experiments by name. One that has ended is known until the process ends or it is resumed here."""

    def __init__(self) -> None:
        self._by_name: dict[str, LiveExperiment] = {}

    async def carry_out(self, experiment: Experiment, on_end: Ended = lambda *_: None) -> Standing:
        """Carry it out; returns how it stands at its end. Until then it can be followed and controlled here.

        Raises what `Experiment.run` raises.
        """
        live = self._by_name[experiment.plan.name] = LiveExperiment(experiment)

        def ended(key: TrialKey, trial: Trial) -> None:
            live.advance()
            on_end(key, trial)

        try:
            end = await experiment.run(ended)
            live.end, live.stopped = end, experiment.stopped
        except asyncio.CancelledError:
            live.end, live.stopped = "cancelled", "it was cancelled"
            raise
        except BaseException as error:
            live.end, live.stopped = "error", str(error) or type(error).__name__
            raise
        finally:
            live.advance()
        return live.standing

    def states(self) -> list[Standing]:
        """How each experiment stands."""
        return [live.standing for live in self._by_name.values()]

    async def follow(self, name: str) -> AsyncGenerator[Standing, None]:
        """How it stands, again whenever that has changed, until it has ended.

        Raises ControlError where this process knows no such experiment.
        """
        live = self._live(name)
        while True:
            # Both taken at once: it may change, and end, while the follower takes this one in.
            changed, standing = live.changed, live.standing
            yield standing
            if standing.end:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), FRESH_S)
            if not live.end:
                await asyncio.sleep(OFTEN_S)

    def act(self, name: str, action: str) -> Standing:
        """Carry out one of `ACTIONS`; returns how the experiment stands then.

        Raises ControlError where there is no such experiment or action, or it has ended.
        """
        live = self._live(name)
        if action not in ACTIONS:
            raise ControlError(
                f"an experiment takes {', '.join(ACTIONS)}, not {action!r};"
                " to act on one of its runs, give the run's id"
            )
        if live.end and action != "state":
            raise ControlError(f"the experiment {name} has ended: {live.end}")
        match action:
            case "pause":
                live.experiment.guard.pause()
            case "continue":
                live.experiment.guard.go_on()
            case "cancel":
                live.cancelling = True
                assert live.task is not None  # a coroutine runs in one
                live.task.cancel()
        live.advance()
        return live.standing

    def _live(self, name: str) -> LiveExperiment:
        if name not in self._by_name:
            raise ControlError(f"no experiment {name} is in progress here")
        return self._by_name[name]
