"""Recorded runs done again, as they were or changed: one run with its trace, or several with a line each."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError
from tui.format import plural, score
from tui.safe import one_line
from tui.service.errors import (
    EXIT_BY_STATUS,
    FAILED,
    INTERRUPTED,
    PASSED,
    UNAVAILABLE,
    internal,
    say,
)

if TYPE_CHECKING:
    from engine.events import RunFinished
    from store.failures import Grouping
    from tui.service.asked.edit_all import Edit
    from tui.service.requests import NewFork, RunRequest
    from tui.service.runtime import Runtime

Ask = Callable[[str], "RunRequest"]  # how the run of this id is asked for again


def chosen(store: Path, runs: list[str], cluster: str | None, by: Grouping, limit: int) -> list[str]:
    """The ids of the runs that the options name. Raises StoreError."""
    from store.reader import Reader
    from tui.reports.failures import find_cluster

    with Reader(store) as reader:
        if cluster is None:
            return list(dict.fromkeys(reader.run(one).id for one in runs))
        grouping, key, run = find_cluster(reader, by, cluster)
        if run is not None and key is None:
            return [run.id]
        return [row.id for row in reader.runs(cluster=(grouping, key or ""), limit=limit).rows]


def fork_requests(store: Path, run_ids: list[str], edit: Edit) -> dict[str, NewFork]:
    """The forks with this edit, by the run. Runs that it does not fit are told with the reason.

    Raises EditError where it fits none.
    """
    from tui.service.asked.edit_all import EditError, edit_request

    requests: dict[str, NewFork] = {}
    for run_id in run_ids:
        try:
            requests[run_id] = edit_request(store, run_id, edit)
        except ExpectedError as error:
            say(f"{run_id} is not forked: {one_line(str(error), 300)}")
    if not requests:
        raise EditError(f"the edit fits none of {plural(len(run_ids), 'run')}")
    return requests


def run_all(runtime: Runtime, run_ids: list[str], ask: Ask, *, concurrency: int, as_json: bool) -> int:
    """Do these runs again as `ask` has it for each, and return the exit code.

    SIGINT and SIGTERM cancel runs; their ends are recorded.
    """
    if len(run_ids) == 1:
        from tui.headless.run import run

        return run(runtime, ask(run_ids[0]), as_json=as_json)
    try:
        return asyncio.run(_several(runtime, run_ids, ask, concurrency, as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say("interrupted; everything so far is in the store")
        return INTERRUPTED


async def _several(runtime: Runtime, run_ids: list[str], ask: Ask, concurrency: int, as_json: bool) -> int:
    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    slots = asyncio.Semaphore(concurrency)
    codes: list[int] = []

    async def one(run_id: str) -> None:
        async with slots:
            codes.append(await _one(runtime, run_id, ask, as_json))

    try:
        async with asyncio.TaskGroup() as group:
            for run_id in run_ids:
                group.create_task(one(run_id))
    finally:
        await runtime.aclose()
    if not as_json:
        sys.stdout.write(f"{codes.count(PASSED)} of {plural(len(codes), 'run')} passed\n")
    return max(codes, key=[PASSED, FAILED, UNAVAILABLE, INTERRUPTED].index, default=PASSED)


async def _one(runtime: Runtime, run_id: str, ask: Ask, as_json: bool) -> int:
    """Run one again and print its line; a run that cannot be repeated does not stop the others."""
    from engine.events import RunFinished
    from tui.reports.tables import emit
    from tui.service.asked.open import open_run

    end: RunFinished | None = None
    try:
        request = await asyncio.to_thread(ask, run_id)
        async with aclosing(runtime.record(await open_run(runtime, request))) as events:
            async for event in events:
                if isinstance(event, RunFinished):
                    end = event
    # One of many: the others go on, and what is wrong with this one is said.
    except Exception as error:  # noqa: BLE001
        say(f"{run_id}: {error if isinstance(error, ExpectedError) else internal(error)}")
    status = end.status if end else "not run"
    line = f"{run_id} → {end.run_id if end else '–'}: {status}{_scored(end)}"
    new = {"run": run_id, "new": end.run_id if end else None, "status": status}
    emit({**new, "score": end.score if end else None}, one_line(line, 300), as_json)
    return EXIT_BY_STATUS.get(status, UNAVAILABLE)


def _scored(end: RunFinished | None) -> str:
    return "" if end is None or end.score is None else f", test {score(end.score)}"
