"""A kind of recipe as data: what a form needs to ask for every value."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from training.recipes.sections import About, Section

_TYPES: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "text"}


@dataclass(frozen=True)
class RecipeField:
    """One value. `name` is dotted, as overrides write it; `type` is bool, int, float, text, list or choice.

    `optional` says that it may be unset.
    """

    name: str
    type: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    unit: str = ""
    source: str = ""


def fields(recipe: Section, above: str = "") -> Iterator[RecipeField]:
    """Every value of a recipe but its kind, in the order of its file; `default` is what the recipe has."""
    for name in recipe.in_order():
        field, value = type(recipe).model_fields[name], getattr(recipe, name)
        if isinstance(value, Section):
            yield from fields(value, f"{above}{name}.")
        elif above or name != "kind":
            yield _field(f"{above}{name}", field, value)


def _field(name: str, field: FieldInfo, value: Any) -> RecipeField:
    annotation: Any = field.annotation
    metadata = list(field.metadata)
    optional = get_origin(annotation) in (Union, types.UnionType)
    if optional:
        annotation = next(part for part in get_args(annotation) if part is not type(None))
    if get_origin(annotation) is not Literal and hasattr(annotation, "__metadata__"):  # Annotated in a union
        metadata += annotation.__metadata__
        annotation = get_args(annotation)[0]
    about = next((entry for entry in metadata if isinstance(entry, About)), About())
    choices: tuple[str, ...] = get_args(annotation) if get_origin(annotation) is Literal else ()
    kind = "choice" if choices else _TYPES.get(annotation, "list")
    text = " ".join((field.description or "").split())
    return RecipeField(name, kind, value, text, choices, optional, about.unit, about.source)
