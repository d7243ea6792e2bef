"""Programmer: a worker writes `solve()`, the sandbox runs it, errors go back to the worker."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, code_in, defines, join

ATTEMPTS = 3  # AFlow's
INSTRUCTION = (
    "Write a Python function `solve()` without arguments that computes and returns the answer. "
    "Reply with one ```python block."
)


async def run(host: Host, *, problem: str, analysis: str = "None") -> dict[str, Any]:
    """{code, output} of the last attempt, as texts. An output that starts with "Error:" means that all
    attempts failed.
    """
    hint = "" if analysis in ("", "None") else f"Analysis:\n{analysis}"
    code, output = "", ""
    for _ in range(ATTEMPTS):
        failed = f"This attempt failed:\n{code}\n\n{output}" if code else ""
        reply = await ask(host, join(f"Problem:\n{problem}", hint, failed, INSTRUCTION))
        code = await code_in(host, reply, "solve")
        if not defines(code, "solve"):
            output = "Error: the reply does not define solve()"
            continue
        outcome = await host.call("program", code=code, entry="solve")
        if outcome["ok"]:
            return {"code": code, "output": outcome["output"]}
        output = f"Error: {outcome['output']}"
    return {"code": code, "output": output}
