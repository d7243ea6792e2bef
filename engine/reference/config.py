"""The reference of all settings for the documentation, made from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, SecretStr

from engine.config import ENV_PREFIX, BudgetSettings, Endpoint, Isolation, ModelQuirks, Settings
from engine.host_config import Host


def reference() -> str:
    """The reference of all settings as a Markdown table, with a row for each setting."""
    rows = ["| Setting | Type | Default | Environment variable | Meaning |", "|---|---|---|---|---|"]
    rows += [
        f"| `{key}` | {kind} | {default} | `{ENV_PREFIX}{key.upper().replace('.', '__')}` | {meaning} |"
        for key, kind, default, meaning in _rows(Settings, "")
    ]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, str, str]]:
    nested = {
        "budget": ("budget", BudgetSettings),
        "sandbox": ("sandbox", Isolation),
        "endpoints": ("endpoints.NAME", Endpoint),
        "quirks": ("quirks.MODEL", ModelQuirks),
        "hosts": ("hosts.NAME", Host),
    }
    for name, field in model.model_fields.items():
        if name in nested:
            title, inner = nested[name]
            yield from _rows(inner, f"{prefix}{title}.")
            continue
        meaning = " ".join((field.description or "").split()).replace("|", "\\|")
        default = "required" if field.is_required() else shown_default(field.default)
        yield f"{prefix}{name}", type_name(field.annotation), default, meaning


def shown_default(default: Any) -> str:
    """A default value as users read it, in Markdown."""
    return "unset" if default is None else "empty" if default in ([], {}) else f"`{default}`"


def type_name(annotation: Any) -> str:
    """A type as users would call it: text, number, choices; without `| None` and constraints."""
    plain = {
        str: "text",
        int: "whole number",
        float: "number",
        bool: "true or false",
        Path: "path",
        SecretStr: "secret",
    }
    if annotation in plain:
        return plain[annotation]
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in args)
    if origin is Annotated:
        return type_name(args[0])
    if origin is list:
        return f"list of {type_name(args[0])}"
    if origin is dict:
        return f"table of {type_name(args[-1])}"
    return " or ".join(type_name(arg) for arg in args if arg is not type(None))
