"""Queries unlike the worker's: the meta-agent must write a workflow that can run for them too."""

from __future__ import annotations

import random

from engine.problems import Problem, Tests

_WORDS = (
    "the", "a", "of", "number", "list", "string", "given", "return", "value", "that", "each", "is",
    "in", "and", "to", "if", "with", "from", "all", "function", "array", "compute", "find", "sum", "of",
    "count", "index", "element", "maximum", "minimum", "sorted", "order", "integer", "positive",
    "negative", "example", "two", "between", "whether", "contains", "character", "word", "line", "file",
    "table", "row", "date", "price", "total", "shop", "school", "river", "road", "train", "hours",
    "people", "apples", "marbles", "girl", "boy", "buys", "sells", "gives", "left", "how", "many",
    "what", "which", "when", "who", "year", "city", "film", "author", "band", "song", "team", "player",
    "country", "capital", "born", "same", "different", "longest", "shortest", "first", "last", "next",
    "prime", "factor", "digit", "binary", "tree", "graph", "path", "node", "matrix", "dictionary",
    "key", "values", "pair", "tuple", "none", "true", "false",
)  # fmt: skip
_TYPES = ("int", "str", "float", "bool", "list[int]", "List[str]", "dict", "Tuple[int, int]", "List[float]")


def foreign_problem(rng: random.Random) -> tuple[Problem, bool]:
    """A made-up query and whether it asks for code: a stub with a docstring, a task, a question, noise."""
    kind = rng.random()
    name = "_".join(_word(rng) for _ in range(rng.randint(1, 3)))
    tests = (
        Tests(tuple(_test(rng, name) for _ in range(rng.randint(1, 4)))) if rng.random() < 0.6 else Tests()
    )
    if kind < 0.45:
        return Problem("foreign", _stub(rng, name), name, "code", tests), True
    if kind < 0.7:
        text = f"Write a function {name} that {_sentence(rng, 30)}\n{_sentence(rng, 25)}"
        return Problem("foreign", text, name, "code", tests), True
    length = 60 if kind < 0.95 else 160
    return Problem("foreign", _sentence(rng, length).capitalize() + "?", None, "qa"), False


def _word(rng: random.Random) -> str:
    if rng.random() < 0.75:
        return rng.choice(_WORDS)
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz") for _ in range(rng.randint(2, 7)))


def _sentence(rng: random.Random, longest: int) -> str:
    words = [_word(rng) for _ in range(rng.randint(6, longest))]
    for _ in range(len(words) // 8):
        words[rng.randrange(len(words))] = rng.choice(
            (str(rng.randint(0, 999)), "(n)", "x,", "it.", '"ab"', "=>")
        )
    return " ".join(words) + "."


def _stub(rng: random.Random, name: str) -> str:
    arguments = ", ".join(f"{_word(rng)}: {rng.choice(_TYPES)}" for _ in range(rng.randint(1, 3)))
    head = "from typing import List\n\n\n" if rng.random() < 0.4 else ""
    examples = "".join(
        f"\n    >>> {name}({rng.randint(0, 99)})\n    {rng.randint(0, 99)}" for _ in range(rng.randint(0, 3))
    )
    text = "\n    ".join(_sentence(rng, 16) for _ in range(rng.randint(1, 4)))
    return f'{head}def {name}({arguments}) -> {rng.choice(_TYPES)}:\n    """{text}{examples}\n    """\n'


def _test(rng: random.Random, name: str) -> str:
    value = rng.choice(
        (str(rng.randint(-99, 99)), repr(_word(rng)), repr([rng.randint(0, 9) for _ in range(4)]))
    )
    return f"assert {name}({value}) == {rng.choice((value, 'True', '0'))}"
