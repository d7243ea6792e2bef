"""The event loop never stands still for 100 ms: not while 2,000 tokens a second stream in, not while a
trace of 10,000 steps loads.

What is measured is each callback the loop runs: `asyncio.Handle._run` is wrapped with the CPU clock of
the loop's own thread. Unlike a heartbeat's wall time this does not count the work of other processes,
so a busy machine cannot fail it, and a callback of ours that is too long always does.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from engine.events import Event
from store.db import open_writer, write
from store.projections import add
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import CODE, REASONING, Script, ScriptedWorkbench, long_run
from tui.screens.run.run import RunScreen
from tui.service.requests import RunRequest
from tui.trace.subject import graph_that_ran
from tui.widgets.outline_view import OutlineView
from tui.widgets.text_view import TextView

pytestmark = pytest.mark.drawn  # as it is with a terminal
# A stall is over 100 ms; whatever else this machine does may double what a callback takes.
LIMIT_S = 0.200
TOKENS_PER_SECOND = 2_000
SECONDS = 2
STEPS = 10_000


class Gaps:
    """The longest callback, and the CPU seconds of all of them."""

    worst = 0.0
    total = 0.0
    culprit = ""


@contextmanager
def measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gaps]:
    """Time every callback the loop runs inside the block."""
    gaps = Gaps()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(handle)
        spent = time.thread_time() - begun
        gaps.total += spent
        if spent > gaps.worst:
            task = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
            gaps.worst, gaps.culprit = spent, f"{repr(task or handle)[:400]}"

    # A full collection walks every object the test session has made; that is not ours to answer for.
    gc.collect()
    gc.freeze()
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.Handle, "_run", timed)
        yield gaps
    gc.unfreeze()


class StreamingWorkbench(ScriptedWorkbench):
    """Streams four-character tokens, twenty deltas a second, as emitters do."""

    async def start(self, request: RunRequest) -> str:
        return "r"

    async def follow(self, run_id: str, after: int = -1) -> AsyncGenerator[Event, None]:
        script = Script()
        script.start()
        script.add(ev.RoundStarted(round=1))
        script.call("meta", "", finish=False)
        for event in script.events:
            yield event
        body = f"{REASONING}\n<graph>\n" + CODE * 200
        length = 4 * TOKENS_PER_SECOND // 20
        for number in range(20 * SECONDS):
            begun = time.monotonic()
            piece = body[number * length : (number + 1) * length] or "x = 1 # 中\n" * (length // 10)
            yield ev.ModelDelta(run_id="r", seq=10 + number, call_id="call-1", channel="text", text=piece)
            await asyncio.sleep(max(0.05 - (time.monotonic() - begun), 0))


async def test_streaming_never_stalls_the_loop(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(StreamingWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        with measured(monkeypatch) as gaps:
            await until(pilot, lambda: not app.engines.running)
        assert len(app.screen.query_one("#workflow", TextView).whole) > SECONDS * TOKENS_PER_SECOND
        assert gaps.worst < LIMIT_S, f"{gaps.worst * 1000:.0f} ms in {gaps.culprit}"
        print(f"streaming: worst callback {gaps.worst * 1000:.0f} ms, {gaps.total:.1f} s CPU in {SECONDS} s")


async def test_a_trace_of_ten_thousand_steps_never_stalls_the_loop(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(open_writer(store)) as db, write(db):  # at once: as it goes on, it would take as long again
        add(db, long_run(STEPS))
    app = app_of(ScriptedWorkbench(store))
    while_loading: list[bool] = []

    def graph(*of: Any) -> Any:
        while_loading.append(app.screen.session.loading)  # type: ignore[attr-defined]
        return graph_that_ran(*of)

    monkeypatch.setattr("tui.screens.run.graph_pane.graph_that_ran", graph)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: not app.screen.query_one("#recent").empty.startswith("Reading"))  # type: ignore[attr-defined]
        with measured(monkeypatch) as gaps:
            app.open_trace("last")
            await until(pilot, lambda: _loaded(app.screen))
            outline = app.screen.query_one(OutlineView)
            await until(pilot, lambda: outline.count > STEPS)
            await until(pilot, lambda: while_loading)
            await pilot.press("G", "v", "g", "enter", "enter", *"jjjjj", "k")
        assert not any(while_loading), "the graph, which takes a look at every step, waits for the last"
        assert gaps.worst < LIMIT_S, f"{gaps.worst * 1000:.0f} ms in {gaps.culprit}"
        print(
            f"trace: worst callback {gaps.worst * 1000:.0f} ms, {gaps.total:.1f} s CPU in all: {gaps.culprit}"
        )


def _loaded(screen: Any) -> bool:
    return isinstance(screen, RunScreen) and screen.session.state.finished and not screen.session.loading
