"""A grid filled in the engine's process, as the screen has it: followed, cancelled, found in the store."""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.benchmarks import find_problem
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.playground.cells import Cells
from engine.playground.plan import GridPlan, PromptEdit
from store.reader import Reader
from tests.support.runtime import runtime
from tui.service.asked.playground import grid_request, read_step
from tui.service.engine_process.client import Client
from tui.service.engine_process.sockets import EngineError
from tui.service.engine_process.spawn import spawn
from tui.service.engine_process.wire import request_from_json, request_to_json
from tui.service.records import Records
from tui.service.requests import NewRun

__all__ = ["runtime"]  # a fixture


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> Path:
    monkeypatch.delenv("FLOWREASONER_STORE", raising=False)
    return tmp_path / "store.db"


@pytest.fixture
def engine(store: Path) -> Iterator[Path]:
    """The socket of an engine in a process of its own."""
    path = spawn(store)
    yield path
    handle = os.pidfd_open(int(path.stem))
    os.kill(int(path.stem), signal.SIGTERM)
    select.select([handle], [], [], 60)
    os.close(handle)


async def test_a_grid_is_filled_by_the_engine_and_kept(engine: Path, store: Path) -> None:
    problem = find_problem("pocket", EXAMPLE_ID)
    async with Client(engine) as client:
        parent = await client.start(
            NewRun(
                problem=problem,
                variant="vanilla",
                meta_agent="pocket-meta",
                worker="pocket-worker",
                rounds=1,
                seed=0,
                repeats=1,
            )
        )
        async for _ in client.events(parent, Records(store)):
            pass
    played = await asyncio.to_thread(read_step, store, parent, "0")
    edit = PromptEdit("edit 1", played.template.text + "\nBe quick.")
    plan = GridPlan(parent, played.step.id, ("pocket-worker",), (PromptEdit("recorded"), edit), test=True)
    request = grid_request(played, plan)
    assert request_from_json(request_to_json(request)) == request

    cells = Cells()
    async with Client(engine) as client:
        run_id = await client.start(request)
        async for event in client.events(run_id, Records(store)):
            cells.take(event)
        with pytest.raises(EngineError, match="unknown model 'nobody'"):
            unknown = GridPlan(parent, played.step.id, ("nobody",))
            await client.start(grid_request(played, unknown))

    states = [state for _, state in cells.all()]
    assert [s.status for s in states] == ["ok", "ok"]
    assert all(s.tokens_out > 0 and s.total for s in states)
    assert "Be quick." in states[1].messages[-1]["content"]
    with Reader(store) as reader:
        row = reader.run(run_id)
        assert (row.variant, row.status) == ("playground", "answered")
        assert reader.runs(search="quick", limit=5).rows[0].id == run_id
