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
    """A stretch of code in a reply. `warned` says that the reply advises against it."""

    code: str
    tree: ast.Module
    warned: bool = False

    @cached_property
    def bound(self) -> dict[str, list[ast.stmt]]:
        """By name of the module's own scope: the statements that define, assign or import it, in order."""
        binding: dict[str, list[ast.stmt]] = {}
        for statement in statements(self.tree):
            for name in bound_names(statement):
                binding.setdefault(name, []).append(statement)
        return binding

    def definitions(self, name: str) -> list[ast.stmt]:
        """The statements that define or assign `name`, without imports."""
        return [s for s in self.bound.get(name, ()) if not isinstance(s, IMPORTS)]

    def real(self, name: str) -> list[ast.stmt]:
        """The definitions that make `name` something that can be called and does something."""
        return [d for d in self.definitions(name) if not is_stub(d) and not _is_result(d, name)]

    @cached_property
    def defined(self) -> set[str]:
        """The names of its functions and classes that do something, without tests."""
        return {
            s.name
            for s in statements(self.tree)
            if isinstance(s, DEFINITIONS) and not is_stub(s) and not _is_test(s)
        }


def _is_result(statement: ast.stmt, name: str) -> bool:
    """Whether an assignment gives `name` a value that is not a function, such as the result of a call of
    it.
    """
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    if value is None or isinstance(value, ast.Constant | ast.List | ast.Dict | ast.Set | ast.BinOp):
        return value is not None
    recursive = {id(n) for part in ast.walk(value) if isinstance(part, ast.Lambda) for n in ast.walk(part)}
    return any(isinstance(n, ast.Name) and n.id == name and id(n) not in recursive for n in ast.walk(value))


def piece_of(code: str, warned: bool = False) -> Piece | None:
    """Text as a piece; None where it cannot be read as Python."""
    read = read_python(code)
    return Piece(*read, warned) if read is not None else None


def with_needs(main: Piece, pieces: Sequence[Piece]) -> str:
    """The code of `main`, preceded by the statements of other pieces that define what it uses."""
    others = [p for p in pieces if p is not main]
    needed = free_names(main.code)
    borrowed: list[tuple[int, int, str]] = []
    seen: set[str] = set()
    while needed - seen:
        name = min(needed - seen)
        seen.add(name)
        for place, piece in sorted(enumerate(others), key=lambda p: (not p[1].warned, p[0]), reverse=True):
            binding = [s for s in piece.tree.body if name in _names_in(s)]
            real = [s for s in binding if not is_stub(s)]
            if not real:
                continue
            statement = real[-1]
            source = _source(piece.code, statement)
            borrowed.append((place, statement.lineno, source))
            seen |= _names_in(statement)
            needed |= free_names(source) - main.bound.keys()
            break
    if not borrowed:
        return main.code
    first = [source for _, _, source in sorted(set(borrowed))]
    future, code = _without_future(main)
    return "\n\n".join([*future, *first, code])


def _names_in(statement: ast.stmt) -> set[str]:
    """The names a statement binds, and for one that holds others all of theirs."""
    inner = ast.Module([statement], [])
    return {name for s in statements(inner) for name in bound_names(s)}


def _without_future(piece: Piece) -> tuple[list[str], str]:
    """The piece's `from __future__` imports, which have to stand first, and its code without them."""
    lines = piece.code.split("\n")
    imports: list[str] = []
    for statement in piece.tree.body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            imports.append(_source(piece.code, statement))
            lines[statement.lineno - 1 : statement.end_lineno] = [""] * imports[-1].count("\n") + [""]
    return imports, "\n".join(lines).strip("\n")


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
