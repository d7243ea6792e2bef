"""LLM-Blender (Jiang et al. 2023): candidates, ranked in pairs, the best of them fused into one.

The paper takes its candidates from eleven models, ranks them with a trained PairRanker over all ordered pairs
and fuses the best three with a trained GenFuser. Here one worker does everything, as in the comparison of the
FlowReasoner paper: the candidates are samples of it, and it compares and fuses by prompt. Every pair is still
compared in both orders, and a candidate's wins are added up.
"""

from __future__ import annotations

from pydantic import Field

from engine.variants import Options
from engine.variants.manual import manual


class LlmBlenderOptions(Options):
    """The default of `top` is the paper's; the other options stand in for its eleven models."""

    candidates: int = Field(
        5, ge=1, le=20, description="Samples; N(N-1) comparisons follow (ours; paper: 11 models, one each)."
    )
    top: int = Field(3, ge=1, le=20, description="Candidates that are fused (paper: 3).")
    temperature: float = Field(
        0.7, ge=0, le=2, description="Temperature of the candidates; the ranker and the fuser use 0 (ours)."
    )


VARIANT = manual("llm-blender", LlmBlenderOptions, lambda o: o.candidates**2 + 1)
