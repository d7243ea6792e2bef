"""MetaFlow's Decompose, Execute and Summarize. Only their names are published; what they do is ours."""

from __future__ import annotations

import re
from typing import Any

from engine.operators.support import Host, ask, extract_code, join

DECOMPOSE = (
    "Split the problem into smaller ones, to be solved one after the other, whose solutions together solve "
    "it. Reply with a numbered list of at most {most}, each on its own line, and nothing else."
)
SUMMARIZE = (
    "The texts above are notes on the problem. Put together what they establish, leave out what is wrong, "
    "and answer the problem. Reply with the answer alone, in the form the problem asks for."
)
MOST = 6
_ITEM = re.compile(r"^\s*(?:\d{1,3}[.):]|[-*•])\s+(\S.*)$")


async def decompose(host: Host, *, problem: str) -> dict[str, Any]:
    """The parts in order; the problem itself where the reply lists none."""
    reply = await ask(host, join(f"Problem:\n{problem}", DECOMPOSE.format(most=MOST)))
    parts = [found.group(1).strip() for line in reply.splitlines() if (found := _ITEM.match(line))]
    return {"subproblems": parts[:MOST] or [problem]}


async def execute(host: Host, *, code: str) -> dict[str, Any]:
    """`code` may be a reply with a code block in it."""
    outcome = await host.call("program", code=extract_code(code), entry=None)
    return {"status": "ok" if outcome["ok"] else "error", "output": outcome["output"]}


async def summarize(host: Host, *, problem: str, materials: list[str]) -> dict[str, Any]:
    if isinstance(materials, str) or not materials:
        raise ValueError("summarize got no list of texts; give it at least one")
    notes = "\n\n".join(f"{number}.\n{text}" for number, text in enumerate(materials, 1))
    return {"response": (await ask(host, join(f"Problem:\n{problem}", notes, SUMMARIZE))).strip()}
