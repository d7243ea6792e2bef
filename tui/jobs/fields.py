"""A recipe's values in the words of a form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.recipes.fields import RecipeField

_KINDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "text": "a text",
    "list": 'a list, as in ["a", "b"]',
}


def text_of(value: Any) -> str:
    """A value as a user writes it after `--set KEY=`; nothing for one that is not set."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        items = (f'"{item}"' if isinstance(item, str) else text_of(item) for item in value)
        return f"[{', '.join(items)}]"
    return str(value)


def choices_of(field: RecipeField) -> tuple[str, ...]:
    """All values there are, where they are few."""
    return ("true", "false") if field.type == "bool" else field.choices


def kind_of(field: RecipeField) -> str:
    """What kind of value it takes, its unit, and where its default comes from."""
    kind = " | ".join(field.choices) or _KINDS.get(field.type, "a value")
    parts = [f"{kind}{', or nothing' if field.optional else ''}", field.unit, field.source]
    return "; ".join(part for part in parts if part)
