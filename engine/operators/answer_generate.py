"""AnswerGenerate: think step by step, answer tersely (AFlow)."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, field, join

INSTRUCTION = (
    "Think step by step inside <thought></thought>, then give only the final answer, "
    "as short as it can be, inside <answer></answer>."
)


async def run(host: Host, *, input: str) -> dict[str, Any]:
    """{thought, answer}, as texts. Without an answer's tag the whole reply is the answer."""
    reply = await ask(host, join(input, INSTRUCTION))
    answer = field(reply, "answer")
    return {"thought": field(reply, "thought") or "", "answer": reply.strip() if answer is None else answer}
