"""Instructions that workflows give the worker: the meta-agent writes these, so the worker must know them."""

from __future__ import annotations

CODE: dict[str, tuple[str, ...]] = {
    "CODE": (
        "Write the function the problem asks for.",
        "Write a correct Python function for the problem.",
        "Solve the problem in Python.",
        "Write the whole function, one step a line.",
    ),
    "STEPS": (
        "Follow the steps in the order they are given.",
        "Take the steps one by one, in order.",
        "Do every step of the problem, and nothing else.",
    ),
    "CAREFUL": (
        "Read every step with care before you write code.",
        "Mind the limits and the order of the steps.",
        "Think about what each word means, then write the function.",
    ),
    "AGAIN": (
        "An earlier attempt failed its tests. Write the function again.",
        "Write another version: read the unclear steps in another way.",
        "Try a different reading of the problem.",
    ),
}
ALL: tuple[str, ...] = tuple(text for texts in CODE.values() for text in texts)
