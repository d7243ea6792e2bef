"""Parsing Python that may be anything; used on both sides of the wall."""

from __future__ import annotations

import ast


def syntax_tree(code: str) -> ast.Module:
    """The code's tree. Raises what `ast.parse` raises of the code.

    Some versions of Python fail with a SystemError of their own when something is parsed while a tree is
    made, which a traceback that is printed by the garbage collector is enough for.
    """
    while True:
        try:
            return ast.parse(code)
        except SystemError:
            continue
