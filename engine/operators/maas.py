"""The operators that MaAS (arXiv 2502.04180) adds to AFlow's: three ways to answer, and one to refine an
answer.

Their task is called `problem` (with an entry point) for code and `input` for math, as in MaAS's release.
"""

from __future__ import annotations

from typing import Any

from engine.guest.syntax import DEFINITIONS, parsed
from engine.operators.custom_code_generate import prompt as code_prompt
from engine.operators.support import Host, ask, code_in, extract_code, instructed, join

THINK = "Work it out step by step: what is asked, what is given, which cases there are. Then give the answer."
CRITIQUE = (
    "Look for what is wrong or missing in the solution, then rewrite it so that it is right. Reply with the "
    "whole solution as it should be."
)
TIMES = 3  # MaAS's


async def generate(
    host: Host,
    *,
    problem: str = "",
    input: str = "",
    entry_point: str | None = None,
    instruction: str = "",
    separator: str | None = None,
) -> dict[str, Any]:
    """{response}: the reply; where there is an entry point, the code in it. `separator` is that of
    `instructed`.
    """
    task = problem or input
    if entry_point is None:
        return {"response": await ask(host, instructed(instruction, task, separator))}
    reply = await ask(host, code_prompt(task, entry_point, instruction, separator))
    return {"response": await code_in(host, reply, entry_point, task)}


async def generate_cot(host: Host, *, instruction: str = "", **task: Any) -> dict[str, Any]:
    """As `generate`, after thinking step by step. `task` are its other arguments."""
    return await generate(host, instruction=join(instruction, THINK), **task)


async def multi_generate_cot(host: Host, *, instruction: str = "", **task: Any) -> dict[str, Any]:
    """{response}: a list of three answers, made one after the other, each as `generate_cot` returns it."""
    return {"response": [await generate_cot(host, instruction=instruction, **task) for _ in range(TIMES)]}


async def self_refine(host: Host, *, problem: str, solution: str) -> dict[str, Any]:
    """{response}: the rewritten solution; unchanged where the reply is empty."""
    reply = await ask(host, join(f"Problem:\n{problem}", f"Solution:\n{solution}", CRITIQUE))
    refined = extract_code(reply) if _is_code(solution) else reply.strip()
    return {"response": refined or solution}


def _is_code(text: str) -> bool:
    """Whether `text` defines something. A bare `42` parses as well, and is an answer."""
    tree = parsed(text)
    return tree is not None and any(isinstance(node, DEFINITIONS) for node in tree.body)
