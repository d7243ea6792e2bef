"""Custom: one worker call on an instruction and an input (AFlow's Custom)."""

from __future__ import annotations

from typing import Any

from engine.operators.support import Host, ask, join


async def run(host: Host, *, input: str, instruction: str = "") -> dict[str, Any]:
    """{response}: the whole reply, without its reasoning."""
    return {"response": await ask(host, join(instruction, input))}
