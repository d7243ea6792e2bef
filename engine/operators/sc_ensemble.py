"""ScEnsemble, the paper's Ensemble: a worker picks the most consistent of several solutions.

A reply that names no candidate is asked for once more; then the most frequent one is taken, which the step
notes. There is no limit of 26: both crash AFlow's version.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from engine.operators.support import Host, ask_for, chosen, join, letter

INSTRUCTION = (
    "Several solutions to the same problem follow. Find the answer most of them agree on and pick one "
    "solution that gives it. Reply with its letter inside <solution_letter></solution_letter>."
)
FORM = "the letter of one solution inside <solution_letter></solution_letter>"


def prompt(problem: str, solutions: list[str]) -> str:
    listing = "\n\n".join(f"{letter(i)}:\n{s}" for i, s in enumerate(solutions))
    return join(f"Problem:\n{problem}", INSTRUCTION, listing)


def candidates(solutions: list[Any], operator: str) -> list[str]:
    """The solutions as a worker is shown them. Raises ValueError where there is none to choose from.

    A candidate may be what an operator returned: its one text is shown.
    """
    if isinstance(solutions, str) or not solutions:
        got = "one text" if isinstance(solutions, str) and solutions else "no solutions"
        raise ValueError(f"{operator} got {got}; give it a list of at least one solution")
    return [_shown(s) for s in solutions]


def _shown(solution: Any) -> str:
    texts = [v for v in solution.values() if isinstance(v, str)] if isinstance(solution, dict) else []
    return texts[0] if len(texts) == 1 else str(solution)


def most_frequent(texts: list[str]) -> int:
    """Which of equal texts there are most of; the first of them."""
    return texts.index(Counter(texts).most_common(1)[0][0])


async def run(host: Host, *, solutions: list[Any], problem: str = "") -> dict[str, Any]:
    """The candidate as it was passed in."""
    texts = candidates(solutions, "sc_ensemble")
    if len(set(texts)) == 1:  # nothing to choose: a call would only cost
        return {"response": solutions[0]}
    pick = await ask_for(host, prompt(problem, texts), lambda reply: chosen(reply, len(texts)), FORM)
    return {"response": solutions[most_frequent(texts) if pick is None else pick]}
