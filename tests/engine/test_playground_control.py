"""A cell of a grid is a step like any other: it can be stopped, looked at and changed, and limits hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from engine.events import Event, ModelCallStarted, RunPaused, RunResumed, StepFinished, StepStarted
from engine.playground.plan import Cell
from engine.run.control import parse_breakpoint
from engine.run.control.control import Stop
from engine.run.ledger import Budget
from engine.runner import Run
from sandbox.pool import Pool
from sandbox.types import SandboxError, Session
from tests.support.playground import parent, plan_of, play
from tests.support.runs import RIGHT, WRONG, end, of
from tests.support.scripted import ScriptedModel

pytestmark = pytest.mark.asyncio(loop_scope="session")


def stops(*texts: str) -> Callable[[Run], None]:
    return lambda run: run.control.set_breakpoints([parse_breakpoint(text) for text in texts])


def at_stops(act: Callable[[Run, Stop], None]) -> Callable[[Run, Event], None]:
    def watch(run: Run, event: Event) -> None:
        if isinstance(event, RunPaused):
            assert run.control.stop is not None
            act(run, run.control.stop)

    return watch


async def test_a_paused_grid_asks_nothing_until_it_goes_on(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    model = ScriptedModel("m", RIGHT)
    asked: list[int] = []

    def go_on(run: Run, stop: Stop) -> None:
        asked.append(len(model.calls))
        assert (stop.crossing.where, stop.reason) == ("before", "pause")
        run.control.resume()

    plan = plan_of(recorded, repeats=3)
    cells, events = await play(
        sandbox, recorded, plan, [model], begin=lambda run: run.control.pause(), watch=at_stops(go_on)
    )
    assert asked == [0]
    assert [state.status for _, state in cells.all()] == ["ok"] * 3
    assert end(events).status == "answered"


@pytest.mark.parametrize(
    ("breakpoint_", "times"),
    [
        ("before *", 2),
        ("before custom_code_generate", 2),
        ("before test", 0),
        ("after custom_code_generate", 2),
        ("model custom_code_generate", 2),
        ("tokens > 0", 2),
        ("tokens > 1000000", 0),
        ("error", 0),
        ("match output /return/", 2),
        ("match input /return/", 0),
    ],
)
async def test_breakpoints_hold_in_a_grid(sandbox: Pool, breakpoint_: str, times: int) -> None:
    recorded = await parent(sandbox)
    _, events = await play(
        sandbox,
        recorded,
        plan_of(recorded, repeats=2),
        [ScriptedModel("m", RIGHT)],
        begin=stops(breakpoint_),
        watch=at_stops(lambda run, _: run.control.resume()),
    )
    assert len(of(events, RunPaused)) == len(of(events, RunResumed)) == times
    assert end(events).status == "answered"


async def test_what_passes_a_cell_can_be_changed(sandbox: Pool) -> None:
    recorded = await parent(sandbox)

    def correct(run: Run, stop: Stop) -> None:
        run.control.edit({**stop.value, "response": RIGHT})
        run.control.resume()

    plan = plan_of(recorded, test=True)
    cells, events = await play(
        sandbox,
        recorded,
        plan,
        [ScriptedModel("m", WRONG)],
        begin=stops("after custom_code_generate"),
        watch=at_stops(correct),
    )
    assert cells[Cell(0, 0, 1)].passed == 2
    assert of(events, StepFinished)[0].output["response"] == RIGHT


async def test_a_skipped_cell_asks_no_model(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    model = ScriptedModel("m", WRONG)
    cells, _ = await play(
        sandbox,
        recorded,
        plan_of(recorded, test=True),
        [model],
        begin=stops("before *"),
        watch=at_stops(lambda run, _: run.control.skip({"response": RIGHT})),
    )
    assert model.calls == []
    assert (cells[Cell(0, 0, 1)].status, cells[Cell(0, 0, 1)].passed) == ("ok", 2)


async def test_a_grid_that_is_ended_early_keeps_its_answers(sandbox: Pool) -> None:
    recorded = await parent(sandbox)

    def finish(run: Run, event: Event) -> None:
        if isinstance(event, StepFinished) and event.status == "ok":
            run.control.finish_early()

    class OnlyFirst(ScriptedModel):
        async def stream(self, messages: Any, sampling: Any) -> AsyncIterator[Any]:
            if self.calls:
                await asyncio.Event().wait()
            async for item in super().stream(messages, sampling):
                yield item

    plan = plan_of(recorded, repeats=6)
    cells, events = await play(sandbox, recorded, plan, [OnlyFirst("m", RIGHT)], watch=finish)
    states = [state for _, state in cells.all()]
    assert sorted(state.status for state in states) == ["cancelled"] * 5 + ["ok"]
    assert len(of(events, StepStarted)) == len(of(events, StepFinished)) <= 4  # the others never began
    assert end(events).status == "answered"


@pytest.mark.parametrize("limit", [1, 2])
async def test_a_budget_of_steps_counts_cells(sandbox: Pool, limit: int) -> None:
    recorded = await parent(sandbox)
    plan = plan_of(recorded, repeats=4)
    cells, events = await play(sandbox, recorded, plan, [ScriptedModel("m", RIGHT)], Budget(steps=limit))
    assert sorted(s.status for _, s in cells.all()) == ["budget"] * (4 - limit) + ["ok"] * limit
    assert all("for steps is used up" in (s.error or "") for _, s in cells.all() if s.status == "budget")
    assert (end(events).status, end(events).steps) == ("budget", limit)


async def test_a_budget_of_time_ends_a_cell_that_waits(sandbox: Pool) -> None:
    recorded = await parent(sandbox)

    class Stuck(ScriptedModel):
        async def stream(self, messages: Any, sampling: Any) -> AsyncIterator[Any]:
            await asyncio.Event().wait()
            yield

    cells, events = await play(sandbox, recorded, plan_of(recorded), [Stuck("m", "")], Budget(wall_s=2.0))
    assert len(of(events, ModelCallStarted)) <= 1
    assert cells[Cell(0, 0, 1)].status == "budget"
    assert "for wall time is used up" in (end(events).error or "")
    (step,) = of(events, StepFinished)
    assert step.status == "cancelled"


async def test_a_cell_whose_container_is_lost_is_asked_once_more(sandbox: Pool) -> None:
    recorded = await parent(sandbox)
    model = ScriptedModel("m", RIGHT)
    cells, events = await play(Losing(sandbox, times=1), recorded, plan_of(recorded), [model])
    state = cells[Cell(0, 0, 1)]
    assert (state.status, state.reply, state.calls) == ("ok", RIGHT, 1)
    assert end(events).status == "answered"

    cells, events = await play(Losing(sandbox, times=2), recorded, plan_of(recorded), [model])
    assert cells[Cell(0, 0, 1)].status == "infra"
    assert end(events).status == "infra"


class Losing:
    """A sandbox whose first containers are lost at the first call; every other call is the pool's."""

    def __init__(self, pool: Pool, *, times: int) -> None:
        self._pool, self._left = pool, times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        async with self._pool.session() as session:
            self._left -= 1
            yield _Lost(session) if self._left >= 0 else session  # type: ignore[misc]


class _Lost:
    def __init__(self, session: Session) -> None:
        self.container_id = session.container_id

    async def call(self, *_: Any, **__: Any) -> Any:
        raise SandboxError("container-lost", "the container is gone")
