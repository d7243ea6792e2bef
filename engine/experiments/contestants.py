"""The variants of an experiment, ready to run: their specs read against the variants' options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.experiments.plan import Plan, PlanError
from engine.operators.own import load_set
from engine.run.context import RunConfig
from engine.run.ledger import Budget
from engine.variants import VARIANTS, OptionError, Variant, load_variant, options_of
from engine.variants.spec import parse_spec

_SHARED = ("meta_agent", "worker", "operators", "executions")
# Of our variants only this one works in the run's own rounds; users' own may.
_WITHOUT_ROUNDS = tuple(name for name in VARIANTS if name != "flowreasoner")


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


def contestants(plan: Plan, budget: Budget) -> dict[str, Contestant]:
    """The plan's variants by label; `budget` is what one of their runs may spend.

    Raises:
        UnknownVariantError, OptionError, OperatorSetError: a spec names what there is not.
    """
    return {label: _contestant(plan, label, spec, budget) for label, spec in plan.variants.items()}


def _contestant(plan: Plan, label: str, text: str, budget: Budget) -> Contestant:
    spec = parse_spec(text)
    variant = load_variant(spec.name)
    own = set(variant.options.model_fields)
    shared = [k for k in (*_SHARED, *(() if spec.name in _WITHOUT_ROUNDS else ("rounds",))) if k not in own]
    values: dict[str, Any] = {k: v for k, v in spec.values.items() if k in shared}
    options = {k: v for k, v in spec.values.items() if k not in shared}
    for key in options:
        if key not in own:
            raise OptionError(f"{text!r}: there is no option {key}; there are {', '.join([*shared, *own])}")
    options_of(variant.options, options)
    config = RunConfig(
        variant=spec.name,
        rounds=_count(text, values, "rounds", RunConfig.rounds, 1000),
        repeats=_count(text, values, "executions", plan.executions, 100),
        operators=load_set(values.get("operators", "paper")),
        budget=budget,
        options=options,
    )
    return Contestant(
        label,
        variant,
        config,
        values.get("meta_agent", plan.meta_agent),
        values.get("worker", plan.worker),
    )


def _count(text: str, values: dict[str, Any], key: str, default: int, most: int) -> int:
    value = str(values.get(key, default))
    is_number = value.isascii() and value.isdecimal() and len(value) < 10
    if not is_number or not 1 <= int(value) <= most:
        raise OptionError(f"{text!r}: {key} is {value[:20]!r}; give a number from 1 to {most}")
    return int(value)
