"""Variants: named ways to get from a problem to an answer.

A variant is `async def solve(context) -> Result`; everything it does is emitted as events by the
parts it uses, so that it never yields events itself and concurrent work needs no merging.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module

from engine.context import RunContext


@dataclass(frozen=True)
class Result:
    """What a run comes to. `score` is the final one, `val_score` the search's; None where unscored."""

    score: float | None
    val_score: float | None
    answer: str | None
    workflow_id: str | None
    error: str | None = None


Solve = Callable[[RunContext], Awaitable[Result]]

# Name → (module with `solve`, what it does)
VARIANTS: dict[str, tuple[str, str]] = {
    "flowreasoner": (
        "engine.variants.flowreasoner",
        "the meta-agent writes a workflow for the query, round by round, with execution feedback",
    ),
    "vanilla": ("engine.variants.vanilla", "one worker call with the default prompt"),
}


class UnknownVariantError(ValueError):
    """No variant of that name."""


def load_variant(name: str) -> Solve:
    """The variant's `solve`. Raises UnknownVariantError."""
    if name not in VARIANTS:
        near = get_close_matches(name, VARIANTS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(VARIANTS)}"
        raise UnknownVariantError(f"there is no variant {name!r}; {hint}")
    return import_module(VARIANTS[name][0]).solve
