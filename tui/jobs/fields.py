"""The values of a recipe as the rows of a form, read from the recipe's own classes."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class FormField:
    """One value. `choices` are all there are, where they are few; `about` is its unit and source."""

    key: str
    value: str
    default: str
    kind: str
    about: str
    description: str
    choices: tuple[str, ...] = ()


def fields_of(recipe: BaseModel) -> list[FormField]:
    """Every value of the recipe but its kind, in its own order."""
    return [field for field in _fields(recipe) if field.key != "kind"]


def _fields(section: BaseModel, above: str = "") -> Iterator[FormField]:
    from pydantic import BaseModel

    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from _fields(value, f"{above}{name}.")
        else:
            yield _field(f"{above}{name}", value, info)


def _field(key: str, value: Any, info: FieldInfo) -> FormField:
    about = [
        part
        for meta in info.metadata
        for part in (getattr(meta, "unit", ""), getattr(meta, "source", ""))
        if isinstance(part, str) and part
    ]
    choices = _choices(info.annotation)
    return FormField(
        key,
        text_of(value),
        text_of(info.get_default(call_default_factory=True)),
        " | ".join(choices) if choices else _kind(info.annotation),
        "; ".join(about),
        " ".join((info.description or "").split()),
        choices,
    )


def text_of(value: Any) -> str:
    """A value as a user writes it after `--set KEY=`; nothing for one that is not set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return (
            "[" + ", ".join(f'"{item}"' if isinstance(item, str) else text_of(item) for item in value) + "]"
        )
    return str(value)


def _choices(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    if get_origin(annotation) is Literal:
        return tuple(str(choice) for choice in get_args(annotation))
    return ()


def _kind(annotation: Any) -> str:
    """The type in plain words."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        inner = [part for part in get_args(annotation) if part is not type(None)]
        return f"{_kind(inner[0])}, or nothing"
    if origin is list:
        return 'list, as in ["a", "b"]'
    return {int: "whole number", float: "number", str: "text"}.get(annotation, "value")
