"""Revise: a worker rewrites a solution from feedback (a review, or failing tests)."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, extract_code, join

INSTRUCTION = (
    "Rewrite the solution so that the feedback no longer applies. Reply with the whole corrected solution."
)


def prompt(problem: str, solution: str, feedback: str) -> str:
    """The whole user message."""
    return join(f"Problem:\n{problem}", f"Solution:\n{solution}", f"Feedback:\n{feedback}", INSTRUCTION)


async def run(
    host: Host, *, problem: str, solution: str, feedback: str = "", mode: str | None = None
) -> dict[str, Any]:
    """{solution}: the rewritten solution; unchanged where the reply is empty.

    `mode` exists for workflows written against AFlow and changes nothing.
    """
    revised = extract_code(await ask(host, prompt(problem, solution, feedback)))
    return {"solution": revised if revised.strip() else solution}
