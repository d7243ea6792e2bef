"""A variant and its options as one word, as the command line takes them: `NAME[,KEY=VALUE…]`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from engine.variants import OptionError


@dataclass(frozen=True)
class VariantSpec:
    """`name` is a variant's, or the path of a file that defines one. `values` are texts by option, as
    `options_of` reads them. `label` tells two specs of an experiment apart: two that mean the same have
    the same one.
    """

    label: str
    name: str
    values: dict[str, Any] = field(default_factory=dict)


def parse_spec(text: str) -> VariantSpec:
    """`self-refine,max_refinements=2` → name and values. The options are not looked up here.

    Raises OptionError.
    """
    name, *pairs = (part.strip() for part in text.split(","))
    if not name or "=" in name:
        raise OptionError(f"{text!r} names no variant; write NAME, or NAME,KEY=VALUE")
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not key or not equals:
            raise OptionError(f"{text!r}: {pair!r} is no option; write NAME,KEY=VALUE")
        key = key.replace("-", "_")
        if key in values:
            raise OptionError(f"{text!r} gives {key} twice; give it once")
        values[key] = value
    shown = PurePath(name).stem if name.endswith(".py") else name
    label = ",".join([shown, *(f"{k}={v}" for k, v in sorted(values.items()))])
    return VariantSpec(label, name, values)
