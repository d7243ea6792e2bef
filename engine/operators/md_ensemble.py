"""MdEnsemble: five votes on several solutions, each over another order of them (AFlow's, as in MedPrompt).

A vote that names no candidate is dropped; with none left the most frequent candidate is taken. Votes for
equal candidates count together. AFlow's crashes on the first and gives the second's votes to another.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from engine.operators.sc_ensemble import candidates
from engine.operators.support import Host, ask, chosen, join, letter

VOTES = 5  # AFlow's vote_count
INSTRUCTION = (
    "Several solutions to the same problem follow. Decide which one is the best: correct, complete and what "
    "the problem asks for. Reply with its letter inside <solution_letter></solution_letter>."
)


def prompt(problem: str, solutions: list[str]) -> str:
    listing = "\n\n".join(f"{letter(i)}:\n{s}" for i, s in enumerate(solutions))
    return join(f"Problem:\n{problem}", INSTRUCTION, listing)


async def run(
    host: Host, *, solutions: list[str], problem: str = "", mode: str | None = None
) -> dict[str, Any]:
    """`mode` exists for workflows written against AFlow and changes nothing."""
    texts = candidates(solutions, "md_ensemble")
    if len(set(texts)) == 1:  # nothing to choose: a call would only cost
        return {"solution": texts[0]}
    # The same step meets the same orders, so that a replay asks the same questions.
    orders = random.Random("\0".join([problem, *texts]))
    votes: Counter[str] = Counter()
    for _ in range(VOTES):
        order = list(range(len(texts)))
        orders.shuffle(order)
        pick = chosen(await ask(host, prompt(problem, [texts[i] for i in order])), len(order))
        if pick is not None:
            votes[texts[order[pick]]] += 1
    return {"solution": (votes or Counter(texts)).most_common(1)[0][0]}
