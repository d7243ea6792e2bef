"""The fields of the form that starts a run: their names, what may be in them, and what there is to pick."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from textual.suggester import Suggester, SuggestFromList
from textual.validation import Integer

from engine.operators.own import OperatorSetError, load_set
from engine.operators.sets import SETS
from engine.run.context import RunConfig
from engine.variants import PRESETS, OptionError, UnknownVariantError, load_variant
from engine.variants.own import available
from engine.variants.refusals import refuse, refuse_alone
from engine.variants.spec import AUTO, read_spec

FIELDS = {
    "variant": ("Variant", "A name, NAME,OPTION=VALUE or your own FILE.py"),
    "meta_agent": ("Meta-agent", "The model that writes workflows"),
    "worker": ("Worker", "The model that operators call"),
    "operators": ("Operators", "auto (the variant's own), a set, or FILE.toml"),
    "rounds": ("Rounds", "Most workflows to try"),
    "repeats": ("Repeats", "Executions of each workflow"),
    "seed": ("Seed", "The same seed, the same sampling"),
}
NUMBERS = {
    "rounds": Integer(minimum=1, maximum=1000),
    "repeats": Integer(minimum=1, maximum=100),
    "seed": Integer(minimum=0),
}
MODELS = ("meta_agent", "worker")
_CHECKS: dict[str, Callable[[str], Any]] = {
    "variant": read_spec,
    "operators": lambda name: name == AUTO or load_set(name),
}


def suggested(field: str) -> Suggester | None:
    """What completes a field while it is typed."""
    names = {"variant": lambda: [*available(), *PRESETS], "operators": lambda: [AUTO, *SETS]}.get(field)
    return SuggestFromList(names()) if names else None


def choices(field: str) -> list[tuple[str, str]]:
    """What can be picked for a field that does not name a model, each with what it is."""
    if field == "variant":
        return list((available() | PRESETS).items())
    if field == "operators":
        sets = [(name, chosen.description) for name, chosen in SETS.items()]
        return [(AUTO, "the variant's own set for this kind of problem"), *sets]
    return []


def problem_of(values: Mapping[str, str]) -> tuple[str, str] | None:
    """The first field that cannot be used, and why; None where all can."""
    for field, (name, _) in FIELDS.items():
        value = values[field]
        if field in NUMBERS and not (result := NUMBERS[field].validate(value)).is_valid:
            return field, f"{name}: {result.failure_descriptions[0]}"
        if not value:
            return field, f"{name} is empty"
        try:
            _CHECKS.get(field, str)(value)
        except (OperatorSetError, UnknownVariantError, OptionError) as error:
            return field, str(error)
    try:
        _refuse(values["variant"], values["meta_agent"])
    except OptionError as error:
        return "variant", str(error)
    return None


def _refuse(text: str, meta_agent: str) -> None:
    """Raise OptionError where this variant could only fail on a single problem."""
    spec, of_the_run = read_spec(text)
    variant, config = load_variant(spec.name), RunConfig(options=spec.values)
    refuse_alone(spec.label, variant)
    refuse(spec.label, variant, config, of_the_run.get("meta_agent", meta_agent))
