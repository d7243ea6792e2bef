"""A kind of recipe as data: what a form needs to ask for every value."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from training.recipes.load import section_of
from training.recipes.sections import About

TYPES = ("bool", "int", "float", "text", "list", "choice")


@dataclass(frozen=True)
class RecipeField:
    """One value. `name` is dotted, as overrides write it; `type` is one of `TYPES`."""

    name: str
    type: str
    default: Any
    description: str
    choices: tuple[str, ...] = ()
    optional: bool = False
    unit: str = ""
    source: str = ""


def fields(recipe: BaseModel, above: str = "") -> Iterator[RecipeField]:
    """Every value of a recipe but its kind, in the order of its file; `default` is what the recipe has."""
    for name, field in type(recipe).model_fields.items():
        value = getattr(recipe, name)
        if section_of(field.annotation):
            yield from fields(value, f"{above}{name}.")
        elif above or name != "kind":
            yield _field(f"{above}{name}", field, value)


_WORDS: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "text"}


def _field(name: str, field: FieldInfo, value: Any) -> RecipeField:
    about = next((m for m in field.metadata if isinstance(m, About)), About())
    annotation, optional = field.annotation, False
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [p for p in get_args(annotation) if p is not type(None)]
        annotation, optional = parts[0], len(parts) < len(get_args(annotation))
    while get_origin(annotation) is not None and hasattr(
        annotation, "__metadata__"
    ):  # Annotated inside a union
        metadata = annotation.__metadata__
        about = next((m for m in metadata if isinstance(m, About)), about)
        annotation = get_args(annotation)[0]
    choices: tuple[str, ...] = get_args(annotation) if get_origin(annotation) is Literal else ()
    word = "choice" if choices else _WORDS.get(annotation, "list")
    text = " ".join((field.description or "").split())
    return RecipeField(name, word, value, text, choices, optional, about.unit, about.source)
