"""Pieces of code in a reply: what each defines, and what it needs of the others."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from engine.guest.syntax import (
    DEFINITIONS,
    IMPORTS,
    bound_names,
    free_names,
    is_stub,
    statements,
)
from engine.operators.dressing import read_python


@dataclass(frozen=True)
class Piece:
    """Code that stands together. `warned`: the reply says that it is not to be used."""

    code: str
    tree: ast.Module
    warned: bool = False

    @cached_property
    def bound(self) -> dict[str, list[ast.stmt]]:
        """The statements that define, assign or import a name of the module's own scope."""
        found: dict[str, list[ast.stmt]] = {}
        for statement in statements(self.tree):
            for name in bound_names(statement):
                found.setdefault(name, []).append(statement)
        return found

    def definitions(self, name: str) -> list[ast.stmt]:
        """What defines `name`, imports aside."""
        return [s for s in self.bound.get(name, ()) if not isinstance(s, IMPORTS)]

    def real(self, name: str) -> list[ast.stmt]:
        """What makes `name` something that can be called and does something."""
        return [d for d in self.definitions(name) if not is_stub(d) and not _is_result(d, name)]

    @cached_property
    def defined(self) -> set[str]:
        """The functions and classes it defines that do something, tests aside."""
        return {
            s.name
            for s in statements(self.tree)
            if isinstance(s, DEFINITIONS) and not is_stub(s) and not _is_test(s)
        }


def _is_result(statement: ast.stmt, name: str) -> bool:
    """Whether an assignment gives `name` a value that is no function, such as what a call of it returned."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if value is None or isinstance(value, ast.Constant | ast.List | ast.Dict | ast.Set | ast.BinOp):
        return value is not None
    recursive = {id(n) for part in ast.walk(value) if isinstance(part, ast.Lambda) for n in ast.walk(part)}
    return any(isinstance(n, ast.Name) and n.id == name and id(n) not in recursive for n in ast.walk(value))


def piece_of(code: str, warned: bool = False) -> Piece | None:
    """Text as a piece; None where it is no Python."""
    read = read_python(code)
    return Piece(*read, warned) if read is not None else None


def with_needs(main: Piece, pieces: Sequence[Piece]) -> str:
    """The piece, after whatever it uses and only other pieces define."""
    others = [p for p in pieces if p is not main]
    wanted = free_names(main.code)
    taken: list[tuple[int, int, str]] = []
    seen: set[str] = set()
    while wanted - seen:
        name = min(wanted - seen)
        seen.add(name)
        for place, piece in sorted(enumerate(others), key=lambda p: (not p[1].warned, p[0]), reverse=True):
            giving = [s for s in piece.tree.body if name in _given(s)]
            real = [s for s in giving if not is_stub(s)]
            if not real:
                continue
            statement = real[-1]
            source = _source(piece.code, statement)
            taken.append((place, statement.lineno, source))
            seen |= _given(statement)
            wanted |= free_names(source) - main.bound.keys()
            break
    if not taken:
        return main.code
    first = [source for _, _, source in sorted(set(taken))]
    future, code = _without_future(main)
    return "\n\n".join([*future, *first, code])


def _given(statement: ast.stmt) -> set[str]:
    """The names a statement binds, and for one that holds others all of theirs."""
    inner = ast.Module([statement], [])
    return {name for s in statements(inner) for name in bound_names(s)}


def _without_future(piece: Piece) -> tuple[list[str], str]:
    """The piece's `from __future__` imports, which have to stand first, and its code without them."""
    lines = piece.code.split("\n")
    found: list[str] = []
    for statement in piece.tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            found.append(_source(piece.code, statement))
            lines[statement.lineno - 1 : statement.end_lineno] = [""] * found[-1].count("\n") + [""]
    return found, "\n".join(lines).strip("\n")


def _source(code: str, statement: ast.stmt) -> str:
    """The lines of a statement, with its decorators."""
    decorators = statement.decorator_list if isinstance(statement, DEFINITIONS) else []
    first = min([statement.lineno, *(d.lineno for d in decorators)])
    return "\n".join(code.split("\n")[first - 1 : statement.end_lineno])


def _is_test(statement: ast.stmt) -> bool:
    name = getattr(statement, "name", "")
    if name.startswith(("test", "Test")) or name in ("check", "main"):
        return True
    return any(isinstance(node, ast.Assert) for node in statements(statement))
