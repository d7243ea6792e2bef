"""A variant and its options as one word, as the command line takes them: `NAME[,KEY=VALUE…]`.

Besides the variant's own options, a spec may set options that every run has: models, operators, executions
and, where the variant works in rounds, their number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from engine.models.registry import POCKET
from engine.operators.own import load_set
from engine.operators.sets import PAPER
from engine.operators.specs import OperatorSet
from engine.problems import Kind
from engine.variants import VARIANTS, OptionError, Variant, load_variant, options_of

AUTO = "auto"  # in place of an operator set's name: the variant's own

_MOST = {"executions": 100, "rounds": 1000}
_OF_EVERY_RUN = ("meta_agent", "worker", "operators", "executions")
# Of our variants only this one works in the run's own rounds; users' own may.
_WITHOUT_ROUNDS = frozenset(VARIANTS) - {"flowreasoner"}


@dataclass(frozen=True)
class VariantSpec:
    """`name` is a variant's, or the path of a file that defines one. `values` are its options, as they were
    written or as `read_spec` resolves them. `label` tells two specs of an experiment apart: two that mean the
    same have the same one.
    """

    label: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)


def parse_spec(text: str) -> VariantSpec:
    """Name and values of a text such as `self-refine,max_refinements=2`. Whether there are such options is
    not checked.

    Raises OptionError where the text has another form, or gives an option twice.
    """
    name, *pairs = (part.strip() for part in text.split(","))
    if not name or "=" in name:
        raise OptionError(f"{text!r} names no variant; write NAME, or NAME,KEY=VALUE")
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not key or not equals:
            raise OptionError(f"{text!r}: {pair!r} is not an option; write NAME,KEY=VALUE")
        key = key.replace("-", "_")
        if key in values:
            raise OptionError(f"{text!r} gives {key} twice; give it once")
        values[key] = value
    shown = PurePath(name).stem if name.endswith(".py") else name
    label = ",".join([shown, *(f"{k}={v}" for k, v in sorted(values.items()))])
    return VariantSpec(label, name, values)


def read_spec(text: str) -> tuple[VariantSpec, dict[str, Any]]:
    """The spec with all of its variant's own options, defaults and preset filled in, so that a run records
    what it was run with; and apart from it what the text sets of the run: `meta_agent`, `worker` and
    `operators` as texts, `executions` and `rounds` as numbers.

    Raises:
        UnknownVariantError: there is no such variant.
        OptionError: there is no such option, or its value is not accepted.
    """
    spec = parse_spec(text)
    model = load_variant(spec.name).options
    own = set(model.model_fields)
    rounds = () if spec.name in _WITHOUT_ROUNDS else ("rounds",)
    of_the_run = [key for key in (*_OF_EVERY_RUN, *rounds) if key not in own]
    options = {key: value for key, value in spec.values.items() if key not in of_the_run}
    for key in options:
        if key not in own:
            known = ", ".join([*of_the_run, *own])
            raise OptionError(f"{text!r}: there is no option {key}; there are {known}")
    resolved = options_of(model, options).model_dump(mode="json")
    given = {
        key: _count(text, key, value) if key in _MOST else value
        for key, value in spec.values.items()
        if key in of_the_run
    }
    return VariantSpec(spec.label, spec.name, resolved), given


def operators_for(name: str, variant: Variant, kind: Kind, meta_agent: str) -> OperatorSet:
    """The operator set called `name`; for AUTO, the variant's set for this kind of problem, or the only set
    on which the embedded meta-agent was trained, where that is `meta_agent`.

    Raises:
        OperatorSetError: there is no such set, or its files cannot be used.
        NotRenamableError: it cannot have other names.
    """
    if name == AUTO:
        name = PAPER.name if meta_agent in POCKET else variant.operators(kind)
    return load_set(name)


def _count(text: str, key: str, value: str) -> int:
    is_number = value.isascii() and value.isdecimal() and len(value) < 10
    if not is_number or not 1 <= int(value) <= _MOST[key]:
        raise OptionError(f"{text!r}: {key} is {value[:20]!r}; give a number from 1 to {_MOST[key]}")
    return int(value)
