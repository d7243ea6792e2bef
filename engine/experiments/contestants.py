"""The variants of an experiment, ready to run: their specs read against the variants' options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from engine.experiments.plan import Plan, PlanError
from engine.models.registry import POCKET
from engine.problems import Kind
from engine.run.context import RunConfig
from engine.run.ledger import Budget
from engine.variants import Variant, load_variant
from engine.variants.spec import AUTO, operators_for, parse_spec, read_spec


@dataclass(frozen=True)
class Contestant:
    """A variant with its options, models and configuration (but for the seed, a repeat's)."""

    label: str
    variant: Variant
    config: RunConfig
    meta_agent: str
    worker: str


def specs_by_label(specs: Sequence[str]) -> dict[str, str]:
    """The specs by label, as a plan keeps them. Raises OptionError, and PlanError for two that are one."""
    found: dict[str, str] = {}
    for text in specs:
        label = parse_spec(text).label
        if label in found:
            raise PlanError(
                f"the variant {label} is given twice; give it once, with --repeats for more trials"
            )
        found[label] = text.strip()
    return found


def contestants(plan: Plan, budget: Budget, kind: Kind) -> dict[str, Contestant]:
    """The plan's variants by label; `budget` is what one of their runs may spend, `kind` its problems'.

    Raises:
        UnknownVariantError, OptionError, OperatorSetError: a spec names what there is not.
    """
    return {label: _contestant(plan, label, spec, budget, kind) for label, spec in plan.variants.items()}


def check_searches(plan: Plan, ready: Mapping[str, Contestant]) -> None:
    """Raise PlanError where a search could only fail: without problems, or for want of a meta-agent."""
    for label, one in ready.items():
        if one.variant.search is None or plan.found is not None:
            continue
        if not plan.search_problems and one.variant.needs_problems(one.config):
            division = plan.split or "all"
            part = division.rpartition("/")[0]
            use = f"--split {part}, without its part" if part else "--split aflow-1:4"
            raise PlanError(
                f"{label} searches on problems that are not reported on, and the split {division} of "
                f"{plan.benchmark} sets none apart; use {use}"
            )
        if one.meta_agent in POCKET and not one.variant.embedded:
            raise PlanError(
                f"{label} asks for what {one.meta_agent} was not trained to write; name another meta-agent, "
                f"with --meta-agent or {label},meta_agent=NAME"
            )


def _contestant(plan: Plan, label: str, text: str, budget: Budget, kind: Kind) -> Contestant:
    spec, given = read_spec(text)
    variant = load_variant(spec.name)
    meta_agent, worker = (given.get(key, getattr(plan, key)) for key in ("meta_agent", "worker"))
    config = RunConfig(
        variant=spec.name,
        rounds=given.get("rounds", RunConfig.rounds),
        repeats=given.get("executions", plan.executions),
        operators=operators_for(given.get("operators", AUTO), variant, kind, meta_agent),
        budget=budget,
        options=spec.values,
    )
    return Contestant(label, variant, config, meta_agent, worker)
