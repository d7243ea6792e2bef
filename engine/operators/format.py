"""Format, the paper's Format Generator: reduce a worked solution to its bare answer."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, field, join

INSTRUCTION = (
    "Extract the final answer to the problem from the solution. Give only the answer, in as few "
    "words as it takes, inside <answer></answer>."
)


async def run(host: Host, *, problem: str, solution: str, mode: str | None = None) -> dict[str, Any]:
    """{solution}: the bare answer; the whole reply where it has no answer's tag.

    `mode` exists for workflows written against AFlow and changes nothing.
    """
    reply = await ask(host, join(f"Problem:\n{problem}", f"Solution:\n{solution}", INSTRUCTION))
    answer = field(reply, "answer")
    return {"solution": reply.strip() if answer is None else answer}
