"""Parsing while something else is parsed in between, which some versions of Python fail at by themselves."""

from __future__ import annotations

import ast
import gc
from collections.abc import Iterator

import pytest

from engine.guest.syntax import syntax_tree

SOURCE = "\n".join(f"def f{n}(x):\n    return [x + {n} for y in (1, (2, (3, [4]))) if y]" for n in range(200))


class Parses:
    """Garbage whose finalizer parses: what logging does of a task that nobody asked for its error."""

    def __init__(self) -> None:
        self.cycle = self

    def __del__(self) -> None:
        ast.parse("f(1) + f(2)")


@pytest.fixture
def often_collected() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(50)
    yield
    gc.set_threshold(*before)


def test_a_tree_is_made_whatever_is_parsed_meanwhile(often_collected: None) -> None:
    for _ in range(20):
        garbage = [Parses() for _ in range(20)]
        del garbage
        assert len(syntax_tree(SOURCE).body) == 200


def test_what_is_no_python_is_still_an_error() -> None:
    with pytest.raises(SyntaxError):
        syntax_tree("def f(:")
