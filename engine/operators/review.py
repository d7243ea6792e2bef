"""Review: a worker judges a solution and says why."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, field, join

INSTRUCTION = (
    "Review the solution for correctness, efficiency and what the problem asks for. Call it wrong only "
    "if you are more than 95% sure. Reply with <review_result>true or false</review_result> and "
    "<feedback>what to change, and why</feedback>."
)


def prompt(problem: str, solution: str) -> str:
    return join(f"Problem:\n{problem}", f"Solution:\n{solution}", INSTRUCTION)


async def run(host: Host, *, problem: str, solution: str, mode: str | None = None) -> dict[str, Any]:
    """`mode` exists for workflows written against AFlow and changes nothing."""
    reply = await ask(host, prompt(problem, solution))
    verdict = (field(reply, "review_result") or "").lower()
    feedback = field(reply, "feedback")
    # An unreadable verdict is not a certain "wrong", so it counts as accepted.
    return {
        "review_result": not verdict.startswith(("false", "no", "wrong", "0")),
        "feedback": reply.strip() if feedback is None else feedback,
    }
