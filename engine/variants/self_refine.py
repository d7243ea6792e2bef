"""Self-Refine (Madaan et al. 2023): an answer, then feedback and refinement until the feedback asks for
nothing.

One model has all three roles, and no tests are run. A refinement sees all earlier answers with their
feedback.
"""

from __future__ import annotations

from pydantic import Field

from engine.variants import Options
from engine.variants.manual import manual


class SelfRefineOptions(Options):
    """Defaults of the paper."""

    max_refinements: int = Field(
        4, ge=0, le=50, description="Refinements at most; feedback that asks for nothing ends it (paper: 4)."
    )
    temperature: float = Field(0.7, ge=0, le=2, description="Temperature of every call (paper: 0.7).")


VARIANT = manual("self-refine", SelfRefineOptions, lambda o: 1 + 2 * o.max_refinements)
