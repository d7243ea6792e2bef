"""From a request for an experiment to one that can be carried out: its plan, problems and variants."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui.safe import file_stem
from tui.service.experiments.flips import flips_plan
from tui.service.experiments.found import found_for
from tui.service.requests import ExperimentRequest, NewExperiment, Resume, TryFlips

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.experiments.contestants import Contestant
    from engine.experiments.plan import Plan
    from engine.experiments.selection import Selection


@dataclass(frozen=True)
class PreparedExperiment:
    """An experiment ready to be carried out; `is_new` when its plan is not stored yet.

    `contestants`, `found` (what an earlier search found) and `leaks` (`store.leaks`) are by the variant's
    label; `retry` are the statuses and ids that are tried again where an experiment is resumed.
    """

    plan: Plan
    selection: Selection
    contestants: dict[str, Contestant]
    found: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    retry: tuple[str, ...] = ()
    is_new: bool = True
    leaks: Mapping[str, Sequence[str]] = field(default_factory=dict)


def prepare(settings: Settings, store: Path, request: ExperimentRequest) -> PreparedExperiment:
    """The experiment that the request means, new or stored. Writes nothing.

    Raises PlanError, ProblemError, OptionError, UnknownVariantError, OperatorSetError or NotRenamableError
    where the request or the stored plan does not make an experiment, and StoreError where there is no such
    experiment or the store cannot be read.
    """
    from engine.experiments.contestants import check_searches, contestants
    from engine.experiments.selection import reselect
    from engine.run.ledger import Budget

    if isinstance(request, Resume):
        plan, retry = _stored_plan(store, request), tuple(request.retry)
        selection = reselect(plan)
    elif isinstance(request, TryFlips):
        retry = ()
        plan, selection = flips_plan(store, request)
    else:
        retry = ()
        plan, selection = _new_plan(settings, request)
    ready = contestants(plan, Budget(**settings.budget.model_dump()), selection.report[0].kind)
    if isinstance(request, NewExperiment):
        check_searches(plan, ready)
    search_results = {}
    if plan.found is not None:
        with_search = [label for label, c in ready.items() if c.variant.search is not None]
        search_results = {label: found_for(store, plan.found, label) for label in with_search}
    return PreparedExperiment(
        plan,
        selection,
        ready,
        search_results,
        retry,
        is_new=not isinstance(request, Resume),
        leaks=_leaks(store, plan, selection, ready),
    )


def _leaks(
    store: Path, plan: Plan, selection: Selection, ready: Mapping[str, Contestant]
) -> dict[str, list[str]]:
    from store.leaks import asked_of, leaks
    from store.reader import Reader

    def asks_meta(one: Contestant) -> bool:
        bound = one.variant.most_calls
        return one.variant.search is not None or bound is None or bound(one.config)[0] != 0

    asked, data = asked_of(selection.report), plan.to_json()
    with Reader(store) as reader:
        return {
            label: leaks(
                reader, data, label, asked, searches=c.variant.search is not None, asks_meta=asks_meta(c)
            )
            for label, c in ready.items()
        }


def _stored_plan(store: Path, request: Resume) -> Plan:
    from engine.experiments.plan import Plan, PlanError
    from store.reader import Reader

    with Reader(store) as reader:
        plan = Plan.from_json(reader.experiments.named(request.name).plan)
    if request.benchmark not in (None, plan.benchmark):
        raise PlanError(f"{plan.name} is on {plan.benchmark}, not on {request.benchmark}; leave the name out")
    return plan


def _new_plan(settings: Settings, request: NewExperiment) -> tuple[Plan, Selection]:
    from engine.benchmarks import CATALOGUE
    from engine.experiments.contestants import division_for, specs_by_label
    from engine.experiments.plan import Plan, check_name
    from engine.experiments.selection import select
    from engine.paths import expanded

    benchmark = request.benchmark
    if benchmark not in CATALOGUE and (own := expanded(benchmark)).exists():
        benchmark = str(own.resolve())
    data = (request.data or settings.data) if benchmark in CATALOGUE else None
    variants = specs_by_label(request.variants or [settings.variant])
    split = request.split or division_for(benchmark, variants, request.found)
    selection = select(benchmark, data, split, request.limit, request.search_limit)
    plan = Plan(
        name=check_name(request.name) if request.name is not None else _free_name(benchmark),
        benchmark=benchmark,
        split=split,
        data=str(expanded(data).resolve()) if data else None,
        seed=request.seed or 0,
        repeats=request.repeats or 1,
        executions=request.executions or 3,
        meta_agent=request.meta_agent or settings.meta_agent,
        worker=request.worker or settings.worker,
        variants=variants,
        problems=tuple(problem.id for problem in selection.report),
        search_problems=tuple(problem.id for problem in selection.search),
        digest=selection.digest,
        found=request.found,
    )
    return plan, selection


def _free_name(benchmark: str) -> str:
    stem = file_stem(Path(benchmark).stem, "bench", longest=40)
    return f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
