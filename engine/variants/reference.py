"""The reference of all variants and their options, made from the options themselves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.reference.config import shown_default, type_name
from engine.variants import VARIANTS, Variant, load_variant

_BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True)
class OptionRow:
    """One option. `type` and `bounds` are texts for people; `meaning` names the source of the default."""

    name: str
    type: str
    default: Any
    bounds: str
    meaning: str


def option_rows(variant: Variant) -> list[OptionRow]:
    """The options in the order in which they are declared."""
    return [
        OptionRow(
            name,
            type_name(field.annotation),
            field.get_default(call_default_factory=True),
            _bounds(field.metadata),
            " ".join((field.description or "").split()),
        )
        for name, field in variant.options.model_fields.items()
    ]


def preset_rows(variant: Variant) -> list[tuple[str, str]]:
    """The presets, and what each sets as it is written behind a variant's name."""
    return [
        (name, ",".join(f"{key}={_as_written(value)}" for key, value in values.items()))
        for name, values in variant.options.presets.items()
        if values
    ]


def _as_written(value: Any) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _bounds(metadata: list[Any]) -> str:
    found = [(sign, getattr(m, key)) for key, sign in _BOUNDS.items() for m in metadata if hasattr(m, key)]
    return ", ".join(f"{sign} {value:g}" for sign, value in found)


def markdown_reference() -> str:
    """All variants of this package as Markdown: a table of them, then a table of options for each."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    variants = {name: load_variant(name) for name in VARIANTS}
    yield from ("| Variant | What it does | Works on |", "|---|---|---|")
    for name, variant in variants.items():
        level = "a task: it searches first" if variant.search else "each problem"
        yield f"| `{name}` | {VARIANTS[name][1]} | {level} |"
    for name, variant in variants.items():
        rows = option_rows(variant)
        if not rows:
            continue
        yield from (
            "",
            f"### {name}",
            "",
            "| Option | Type | Default | Bounds | Meaning (source of the default) |",
        )
        yield "|---|---|---|---|---|"
        for row in rows:
            meaning = row.meaning.replace("|", "\\|")
            yield f"| `{row.name}` | {row.type} | {shown_default(row.default)} | {row.bounds} | {meaning} |"
        if presets := preset_rows(variant):
            yield ""
            yield from (f"`preset={preset}` stands for `{what}`.  " for preset, what in presets)
