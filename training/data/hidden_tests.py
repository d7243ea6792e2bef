"""Assertions that no row may hold: tests of the splits `val` and `test`, and those of benchmarks.

Texts are compared without blank space and with one kind of quotes, so that a line break or another style
hides nothing.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from engine.guest.syntax import parsed

_BLANK = re.compile(r"\s+")
_LINES = re.compile(r"\bassert\b[^\n]*")
_CHARS = 120  # of a test, collapsed; as much of one tells it
_SHORTEST = 8  # of what is asserted: less than that stands in texts by chance


def collapsed(text: str) -> str:
    """The text without blank space, with single quotes."""
    return _BLANK.sub("", text).replace('"', "'")


def assertions(test: str, entry_point: str | None) -> Iterator[str]:
    """What a test source asserts, collapsed, each from the word `assert` on.

    Where it asserts of a `candidate`, it is given for the function's own name too.
    """
    for source in _sources(test):
        named = re.sub(r"\bcandidate\b", lambda _: entry_point or "candidate", source)
        for text in sorted({collapsed(source), collapsed(named)}):
            if "(" in text and len(text) >= len("assert") + _SHORTEST:
                yield text[:_CHARS]


def _sources(test: str) -> Iterator[str]:
    """The assert statements of a test, and the calls of a unittest's assert methods, as text."""
    tree = parsed(test)
    if tree is None:
        yield from (found[0] for found in _LINES.finditer(test))
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
    """The assertions of a problem's splits, collapsed. `problem` is `engine.problems.Problem.to_json()`."""
    tests = problem.get("tests")
    sources = [t for s in splits for t in (tests.get(s) or ())] if isinstance(tests, dict) else []
    name = problem.get("entry_point")
    entry_point = name if isinstance(name, str) else None
    texts = (source for source in sources if isinstance(source, str))
    return frozenset(found for text in texts for found in assertions(text, entry_point))


class Assertions:
    """Assertions to look for in texts, of any number of problems."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._lengths: list[int] = []

    def add(self, found: Iterable[str]) -> None:
        self._known.update(found)
        self._lengths = []

    def first_in(self, text: str, shown: frozenset[str] = frozenset()) -> str | None:
        """An assertion that stands in the collapsed `text` and is none of `shown`, None where none does."""
        if not self._lengths:
            self._lengths = sorted({len(a) for a in self._known}, reverse=True)
        at = text.find("assert")
        while at >= 0:
            rest = text[at : at + _CHARS]
            for length in self._lengths:
                if rest[:length] in self._known and rest[:length] not in shown:
                    return rest[:length]
            at = text.find("assert", at + 1)
        return None


def asserted_in(text: str, hidden: frozenset[str], shown: frozenset[str]) -> str | None:
    """What one problem's hidden test asserts and the collapsed `text` says, be it without the word assert.

    Whatever is a visible test too, or a part of one, is no secret.
    """
    for assertion in sorted(hidden - shown):
        said = assertion.removeprefix("assert")
        if said in text and not any(said in one for one in shown):
            return assertion
    return None
