"""CustomCodeGenerate, the paper's Code Generator: one worker call that answers with code."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, code_in, instructed, join


def prompt(problem: str, entry_point: str | None, instruction: str, separator: str | None = None) -> str:
    """The whole user message. Without an entry point the worker may write any program. `separator` is that of
    `instructed`.
    """
    what = f"Write the Python function `{entry_point}`." if entry_point else "Write Python code."
    return join(instructed(instruction, problem, separator), f"{what} Reply with one ```python block.")


async def run(
    host: Host,
    *,
    problem: str,
    entry_point: str | None = None,
    instruction: str = "",
    extra: str = "",
    separator: str | None = None,
) -> dict[str, Any]:
    """{response}: the code in the reply. `extra` is the text of what the workflow passed under names that
    this operator does not have.
    """
    task = join(problem, extra) if extra else problem
    reply = await ask(host, prompt(task, entry_point, instruction, separator))
    return {"response": await code_in(host, reply, entry_point, problem)}
