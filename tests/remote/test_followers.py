"""Who follows a run or an experiment is told all of it and then its end, whenever that comes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.events import Event, Notice
from engine.experiments.contestants import contestants, specs_by_label
from engine.experiments.experiment import Experiment
from engine.experiments.plan import Plan
from engine.experiments.tally import Attempt
from engine.experiments.trials import TrialRequest, Watch
from engine.journal import Journal
from engine.problems import Problem
from engine.run.control import Control
from engine.run.emitter import Emitter
from engine.run.ledger import Budget, Ledger
from engine.search import Trial
from engine.tasks import Task
from store.recorder import Recorder
from tests.store.samples import finished, started
from tests.support.runtime import runtime
from tests.support.searches import MemoryJournal
from tui.service.engine_process.client import Client
from tui.service.engine_process.hub import Hub
from tui.service.engine_process.live_experiments import LiveExperiments
from tui.service.engine_process.server import Server
from tui.service.records import Records

__all__ = ["runtime"]
pytestmark = pytest.mark.usefixtures("runtime")


def note(seq: int) -> Event:
    return Notice(run_id="r1", seq=seq, at=1000.0 + seq, level="info", text=f"note {seq}")


END = dataclasses.replace(finished(), seq=3)


class FedRun:
    """A run whose events come when the test says so."""

    def __init__(self) -> None:
        self.id = "r1"
        self.control = Control(Emitter("r1"), Ledger(Budget()))
        self.queue: asyncio.Queue[Event | None] = asyncio.Queue()

    async def events(self, recorder: Recorder) -> AsyncGenerator[Event, None]:
        while (event := await self.queue.get()) is not None:
            await recorder.record(event)
            yield event
            self.queue.task_done()  # whoever drives it has come back for more
        self.queue.task_done()


class Gate:
    """Stops a follower's reading of the store once it has all there is, until it is let through."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = asyncio.Event(), asyncio.Event()
        read = Records.events

        async def events(records: Records, run_id: str, after: int = -1) -> AsyncIterator[list[Event]]:
            async for chunk in read(records, run_id, after):
                yield chunk
            self.reached.set()
            await self.opened.wait()

        monkeypatch.setattr(Records, "events", events)


class Followed:
    """A run that is served on a socket and followed by one client."""

    def __init__(self, path: Path) -> None:
        self.path, self.run, self.hub = path, FedRun(), Hub()
        self.seen: list[int] = []
        self._came = asyncio.Condition()

    async def drive(self, recorder: Recorder) -> None:
        async for _ in self.hub.track(self.run, self.run.events(recorder)):  # type: ignore[arg-type]
            pass

    async def follow(self, socket: Path) -> None:
        async with Client(socket) as client:
            async for event in client.events("r1", Records(self.path)):
                async with self._came:
                    self.seen.append(event.seq)
                    self._came.notify_all()

    async def until(self, seqs: list[int]) -> None:
        """Wait until the follower has these; a follower that waits for more never has."""
        async with self._came:
            await self._came.wait_for(lambda: self.seen == seqs)

    async def stored(self, *events: Event | None) -> None:
        """Let the run give these events, and wait until it has."""
        for event in events:
            self.run.queue.put_nowait(event)
        await self.run.queue.join()


async def test_what_is_stored_while_a_follower_reads_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed, gate = Followed(tmp_path / "store.db"), Gate(monkeypatch)
    async with Recorder(followed.path) as recorder, Server(followed.path, followed.hub) as server:
        assert server.path is not None
        running = asyncio.create_task(followed.drive(recorder))
        await followed.stored(started())
        following = asyncio.create_task(followed.follow(server.path))
        await gate.reached.wait()
        # Nothing comes after this one for as long as it is not shown.
        await followed.stored(note(1))
        gate.opened.set()
        await followed.until([0, 1])
        await followed.stored(note(2), END, None)
        await running
        await following
    assert followed.seen == [0, 1, 2, 3]


@pytest.mark.parametrize("late", [[], [note(1)], [note(1), note(2), END]])
async def test_a_run_that_ends_while_a_follower_reads_is_told_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, late: list[Event]
) -> None:
    followed, gate = Followed(tmp_path / "store.db"), Gate(monkeypatch)
    async with Recorder(followed.path) as recorder, Server(followed.path, followed.hub) as server:
        assert server.path is not None
        running = asyncio.create_task(followed.drive(recorder))
        await followed.stored(started())
        following = asyncio.create_task(followed.follow(server.path))
        await gate.reached.wait()
        await followed.stored(*late, None)
        await running
        assert followed.hub.live == {}
        gate.opened.set()
        await following
    assert followed.seen == [0, *(event.seq for event in late)]


class Waited(asyncio.Event):
    """Says when somebody begins to wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.by_somebody = asyncio.Event()

    async def wait(self) -> Any:
        self.by_somebody.set()
        return await super().wait()


async def test_a_follower_that_waits_hears_of_the_end(tmp_path: Path) -> None:
    followed = Followed(tmp_path / "store.db")
    async with Recorder(followed.path) as recorder, Server(followed.path, followed.hub) as server:
        assert server.path is not None
        running = asyncio.create_task(followed.drive(recorder))
        await followed.stored(started(), note(1))
        more = followed.hub.live["r1"].stored = Waited()
        following = asyncio.create_task(followed.follow(server.path))
        await followed.until([0, 1])
        await more.by_somebody.wait()
        await followed.stored(None)
        await running
        await following
        # And so does whoever comes afterwards.
        await followed.follow(server.path)
    assert followed.seen == [0, 1, 0, 1]


class Log:
    """Knows nothing."""

    async def attempts(self) -> dict[str, Attempt]:
        return {}

    async def ended(self, key: str) -> Trial | None:
        return None

    async def unfinished(self, key: str) -> None:
        return None

    async def spent(self) -> tuple[float, int]:
        return 0.0, 0

    def journal(self, label: str) -> Journal:
        return MemoryJournal()


def experiment(carry: Any, problems: int = 1) -> Experiment:
    ids = tuple(f"p{n}" for n in range(problems))
    plan = Plan("e", "b", None, None, 7, 1, 1, "m", "w", specs_by_label(["vanilla"]), ids, (), "d")
    known = {p: Problem(p, "Solve.") for p in ids}
    task = Task("t", "t", "open", ())
    return Experiment(plan, contestants(plan, Budget(), "code"), known, task, carry, Log(), concurrency=1)


async def test_an_experiment_that_ends_while_its_follower_is_busy_is_told_to_have_ended() -> None:
    go_on = asyncio.Event()

    async def carry(request: TrialRequest, watch: Watch) -> Trial:
        await go_on.wait()
        return Trial("r", request.problem.id, 1, "passed", 1.0, None, None, 0, 0, 0.0)

    live = LiveExperiments()
    running = asyncio.create_task(live.carry_out(experiment(carry)))
    await asyncio.sleep(0)
    following = live.follow("e")
    assert (await anext(following)).status == "running"
    # The follower has not asked for more yet: it is writing what it was told to a socket, say.
    go_on.set()
    await running
    told = [standing async for standing in following]
    assert [(standing.status, standing.end, standing.done) for standing in told] == [("ended", "done", 1)]
