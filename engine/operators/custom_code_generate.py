"""CustomCodeGenerate, the paper's Code Generator: one worker call that answers with code."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, code_in, join


def prompt(problem: str, entry_point: str | None, instruction: str) -> str:
    """The whole user message. Without an entry point the worker may write any program."""
    what = f"Write the Python function `{entry_point}`." if entry_point else "Write Python code."
    return join(instruction, problem, f"{what} Reply with one ```python block.")


async def run(
    host: Host, *, problem: str, entry_point: str | None = None, instruction: str = "", extra: str = ""
) -> dict[str, Any]:
    """{response}: the code in the reply. `extra` is the text of what the workflow passed under names that
    this operator does not have.
    """
    reply = await ask(host, prompt(join(problem, extra), entry_point, instruction))
    return {"response": await code_in(host, reply, entry_point, problem)}
