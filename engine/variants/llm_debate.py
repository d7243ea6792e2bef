"""LLM-Debate (Du et al. 2023): agents answer, read one another's answers, and answer again.

At the end, the majority decides for questions and math. Two programs are hardly ever the same text, so code
is grouped by what it does on the visible tests: the group that passes most wins, then the largest. Where
there are no visible tests, and for open requests, a judge picks. The paper has no code tasks; that part is
ours.
"""

from __future__ import annotations

from pydantic import Field

from engine.variants import Options
from engine.variants.manual import manual


class LlmDebateOptions(Options):
    """Defaults of the paper. MaAS's comparison is reported to use 5 agents."""

    agents: int = Field(3, ge=1, le=20, description="Agents (paper: 3).")
    rounds: int = Field(2, ge=1, le=20, description="Rounds, the first answers included (paper: 2).")
    temperature: float | None = Field(
        None,
        ge=0,
        le=2,
        description="Temperature of the agents; unset, the worker's own (paper: none named).",
    )


VARIANT = manual("llm-debate", LlmDebateOptions, lambda o: o.agents * o.rounds + 1)
