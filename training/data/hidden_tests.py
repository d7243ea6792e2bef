"""Assertions that no row may hold: tests of the splits `val` and `test`, and those of benchmarks.

Texts are compared token by token, so that blank space, line breaks and the kind of quotes hide nothing, and
`f(2) == 4` is not found in `f(2) == 41`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from engine.guest.syntax import parsed

_TOKENS = re.compile(r"\d+\.\d+|\w+|[^\w\s]")
_LINES = re.compile(r"\bassert\b[^\n]*")
_MOST = 60  # tokens of an assertion that are compared: so many identify it
_FEWEST = 7  # tokens; shorter assertions, such as `assert f(x)`, stand in texts by chance


@lru_cache(maxsize=64)  # the instruction is the same in every row
def tokenised(text: str) -> str:
    """The text's tokens with one space around each, quotes as single ones."""
    return f" {' '.join(_TOKENS.findall(text.replace(chr(34), chr(39))))} "


@lru_cache(maxsize=4096)  # a problem is run many times
def assertions(test: str, entry_point: str | None) -> frozenset[str]:
    """What a test source asserts, tokenised, each from the word `assert` on.

    An assertion about `candidate` is given once more with the function's own name.
    """
    tokenised_assertions: set[str] = set()
    for source in _sources(test):
        renamed = re.sub(r"\bcandidate\b", lambda _: entry_point or "candidate", source)
        for text in (source, renamed):
            tokens = tokenised(text).split()
            if "(" in tokens and len(tokens) >= _FEWEST:
                tokenised_assertions.add(f" {' '.join(tokens[:_MOST])} ")
    return frozenset(tokenised_assertions)


def _sources(test: str) -> Iterator[str]:
    """The assert statements of a test, and the calls of a unittest's assert methods, as text."""
    tree = parsed(test)
    if tree is None:
        yield from (line[0] for line in _LINES.finditer(test))
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"assert {ast.get_source_segment(test, node.test) or ''}"
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr.startswith("assert")
        ):
            yield (ast.get_source_segment(test, node) or "").removeprefix("self.")


def of_splits(problem: Mapping[str, Any], splits: Iterable[str]) -> frozenset[str]:
    """The assertions of a problem's splits, tokenised. `problem` is `engine.problems.Problem.to_json()`."""
    tests = problem.get("tests")
    sources = [t for s in splits for t in (tests.get(s) or ())] if isinstance(tests, dict) else []
    name = problem.get("entry_point")
    entry_point = name if isinstance(name, str) else None
    texts = (source for source in sources if isinstance(source, str))
    return frozenset(assertion for text in texts for assertion in assertions(text, entry_point))


class Assertions:
    """Assertions to look for in texts, of any number of problems."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lengths: list[int] = []

    def add(self, found: Iterable[str]) -> None:
        """Look for these tokenised assertions too."""
        self._known.update(found)
        self._lengths = []

    def first_in(self, text: str, visible: frozenset[str] = frozenset()) -> str | None:
        """An assertion that stands in the tokenised `text` and is none of `shown`, None where none does."""
        if not self._lengths:
            self._lengths = sorted({len(assertion) for assertion in self._known}, reverse=True)
        place = text.find(" assert")
        while place >= 0:
            for length in self._lengths:
                candidate = text[place : place + length]
                if candidate in self._known and candidate not in visible:
                    return candidate
            place = text.find(" assert", place + 1)
        return None


def asserted_in(text: str, hidden: frozenset[str], shown: frozenset[str]) -> str | None:
    """What one problem's hidden test asserts and the tokenised `text` says, be it without the word assert.

    What a visible test asserts too is no secret.
    """
    return next((one for one in sorted(hidden - shown) if one.removeprefix(" assert") in text), None)
