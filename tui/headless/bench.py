"""`flowreasoner bench`: carry an experiment out, here or in an engine process, and say how it ended."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from tui.reports.experiments import leak_line, print_end, print_estimate, print_verification
from tui.reports.progress import View, view
from tui.reports.tables import emit
from tui.service.engine_process.server import served
from tui.service.errors import FAILED, INTERRUPTED, PASSED, UNAVAILABLE, internal, say
from tui.service.experiments.carry import open_experiment
from tui.service.experiments.prepare import PreparedExperiment, prepare
from tui.service.requests import ExperimentRequest, NewExperiment, Placement

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.experiments.experiment import Experiment
    from engine.experiments.selection import Selection
    from tui.service.runtime import Runtime


def estimate_only(settings: Settings, request: ExperimentRequest, *, as_json: bool) -> int:
    """Print an estimate of what the experiment will take and run nothing. Raises what `prepare` raises."""
    from tui.service.experiments.estimate import estimate

    store = settings.store_path()
    prepared = prepare(settings, store, request)
    print_estimate(prepared.plan.name, estimate(store, prepared), as_json=as_json)
    return PASSED


def verify_only(runtime: Runtime, request: ExperimentRequest, *, as_json: bool) -> int:
    """Check the reference solutions, run no variant, and return the exit code."""
    prepared = prepare(runtime.settings, runtime.store_path, request)

    async def check() -> bool:
        try:
            return await _verified(runtime, prepared.selection, as_json)
        finally:
            await runtime.aclose()

    return PASSED if asyncio.run(check()) else FAILED


def bench(
    runtime: Runtime, request: ExperimentRequest, placement: Placement, *, verify: bool, as_json: bool
) -> int:
    """Carry the request out and return the exit code. SIGINT and SIGTERM cancel it, recorded.

    With `verify`, only once the reference solutions have passed.
    """
    prepared = prepare(runtime.settings, runtime.store_path, request)
    _tell_leaks(prepared)
    try:
        return asyncio.run(_bench(runtime, prepared, placement, verify, as_json))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"interrupted; continue with: flowreasoner bench --resume {prepared.plan.name}")
        return INTERRUPTED


def detach(settings: Settings, request: ExperimentRequest, placement: Placement, *, as_json: bool) -> int:
    """Start the request in an engine process, which goes on when this process has ended."""
    from tui.service.engine_process.client import Client
    from tui.service.engine_process.spawn import spawn

    store = settings.store_path()
    # What is wrong with the request is told with its own exit code, and before there is an engine.
    prepared = prepare(settings, store, request)
    _tell_leaks(prepared)
    name = prepared.plan.name
    if isinstance(request, NewExperiment):
        request = replace(request, name=name)

    async def start() -> None:
        async with Client(await asyncio.to_thread(spawn, store)) as client:
            await client.start_experiment(request, placement)

    asyncio.run(start())
    follow = f"flowreasoner attach {name}"
    text = (
        f"{name} has begun; follow it with: {follow}\n"
        f"  flowreasoner control {name} state|pause|continue|cancel"
    )
    emit({"kind": "detached", "name": name, "follow": follow}, text, as_json)
    return PASSED


def _tell_leaks(prepared: PreparedExperiment) -> None:
    for label, sentences in prepared.leaks.items():
        for sentence in sentences:
            say(leak_line(label, sentence))


async def _bench(
    runtime: Runtime, prepared: PreparedExperiment, placement: Placement, verify: bool, as_json: bool
) -> int:
    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        if verify and not await _verified(runtime, prepared.selection, as_json):
            return FAILED
        return await _carry_out(runtime, prepared, placement, as_json)
    finally:
        await runtime.aclose()


async def _carry_out(
    runtime: Runtime, prepared: PreparedExperiment, placement: Placement, as_json: bool
) -> int:
    async with (
        # Other terminals may follow and control the experiment meanwhile.
        served(runtime.store_path, runtime.hub),
        open_experiment(runtime, prepared, placement, _told_once()) as experiment,
    ):
        shown = view(experiment.standing, as_json=as_json)
        with shown:
            ended = await runtime.hub.experiments.carry_out(experiment, partial(_ended, experiment, shown))
    print_end(runtime.store_path, ended, as_json=as_json)
    return PASSED if ended.end == "done" else UNAVAILABLE


def _ended(experiment: Experiment, shown: View, key: Any, trial: Any) -> None:
    if experiment.guard.budget_usd is not None and experiment.guard.unknown_calls:
        shown.warn_once("some calls have an unknown price; --budget does not limit what they cost")
    shown.ended(key, trial)


def _told_once() -> Callable[[Exception], None]:
    """Bugs that ended runs: each goes to the log, the first of a kind to the user."""
    known: set[str] = set()

    def report(error: Exception) -> None:
        sentence = internal(error)
        if type(error).__name__ not in known:
            known.add(type(error).__name__)
            say(sentence)

    return report


async def _verified(runtime: Runtime, selection: Selection, as_json: bool) -> bool:
    """Whether the reference solutions pass; those that do not are printed."""
    from tui.headless.benchmarks import verified

    sandboxes = await runtime.sandboxes()
    report = await verified((*selection.report, *selection.search), sandboxes.open)
    print_verification(report, as_json=as_json)
    return report.sound
