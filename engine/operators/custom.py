"""Custom: one worker call on an instruction and an input (AFlow's Custom)."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, instructed


async def run(
    host: Host, *, input: str, instruction: str = "", separator: str | None = None
) -> dict[str, Any]:
    """{response}: the whole reply, without its reasoning. `separator` is that of `instructed`."""
    return {"response": await ask(host, instructed(instruction, input, separator))}
