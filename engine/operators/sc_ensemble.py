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


def candidates(solutions: list[str], operator: str) -> list[str]:
    """The solutions as texts. Raises ValueError where there is none to choose from."""
    if isinstance(solutions, str) or not solutions:
        got = "one text" if isinstance(solutions, str) and solutions else "no solutions"
        raise ValueError(f"{operator} got {got}; give it a list of at least one solution")
    return [str(s) for s in solutions]


async def run(host: Host, *, solutions: list[str], problem: str = "") -> dict[str, Any]:
    texts = candidates(solutions, "sc_ensemble")
    if len(set(texts)) == 1:  # nothing to choose: a call would only cost
        return {"response": texts[0]}
    pick = chosen(await ask(host, prompt(problem, texts)), len(texts))
    if pick is None:
        return {"response": Counter(texts).most_common(1)[0][0]}
    return {"response": texts[pick]}
