"""Review: a worker judges a solution and says why."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, accepted, ask_for, field, join

INSTRUCTION = (
    "Review the solution for correctness, efficiency and what the problem asks for. Call it wrong only "
    "if you are more than 95% sure. Reply with <review_result>true or false</review_result> and "
    "<feedback>what to change, and why</feedback>."
)


def prompt(problem: str, solution: str) -> str:
    """The whole user message."""
    return join(f"Problem:\n{problem}", f"Solution:\n{solution}", INSTRUCTION)


FORM = "<review_result>true</review_result> or <review_result>false</review_result>"


async def run(host: Host, *, problem: str, solution: str, mode: str | None = None) -> dict[str, Any]:
    """{review_result, feedback}. `review_result` is True where the solution is found right, and None where
    the verdict was not understood after asking twice; `feedback` is that of the first reply.

    `mode` exists for workflows written against AFlow and changes nothing.
    """
    question = prompt(problem, solution)
    first = ""

    def read(reply: str) -> bool | None:
        nonlocal first
        first = first or reply
        return accepted(reply)

    verdict = await ask_for(host, question, read, FORM)
    feedback = field(first, "feedback")
    return {"review_result": verdict, "feedback": first.strip() if feedback is None else feedback}
