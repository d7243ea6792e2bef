"""An experiment that tries another one's flips again, so that luck and effect are told apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tui.service.requests import TryFlips

if TYPE_CHECKING:
    from engine.experiments.plan import Plan
    from engine.experiments.selection import Selection
    from store.reader import Reader

_LONGEST = 68  # of a name, so that what is put behind it keeps it within what names may be


def flips_plan(store: Path, request: TryFlips) -> tuple[Plan, Selection]:
    """The plan of the reruns: the flips of the variants against the first of them, with seeds not used yet.

    What searches found is used again. Raises PlanError, CompareError, ProblemError and StoreError.
    """
    from engine.experiments.plan import Plan, PlanError
    from engine.experiments.selection import Selection, reselect
    from store.reader import Reader

    with Reader(store) as reader:
        plan = Plan.from_json(reader.experiments.named(request.of).plan)
        labels = tuple(request.variants or plan.variants)
        if unknown := [label for label in labels if label not in plan.variants]:
            known = ", ".join(plan.variants)
            raise PlanError(f"{plan.name} has no variant {unknown[0][:80]!r}; it has {known}")
        flipped = _flips(reader, plan, labels)
        names = reader.experiments.again(plan.name)
        before = [Plan.from_json(reader.experiments.named(name).plan) for name in names]
    if not flipped:
        raise PlanError(f"no problem of {plan.name} came out differently: there is nothing to try again")
    everything = reselect(plan)
    report = tuple(problem for problem in everything.report if problem.id in flipped)
    selection = Selection(report, ())
    again = replace(
        plan,
        name=f"{plan.name[:_LONGEST]}-flips{f'-{len(before) + 1}' if before else ''}",
        seed=max(one.seed + one.repeats for one in (plan, *before)),
        repeats=request.repeats,
        variants={label: plan.variants[label] for label in labels},
        problems=tuple(problem.id for problem in report),
        search_problems=(),
        digest=selection.digest,
        found=plan.found or plan.name,
        again=plan.name,
    )
    return again, selection


def _flips(reader: Reader, plan: Plan, labels: Sequence[str]) -> set[str]:
    """The problems that any of the variants passed more or less often than the first."""
    from store.compare.comparison import compare

    first, *others = (f"{plan.name}:{label}" for label in labels)
    pairs = [compare(reader, [first, other]).pairs[0] for other in others]
    return {flip.problem_id for one in pairs for flip in one.flips}
