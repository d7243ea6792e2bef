"""ScEnsemble, the paper's Ensemble: a worker picks the most consistent of several solutions.

A reply that names no candidate is asked for once more; then the most frequent candidate is taken, which the
step notes. There may be more than 26 candidates. AFlow's version crashes in both cases.
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
    """The whole user message, with the solutions lettered from A."""
    listing = "\n\n".join(f"{letter(i)}:\n{s}" for i, s in enumerate(solutions))
    return join(f"Problem:\n{problem}", INSTRUCTION, listing)


def candidates(solutions: list[Any], operator: str) -> list[str]:
    """The solutions as texts for a worker to read. A candidate may be the dict that an operator returned; the
    only text in it is the candidate then.

    Raises ValueError, which names the `operator`, where there is none to choose from.
    """
    if isinstance(solutions, str) or not solutions:
        got = "one text" if isinstance(solutions, str) and solutions else "no solutions"
        raise ValueError(f"{operator} got {got}; give it a list of at least one solution")
    return [_text_of(s) for s in solutions]


def _text_of(solution: Any) -> str:
    texts = [v for v in solution.values() if isinstance(v, str)] if isinstance(solution, dict) else []
    return texts[0] if len(texts) == 1 else str(solution)


def most_frequent(texts: list[str]) -> int:
    """The index of the text that occurs most often, at its first occurrence; the earliest where several
    do.
    """
    return texts.index(Counter(texts).most_common(1)[0][0])


async def run(host: Host, *, solutions: list[Any], problem: str = "") -> dict[str, Any]:
    """{response}: the chosen candidate, as it was passed in. Raises ValueError where there is no
    candidate.
    """
    texts = candidates(solutions, "sc_ensemble")
    if len(set(texts)) == 1:  # nothing to choose: a call would only cost
        return {"response": solutions[0]}
    pick = await ask_for(host, prompt(problem, texts), lambda reply: chosen(reply, len(texts)), FORM)
    return {"response": solutions[most_frequent(texts) if pick is None else pick]}
