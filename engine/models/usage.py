"""The tokens that a request cost, put together from everything the endpoint says about them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any


@dataclass
class Usage:
    """Tokens of one attempt; None where they are not known yet.

    Endpoints send counts at the end, with every piece as a running total, or in parts. The largest value of
    each count is kept, so that repeated ones are not added up and a null takes nothing back.
    """

    tokens_in: int | None = None
    completion: int | None = None
    reasoning: int = 0
    total: int = 0
    cached: int = 0

    @property
    def known(self) -> bool:
        """Whether both what was read and what was written has been counted."""
        return self.tokens_in is not None and self.completion is not None

    @property
    def tokens_out(self) -> int:
        """All tokens that were written. OpenAI counts reasoning tokens as part of the completion's; xAI and
        Gemini count them separately, which shows where the total is larger than the sum, or where there are
        more reasoning tokens than completion tokens.
        """
        written = self.completion or 0
        beside = self.total - (self.tokens_in or 0) - written
        if self.reasoning > written or (self.reasoning and beside >= self.reasoning):
            written += self.reasoning
        elif not self.reasoning and beside > 0:
            written += beside
        return written

    def note(self, value: Any) -> None:
        """Take over the counts of a usage object with OpenAI's or Anthropic's names; anything else is
        ignored.
        """
        if not isinstance(value, dict):
            return
        self.tokens_in = _larger(self.tokens_in, value, "prompt_tokens", "input_tokens")
        self.completion = _larger(self.completion, value, "completion_tokens", "output_tokens")
        self.total = _larger(self.total, value, "total_tokens") or 0
        for name in ("completion_tokens_details", "output_tokens_details"):
            self.reasoning = _larger(self.reasoning, value.get(name), "reasoning_tokens") or 0
        self.reasoning = _larger(self.reasoning, value, "reasoning_tokens") or 0
        for name in ("prompt_tokens_details", "input_tokens_details"):
            self.cached = _larger(self.cached, value.get(name), "cached_tokens") or 0


def _larger(current: int | None, value: Any, *names: str) -> int | None:
    """The larger of the current count and the one under the first of `names` that holds a count."""
    count = next((n for name in names if (n := _count(value, name)) is not None), None)
    return current if count is None else max(current or 0, count)


def _count(value: Any, name: str) -> int | None:
    number = value.get(name) if isinstance(value, dict) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return int(number) if math.isfinite(number) and 0 <= number < 1e12 else None
