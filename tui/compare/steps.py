"""A compared step as text: each argument and each part of its output by itself, code and text as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tui.value_parts import parts_of

if TYPE_CHECKING:
    from store.compare.traces import ComparedStep


def step_text(step: ComparedStep) -> str:
    """The step in full, its output first."""
    return "\n".join(_lines(step))


def _lines(step: ComparedStep) -> Iterator[str]:
    yield f"{step.operator}{f', line {step.line}' if step.line else ''}: {step.status}"
    if step.error:
        yield from ("── error", step.error)
    yield from _parts("output", step.output)
    yield from _parts("input", step.inputs)


def _parts(what: str, value: Any) -> Iterator[str]:
    if value in ({}, None):
        yield from (f"── {what}: none", "")
        return
    for part in parts_of(value):
        yield f"── {what} {part.title}".rstrip()
        yield part.text
