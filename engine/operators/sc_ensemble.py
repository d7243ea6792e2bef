"""ScEnsemble, the paper's Ensemble: a worker picks the most consistent of several solutions.

A reply that names no candidate falls back to the most frequent one instead of failing, and there is
no limit of 26: both crash AFlow's version.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.operators.support import Host, ask, chosen, join, letter

INSTRUCTION = (
    "Several solutions to the same problem follow. Find the answer most of them agree on and pick one "
    "solution that gives it. Reply with its letter inside <solution_letter></solution_letter>."
)


def prompt(problem: str, solutions: list[str]) -> str:
    listing = "\n\n".join(f"{letter(i)}:\n{s}" for i, s in enumerate(solutions))
    return join(f"Problem:\n{problem}", INSTRUCTION, listing)


async def run(host: Host, *, solutions: list[str], problem: str = "") -> dict[str, Any]:
    if not solutions:
        raise ValueError("sc_ensemble got an empty list of solutions; collect at least one before calling it")
    texts = [str(s) for s in solutions]
    distinct = list(dict.fromkeys(texts))
    if len(distinct) == 1:  # nothing to choose: a call would only cost
        return {"response": distinct[0]}
    pick = chosen(await ask(host, prompt(problem, texts)), len(texts))
    if pick is None:
        return {"response": Counter(texts).most_common(1)[0][0]}
    return {"response": texts[pick]}
