"""Loading a model is an event of its own, before the call, which is not charged for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from engine.events import Event, ModelCallFinished, ModelCallStarted, ModelLoading
from engine.experiments.waits import Waits
from engine.forks import Fork
from engine.models.base import Loads, Message, ModelError, Sampling
from engine.models.local.model import LocalModel
from engine.run.context import Origin, RunConfig, Services
from engine.run.control import Control
from engine.run.emitter import Emitter
from engine.run.gateway import Gateway
from engine.run.ledger import Budget, Ledger
from engine.runner import Run
from sandbox.types import Sandbox
from tests.support.runs import DOUBLE, GENERATE, end, of, run_events
from tests.support.scripted import ScriptedModel

in_session = pytest.mark.asyncio(loop_scope="session")  # that of the sandbox
ASKED = [Message(role="user", content="Hello")]


class HeavyModel(ScriptedModel):
    """Is loaded once `release` is set."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "Hello yourself.")
        self.asked, self.release = asyncio.Event(), asyncio.Event()
        self.is_loaded = False

    async def load(self) -> bool:
        self.asked.set()
        await self.release.wait()
        self.is_loaded = True
        return True


class Calls:
    """A run that makes model calls and nothing else."""

    def __init__(self) -> None:
        self.emitter, self.ledger = Emitter("r"), Ledger(Budget())
        self.gateway = Gateway(self.emitter, self.ledger, Control(self.emitter, self.ledger), Fork())

    def call(self, model: ScriptedModel | LocalModel) -> asyncio.Task[object]:
        return asyncio.create_task(self.gateway.call(model, ASKED, Sampling(), role="worker"))

    def so_far(self) -> list[Event]:
        events = []
        while not self.emitter._queue.empty():
            events.append(self.emitter._queue.get_nowait())
        return events


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if event.kind != "model_delta"]


async def test_a_call_begins_once_the_model_is_loaded() -> None:
    model, run = HeavyModel("heavy"), Calls()
    call = run.call(model)
    await model.asked.wait()
    waited = run.so_far()
    assert [(e.model, e.wall_ms) for e in waited if isinstance(e, ModelLoading)] == [("heavy", None)]
    assert not model.calls
    model.release.set()
    await call
    loaded, started, finished = (e for e in run.so_far() if e.kind != "model_delta")
    assert isinstance(loaded, ModelLoading) and loaded.wall_ms is not None and loaded.wall_ms >= 0
    assert not loaded.failed
    assert isinstance(started, ModelCallStarted) and isinstance(finished, ModelCallFinished)
    assert finished.wall_ms <= (finished.at - started.at) * 1e3 + 50, "counted from the call's own beginning"
    await run.call(model)
    assert kinds(run.so_far()) == ["model_call_started", "model_call_finished"], "it is loaded once"


async def test_calls_at_once_tell_of_one_loading_and_all_wait_for_it() -> None:
    model, run = HeavyModel("heavy"), Calls()
    calls = [run.call(model) for _ in range(4)]
    await model.asked.wait()
    assert kinds(run.so_far()) == ["model_loading"]
    model.release.set()
    await asyncio.gather(*calls)
    after = kinds(run.so_far())
    assert after.count("model_loading") == 1 and after[0] == "model_loading"
    assert after.count("model_call_finished") == 4


async def test_a_cancelled_wait_ends_the_loading_in_the_record() -> None:
    model, run = HeavyModel("heavy"), Calls()
    call = run.call(model)
    await model.asked.wait()
    seen = run.so_far()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    begun, ended = (e for e in [*seen, *run.so_far()] if isinstance(e, ModelLoading))
    assert begun.wall_ms is None and ended.wall_ms is not None and ended.failed
    before = run.ledger.clock.wall_s
    assert run.ledger.clock.wall_s > before  # it goes on


async def test_a_model_that_cannot_be_loaded_says_so_in_its_call(tmp_path: object) -> None:
    model, run = LocalModel("broken", f"{tmp_path}/nothing-here", device="cpu"), Calls()
    assert isinstance(model, Loads) and not model.is_loaded
    with pytest.raises(ModelError, match="broken"):
        await run.call(model)
    told = run.so_far()
    assert kinds(told) == [
        *("model_loading", "model_loading"),
        *("model_call_started", "model_call_finished"),
    ]
    assert [e.failed for e in told if isinstance(e, ModelLoading)] == [False, True]
    await model.aclose()


def test_what_waits_for_a_model_to_be_loaded_is_told() -> None:
    waits = Waits()
    begun = ModelLoading(model="heavy", wall_ms=None, run_id="r", seq=0, at=0.0, mono=0.0)
    waits.watch(begun)
    assert waits.told() == ("1 for heavy to be loaded",)
    waits.watch(ModelLoading(model="heavy", wall_ms=9.0, run_id="r", seq=1, at=1.0, mono=1.0))
    assert waits.told() == ("1 for the sandbox",)


@in_session
async def test_a_worker_is_loaded_while_the_meta_agent_writes(sandbox: Sandbox) -> None:
    worker = HeavyModel("worker")

    def write(messages: object, sampling: object) -> str:
        worker.release.set()  # only now: a run that asked for it at the first call would wait for ever
        return GENERATE

    class Writer(ScriptedModel):
        async def stream(self, *asked: Any) -> AsyncIterator[Any]:
            await worker.asked.wait()
            async for item in super().stream(*asked):
                yield item

    events = await run_events(sandbox, services=Services(Writer("meta", write), worker, sandbox))
    assert end(events).status != "cancelled"
    assert not of(events, ModelLoading), "nobody had to wait for it"


@in_session
async def test_a_run_that_ends_before_its_worker_is_loaded_does_not_wait_for_it(sandbox: Sandbox) -> None:
    worker = HeavyModel("worker")
    refused = ScriptedModel("meta", lambda *_: ModelError("refused", "no"))
    events = await run_events(sandbox, services=Services(refused, worker, sandbox))
    assert end(events).status == "error" and not worker.is_loaded


@in_session
async def test_what_goes_on_from_an_earlier_run_loads_no_worker_before_it_is_needed(sandbox: Sandbox) -> None:
    worker = HeavyModel("worker")
    refused = ScriptedModel("meta", lambda *_: ModelError("refused", "no"))
    run = Run(DOUBLE, RunConfig(repeats=1), Services(refused, worker, sandbox), origin=Origin(parent="r0"))
    assert end([event async for event in run.events()]).status == "error"
    assert not worker.asked.is_set()
