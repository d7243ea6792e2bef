"""The variants of an experiment, ready to run: their specs read against the variants' options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.benchmarks import CATALOGUE
from engine.experiments.plan import Plan, PlanError
from engine.problems import Kind
from engine.run.context import RunConfig
from engine.run.ledger import Budget
from engine.variants import Variant, load_variant
from engine.variants.refusals import refuse
from engine.variants.spec import AUTO, operators_for, parse_spec, read_spec


@dataclass(frozen=True)
class Contestant:
    """A variant with its options, the names of its models and its configuration, without the seed, which each
    repeat sets.
    """

    label: str
    variant: Variant
    config: RunConfig
    meta_agent: str
    worker: str


def specs_by_label(specs: Sequence[str]) -> dict[str, str]:
    """The specs by label, as a plan keeps them. Raises OptionError where one cannot be read, and PlanError
    where two mean the same.
    """
    by_label: dict[str, str] = {}
    for text in specs:
        label = parse_spec(text).label
        if label in by_label:
            raise PlanError(
                f"the variant {label} is given twice; give it once, with --repeats for more trials"
            )
        by_label[label] = text.strip()
    return by_label


def contestants(plan: Plan, budget: Budget, kind: Kind) -> dict[str, Contestant]:
    """The plan's variants by label. `budget` is that of each of their runs, `kind` that of the plan's
    problems.

    Raises:
        UnknownVariantError, OptionError, OperatorSetError: a spec names a variant, option or operator set
        that
            does not exist.
    """
    return {label: _contestant(plan, label, spec, budget, kind) for label, spec in plan.variants.items()}


def division_for(benchmark: str, specs: Mapping[str, str], found: str | None) -> str | None:
    """The division of an experiment for which none is asked: where a variant has to search, the benchmark's
    own, so that there are problems to search on; else None, and for files of a user's own.

    Raises UnknownVariantError or OptionError where a spec cannot be read.
    """
    known = CATALOGUE.get(benchmark)
    return known.division if known and found is None and any(map(_searches, specs.values())) else None


def _searches(text: str) -> bool:
    spec, _ = read_spec(text)
    variant = load_variant(spec.name)
    return variant.search is not None and variant.needs_problems(RunConfig(options=spec.values))


def check_searches(plan: Plan, ready: Mapping[str, Contestant]) -> None:
    """Raise PlanError where a search has no problems, and OptionError where a variant could only fail for
    another reason (`engine.variants.refusals`).
    """
    for label, one in ready.items():
        if one.variant.search is not None and plan.found is not None:
            continue
        searches = one.variant.search is not None and one.variant.needs_problems(one.config)
        if searches and not plan.search_problems:
            division = plan.split or "all"
            part = division.rpartition("/")[0]
            use = f"--split {part}, without its part" if part else "--split aflow-1:4"
            raise PlanError(
                f"{label} searches on problems that are not reported on, and the split {division} of "
                f"{plan.benchmark} sets none apart; use {use}"
            )
        refuse(label, one.variant, one.config, one.meta_agent)


def _contestant(plan: Plan, label: str, text: str, budget: Budget, kind: Kind) -> Contestant:
    spec, options = read_spec(text)
    variant = load_variant(spec.name)
    meta_agent, worker = (options.get(key, getattr(plan, key)) for key in ("meta_agent", "worker"))
    config = RunConfig(
        variant=spec.name,
        rounds=options.get("rounds", RunConfig.rounds),
        repeats=options.get("executions", plan.executions),
        operators=operators_for(options.get("operators", AUTO), variant, kind, meta_agent),
        budget=budget,
        options=spec.values,
    )
    return Contestant(label, variant, config, meta_agent, worker)
