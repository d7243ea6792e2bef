"""Vanilla: one worker call with the default prompt, pass@1 (the papers' first baseline)."""

from __future__ import annotations

from pydantic import Field

from engine.variants import Options
from engine.variants.manual import manual


class VanillaOptions(Options):
    """The papers' baseline is the plain call; some tables have chain of thought beside it."""

    step_by_step: bool = Field(
        False,
        description="think step by step before the answer to a question or in mathematics (ours; the papers' "
        "chain of thought)",
    )
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="temperature of the call, 0 for the likeliest answer; unset, the worker's own (ours)",
    )


VARIANT = manual("vanilla", VanillaOptions, lambda _: 1)
