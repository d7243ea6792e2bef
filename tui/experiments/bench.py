"""`flowreasoner bench`: plan an experiment or take one up again, carry it out, and say how it ended."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.errors import FAILED, INTERRUPTED, PASSED, UNAVAILABLE, internal, say
from tui.experiments.carrying import open_experiment
from tui.experiments.found import found_for
from tui.experiments.places import check_place
from tui.remote.server import served
from tui.reports.experiments import print_end, print_estimate, print_verification
from tui.reports.progress import View, view
from tui.reports.tables import emit

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.experiments.contestants import Contestant
    from engine.experiments.experiment import Experiment
    from engine.experiments.plan import Plan
    from engine.experiments.selection import Selection
    from tui.launch import Workbench

DEFAULT_CONCURRENCY = 8


@dataclass(frozen=True, kw_only=True)
class BenchRequest:
    """The command's options; None and empty where not given. Those of the first group are the plan's."""

    benchmark: str | None = None
    variants: Sequence[str] = ()
    name: str | None = None
    limit: int | None = None
    split: str | None = None
    repeats: int | None = None
    executions: int | None = None
    seed: int | None = None
    data: Path | None = None
    meta_agent: str | None = None
    worker: str | None = None
    found: str | None = None

    resume: str | None = None
    retry: Sequence[str] = ()
    on: str = "local"
    concurrency: int = DEFAULT_CONCURRENCY
    budget_usd: float | None = None
    verify: bool = False
    dry_run: bool = False
    as_json: bool = False


@dataclass(frozen=True)
class Job:
    """An experiment ready to be carried out; `is_new` when its plan is not stored yet."""

    plan: Plan
    selection: Selection
    contestants: dict[str, Contestant]
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    is_new: bool = True


def bench(workbench: Workbench, request: BenchRequest) -> int:
    """Carry the request out and return the exit code. SIGINT and SIGTERM cancel it, recorded."""
    job = prepare(workbench.settings, workbench.store_path, request)
    if request.dry_run:
        print_estimate(workbench.store_path, job, as_json=request.as_json)
        return PASSED
    try:
        return asyncio.run(_bench(workbench, job, request))
    except (KeyboardInterrupt, asyncio.CancelledError):
        say(f"interrupted; go on with: flowreasoner bench --resume {job.plan.name}")
        return INTERRUPTED


def detach(settings: Settings, request: BenchRequest, *, unsafe_local: bool) -> int:
    """Start the request in an engine of its own, which goes on when this process has ended."""
    from engine.experiments.plan import PlanError
    from tui.remote.client import Client
    from tui.remote.engine import spawn

    if wrong := [
        option
        for option, is_on in (
            ("--dry-run", request.dry_run),
            ("--verify", request.verify),
            ("--unsafe-local", unsafe_local),
        )
        if is_on
    ]:
        raise PlanError(f"{wrong[0]} is for this terminal, and --detach leaves it; leave one of them out")
    store = settings.store_path()
    # What is wrong with the request is told with its own exit code, and before there is an engine.
    name = prepare(settings, store, request).plan.name
    if request.resume is None:
        request = replace(request, name=name)

    async def start() -> None:
        async with Client(await asyncio.to_thread(spawn, store)) as client:
            await client.start_experiment(request)

    asyncio.run(start())
    follow = f"flowreasoner attach {name}"
    text = (
        f"{name} has begun; follow it with: {follow}\n"
        f"  flowreasoner control {name} state|pause|continue|cancel"
    )
    emit({"kind": "detached", "name": name, "follow": follow}, text, request.as_json)
    return PASSED


def prepare(settings: Settings, store: Path, request: BenchRequest) -> Job:
    """The experiment the request means, new or stored.

    Raises:
        PlanError, ProblemError, OptionError, UnknownVariantError, OperatorSetError, StoreError: one sentence.
    """
    from engine.experiments.contestants import contestants
    from engine.experiments.selection import reselect
    from engine.ledger import Budget

    check_place(request.on)
    if request.resume is not None:
        plan = _stored_plan(store, request)
        selection = reselect(plan)
    else:
        plan, selection = _new_plan(settings, request)
    ready = contestants(plan, Budget(**settings.budget.model_dump()))
    found = {}
    if plan.found is not None:
        with_search = [label for label, c in ready.items() if c.variant.search is not None]
        found = {label: found_for(store, plan.found, label) for label in with_search}
    return Job(plan, selection, ready, found, is_new=request.resume is None)


def _stored_plan(store: Path, request: BenchRequest) -> Plan:
    from engine.experiments.plan import Plan, PlanError
    from store.reader import Reader

    fixed = ("variants", "name", "limit", "split", "repeats", "executions", "seed", "data", "meta_agent")
    for option in (*fixed, "worker", "found"):
        if getattr(request, option) not in (None, (), []):
            shown = option.rstrip("s") if option == "variants" else option.replace("_", "-")
            raise PlanError(
                f"--{shown} cannot change what {request.resume} consists of; leave it out, or start a new one"
            )
    assert request.resume is not None
    with Reader(store) as reader:
        plan = Plan.from_json(reader.experiment(request.resume).plan)
    if request.benchmark not in (None, plan.benchmark):
        raise PlanError(f"{plan.name} is on {plan.benchmark}, not on {request.benchmark}; leave the name out")
    return plan


def _new_plan(settings: Settings, request: BenchRequest) -> tuple[Plan, Selection]:
    from engine.benchmarks import CATALOGUE
    from engine.experiments.contestants import specs_by_label
    from engine.experiments.plan import Plan, PlanError, check_name
    from engine.experiments.selection import select

    if request.benchmark is None:
        raise PlanError("name a benchmark or a file of problems, or an experiment to --resume")
    if request.retry:
        raise PlanError("--retry is for an experiment there is; name it with --resume NAME")
    benchmark = request.benchmark
    if benchmark not in CATALOGUE and (own := Path(benchmark).expanduser()).exists():
        benchmark = str(own.resolve())
    data = (request.data or settings.data) if benchmark in CATALOGUE else None
    selection = select(benchmark, data, request.split, request.limit)
    plan = Plan(
        name=check_name(request.name) if request.name is not None else _free_name(benchmark),
        benchmark=benchmark,
        split=request.split,
        data=str(data.expanduser().resolve()) if data else None,
        seed=request.seed or 0,
        repeats=request.repeats or 1,
        executions=request.executions or 3,
        meta_agent=request.meta_agent or settings.meta_agent,
        worker=request.worker or settings.worker,
        variants=specs_by_label(request.variants or [settings.variant]),
        problems=tuple(problem.id for problem in selection.report),
        search_problems=tuple(problem.id for problem in selection.search),
        digest=selection.digest,
        found=request.found,
    )
    return plan, selection


def _free_name(benchmark: str) -> str:
    stem = Path(benchmark).stem
    safe = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in stem).strip("-._")
    return f"{safe[:40] or 'bench'}-{time.strftime('%Y%m%d-%H%M%S')}"


async def _bench(workbench: Workbench, job: Job, request: BenchRequest) -> int:
    task = asyncio.current_task()
    assert task is not None  # inside asyncio.run
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        if request.verify:
            if not await _verified(workbench, job.selection, request.as_json):
                return FAILED
            if not request.variants and request.resume is None:
                return PASSED
        return await _carry_out(workbench, job, request)
    finally:
        await workbench.aclose()


async def _carry_out(workbench: Workbench, job: Job, request: BenchRequest) -> int:
    async with (
        # Other terminals may follow and control the experiment meanwhile.
        served(workbench.store_path, workbench.hub),
        open_experiment(workbench, job, request, _told_once()) as experiment,
    ):
        shown = view(experiment.standing, as_json=request.as_json)
        with shown:
            ended = await workbench.hub.experiments.carry_out(experiment, partial(_ended, experiment, shown))
    print_end(workbench.store_path, ended, as_json=request.as_json)
    return PASSED if ended.end == "done" else UNAVAILABLE


def _ended(experiment: Experiment, shown: View, key: Any, trial: Any) -> None:
    if experiment.guard.budget_usd is not None and experiment.guard.unknown_calls:
        shown.warn_once("calls of unknown price were made: --budget does not bound what those cost")
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


async def _verified(workbench: Workbench, selection: Selection, as_json: bool) -> bool:
    """Whether the reference solutions pass; what does not is printed."""
    from tui.reports.benchmarks import verified

    sandboxes = await workbench.sandboxes()
    report = await verified((*selection.report, *selection.search), sandboxes.open)
    print_verification(report, as_json=as_json)
    return report.sound
