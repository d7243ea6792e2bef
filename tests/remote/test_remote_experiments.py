"""Experiments followed and controlled over a socket; requests for them on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from engine.experiments.experiment import Experiment
from tests.engine.test_experiment import Memory, experiment, plan
from tests.engine.test_experiment_standing import Gated
from tests.support.runtime import runtime
from tui.service.engine_process.client import Client, live_experiments
from tui.service.engine_process.hub import Hub
from tui.service.engine_process.server import Server
from tui.service.engine_process.sockets import EngineError
from tui.service.engine_process.wire import WireError, experiment_from_json, experiment_to_json, receive, send
from tui.service.requests import ExperimentRequest, NewExperiment, Placement, Resume

__all__ = ["runtime"]  # a fixture


class Served:
    """An experiment of four trials, two at a time, that is carried out and served by this process."""

    def __init__(self) -> None:
        self.gated, self.hub = Gated(), Hub()
        self.experiment: Experiment = experiment(plan(), self.gated, Memory(), concurrency=2)  # type: ignore[arg-type]
        self.path = Path()

    def let(self, count: int) -> None:
        for _ in range(count):
            self.gated.let.release()


@pytest_asyncio.fixture
async def served(tmp_path: Path, runtime: str) -> AsyncIterator[Served]:
    made = Served()
    async with Server(tmp_path / "store.db", made.hub) as server:
        assert server.path is not None
        made.path = server.path
        task = asyncio.create_task(made.hub.experiments.carry_out(made.experiment))
        await made.gated.begun.get()
        await made.gated.begun.get()
        yield made
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_engine_of_another_version_is_left_out_and_said(served: Served, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await receive(reader) is not None:
            await send(writer, {"ok": [{"experiment": "one"}, {"experiment": "two"}]})
        writer.close()

    other, said = served.path.with_name("1.sock"), list[str]()
    async with await asyncio.start_unix_server(answer, other):
        ((path, found),) = await live_experiments(tmp_path / "store.db", said.append)
    assert (path, found.experiment) == (served.path, "e")
    (sentence,) = said
    assert str(other) in sentence and "another version" in sentence


async def test_it_is_found_paused_continued_and_followed_to_its_end(served: Served, tmp_path: Path) -> None:
    ((path, found),) = await live_experiments(tmp_path / "store.db", pytest.fail)
    assert (path, found.experiment, found.status, found.running) == (served.path, "e", "running", 2)
    async with Client(served.path) as client, Client(served.path) as other:
        assert (await client.ask("pause", experiment="e"))["status"] == "pausing"
        stream = other.progress("e")
        assert (await anext(stream)).status == "pausing"
        served.let(2)
        async for standing in stream:
            if standing.status == "paused":
                break
        assert (standing.done, standing.running) == (2, 0)
        assert served.gated.begun.empty()
        assert (await client.ask("continue", experiment="e"))["status"] == "running"
        served.let(2)
        async for _ in stream:  # goes on where it was left
            pass
    async with Client(served.path) as client:
        last = [s async for s in client.progress("e")][-1]
        assert (last.status, last.end, last.done, last.variants[0].pass_rate) == ("ended", "done", 4, 1.0)
        with pytest.raises(EngineError, match="the experiment e has ended: done"):
            await client.ask("pause", experiment="e")


async def test_it_can_be_cancelled_and_says_so(served: Served) -> None:
    async with Client(served.path) as client:
        assert (await client.ask("cancel", experiment="e"))["status"] in ("cancelling", "ended")
        last = [s async for s in client.progress("e")][-1]
    assert (last.end, last.done) == ("cancelled", 0)


async def test_what_cannot_be_asked_is_a_sentence(served: Served) -> None:
    async with Client(served.path) as client:
        for asked, said in [
            ({"do": "pause", "experiment": "f"}, "no experiment f is in progress here"),
            ({"do": "step", "experiment": "e"}, "takes state, pause, continue, cancel, not 'step'"),
            ({"do": "attach", "experiment": 3}, "by its name"),
            (
                {"do": "start_experiment", "request": {}},
                "no request 'start_experiment'",
            ),  # only engines start
        ]:
            with pytest.raises(EngineError, match=said):
                await client.ask(**asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "request_",
    [
        NewExperiment(benchmark="pocket", variants=["vanilla", "aflow,rounds=2"], data=Path("/d"), limit=3),
        Resume(name="e", retry=["infra"]),
    ],
)
def test_a_request_survives_the_way(request_: ExperimentRequest) -> None:
    placement = Placement(on="ray", concurrency=3, budget_usd=1.5)
    assert experiment_from_json(experiment_to_json(request_, placement)) == (request_, placement)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (3, "a JSON object"),
        ({"kind": "NewExperiment", "speed": 3}, "no field 'speed'"),
        ({"kind": "NewExperiment", "benchmark": "pocket", "limit": "many"}, "limit"),
        ({"kind": "NewExperiment", "benchmark": "pocket", "variants": 3}, "variants"),
        ({"kind": "NewExperiment"}, "benchmark: "),
        ({"kind": "Placement"}, "no experiment of kind 'Placement'"),
        ({"kind": ["Resume"], "name": "e"}, "no experiment of kind"),
        ({"name": "e"}, "no experiment of kind None"),
    ],
)
def test_a_hostile_request_is_a_sentence(data: Any, said: str) -> None:
    whole = {"placement": {"kind": "Placement"}, **data} if isinstance(data, dict) else data
    with pytest.raises(WireError, match=said):
        experiment_from_json(whole)


def test_a_placement_is_checked_too() -> None:
    with pytest.raises(WireError, match="a JSON object"):
        experiment_from_json({"kind": "Resume", "name": "e"})
    with pytest.raises(WireError, match="concurrency"):
        placement = {"kind": "Placement", "concurrency": "many"}
        experiment_from_json({"kind": "Resume", "name": "e", "placement": placement})
