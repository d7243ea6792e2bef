"""MdEnsemble: five votes on several solutions, each with the solutions in another order (AFlow's, as in
MedPrompt).

A vote that names no candidate is asked for once more, then dropped; with no vote left the most frequent
candidate is taken. Votes for equal candidates count together. AFlow's version crashes on a vote without a
candidate, and counts votes for one of two equal candidates for another.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

from engine.operators.sc_ensemble import FORM, candidates, most_frequent
from engine.operators.support import Host, ask_for, chosen, join, letter

VOTES = 5  # AFlow's vote_count
INSTRUCTION = (
    "Several solutions to the same problem follow. Decide which one is the best: correct, complete and what "
    "the problem asks for. Reply with its letter inside <solution_letter></solution_letter>."
)


def prompt(problem: str, solutions: list[str]) -> str:
    """The whole user message, with the solutions lettered from A."""
    listing = "\n\n".join(f"{letter(i)}:\n{s}" for i, s in enumerate(solutions))
    return join(f"Problem:\n{problem}", INSTRUCTION, listing)


async def run(
    host: Host, *, solutions: list[Any], problem: str = "", mode: str | None = None
) -> dict[str, Any]:
    """{solution}: the chosen candidate, as it was passed in. Raises ValueError where there is no candidate.

    `mode` exists for workflows written against AFlow and changes nothing.
    """
    texts = candidates(solutions, "md_ensemble")
    if len(set(texts)) == 1:  # nothing to choose: a call would only cost
        return {"solution": solutions[0]}
    # The same step meets the same orders, so that a replay asks the same questions.
    orders = random.Random("\0".join([problem, *texts]))
    votes: Counter[str] = Counter()
    for _ in range(VOTES):
        order = list(range(len(texts)))
        orders.shuffle(order)
        question = prompt(problem, [texts[i] for i in order])
        pick = await ask_for(host, question, lambda reply: chosen(reply, len(texts)), FORM)
        if pick is not None:
            votes[texts[order[pick]]] += 1
    best = texts.index(votes.most_common(1)[0][0]) if votes else most_frequent(texts)
    return {"solution": solutions[best]}
