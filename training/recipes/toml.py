"""Recipes as TOML files. Python reads TOML and does not write it; recipes have scalars, lists and tables."""

from __future__ import annotations

import json
import textwrap
from typing import Any

from training.recipes.sections import Section


def write(recipe: Section) -> str:
    """A recipe as TOML: every field under its description; one that is unset is a comment."""
    lines: list[str] = [f"# {(type(recipe).__doc__ or '').splitlines()[0]}"]
    _table(recipe, (), lines)
    return "\n".join(lines) + "\n"


def _table(section: Section, path: tuple[str, ...], lines: list[str]) -> None:
    tables = []
    for name in section.in_order():
        field, value = type(section).model_fields[name], getattr(section, name)
        if isinstance(value, Section):
            tables.append((name, value))
            continue
        lines += textwrap.wrap(
            " ".join((field.description or "").split()), 100, initial_indent="# ", subsequent_indent="# "
        )
        lines.append(f"# {name} = (unset)" if value is None else f"{name} = {scalar(value)}")
    for name, table in tables:
        lines += ["", f"[{'.'.join((*path, name))}]"]
        _table(table, (*path, name), lines)


def scalar(value: Any) -> str:
    """A value in TOML. Raises TypeError for what recipes do not hold."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value).replace(
            "\x7f", "\\u007f"
        )  # a JSON string is a TOML basic string, but for DEL
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    raise TypeError(f"no TOML for {type(value).__name__}")
