"""Reading Python text without running it: whether it parses, what it defines, which names it leaves
undefined.

The text was written by a model, so every parse is capped.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# `ast.parse` has no limit: at worst it takes 6 microseconds and 650 bytes for a character. With this limit it
# takes at most half a second and 70 MB.
MAX_CHARS = 100_000
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
# The errors that mean that a text is not Python.
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


_LEAST = 60  # characters that a parse is counted as, however short its text
_left: ContextVar[list[int] | None] = ContextVar("characters left to parse", default=None)


class TooLongError(ValueError):
    """The text is longer than `MAX_CHARS`, or than the rest of an `allowance`, and is not parsed."""


@contextmanager
def allowance(chars: int = 2 * MAX_CHARS) -> Iterator[None]:
    """A limit on the characters that all parses within read together, because looking for code in a reply
    takes many parses. Within another allowance, that one stays in force.
    """
    token = _left.set([chars]) if _left.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _left.reset(token)


def spent() -> bool:
    """Whether an allowance is used up, so that no further parse can succeed."""
    left = _left.get()
    return left is not None and left[0] < _LEAST


def _take(code: str) -> None:
    left = _left.get()
    if len(code) > MAX_CHARS or (left is not None and len(code) > left[0]):
        raise TooLongError(f"longer than {MAX_CHARS:,} characters, which is not read as Python")
    if left is not None:
        left[0] -= max(len(code), _LEAST)


def syntax_tree(code: str) -> ast.Module:
    """The code's tree. Raises one of `NOT_PYTHON` where it is not Python, which includes TooLongError.

    Some versions of Python raise SystemError where something else is parsed while a tree is made, for which a
    traceback printed by the garbage collector is enough. The parse is tried again then.
    """
    _take(code)
    with warnings.catch_warnings():  # "\d" in a plain string is not worth a line on stderr
        warnings.simplefilter("ignore")
        while True:
            try:
                return ast.parse(code)
            except SystemError:
                continue


def parsed(code: str) -> ast.Module | None:
    """The code's tree; None where it is not Python, or too long."""
    try:
        return syntax_tree(code)
    except NOT_PYTHON:
        return None


def parses(code: str) -> bool:
    """Whether `code` is Python. Parsing executes nothing."""
    return parsed(code) is not None


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that run when the module does, in order, with those under `if`, `try`, `with` and
    loops.
    """
    left = [*reversed(list(ast.iter_child_nodes(tree)))]  # no recursion: `elif` nests without an end
    while left:
        node = left.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (*DEFINITIONS, ast.expr)):
            left += reversed(list(ast.iter_child_nodes(node)))


def bound_names(statement: ast.stmt) -> set[str]:
    """The names that this statement itself defines, assigns or imports, without those of statements in it."""
    if isinstance(statement, DEFINITIONS):
        return {statement.name}
    if isinstance(statement, IMPORTS):
        return {(alias.asname or alias.name).partition(".")[0] for alias in statement.names}
    if isinstance(statement, ast.Assign):
        return {n for target in statement.targets for n in _stored(target)}
    if isinstance(statement, ast.AnnAssign):
        return _stored(statement.target) if statement.value is not None else set()
    if isinstance(statement, ast.AugAssign | ast.For | ast.AsyncFor):
        return _stored(statement.target)
    if isinstance(statement, ast.With | ast.AsyncWith):
        return {n for item in statement.items if item.optional_vars for n in _stored(item.optional_vars)}
    return set()


def _stored(target: ast.expr) -> set[str]:
    return {n.id for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}


def definitions(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements of the module's own scope that define or assign `name`, without imports."""
    return [s for s in statements(tree) if not isinstance(s, IMPORTS) and name in bound_names(s)]


def defines(code: str, name: str) -> bool:
    """Whether `code` parses and defines `name` in the module's own scope, which may be under an `if`."""
    tree = parsed(code)
    return tree is not None and bool(definitions(tree, name))


def is_stub(statement: ast.stmt) -> bool:
    """Whether a definition has no real body: only `...`, `pass`, or NotImplementedError."""
    if isinstance(statement, ast.ClassDef):
        members = [s for s in statement.body if isinstance(s, DEFINITIONS)]
        rest = [s for s in statement.body if not isinstance(s, DEFINITIONS)]
        empty = bool(members) or any(isinstance(s, ast.Expr) and _is_dots(s.value) for s in rest)
        return empty and all(map(_says_nothing, rest)) and all(map(is_stub, members))
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
        return all(map(_says_nothing, statement.body))
    value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
    return isinstance(value, ast.Constant) and value.value in (None, ...)


def _is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


def _says_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()) | ast.Import() | ast.ImportFrom():
            return True
        case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
            return name == "NotImplementedError"
    return False


def free_names(code: str) -> set[str]:
    """The names that `code` uses, and that neither it nor Python's builtins define; empty where it does
    not parse.
    """
    try:
        _take(code)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = symtable.symtable(code, "reply", "exec")
    except NOT_PYTHON:
        return set()
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    used = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    return (used | _globals(table)) - own - _BUILTINS


def _globals(table: symtable.SymbolTable) -> set[str]:
    """The names that the functions and classes in a scope take from the module."""
    names: set[str] = set()
    for child in table.get_children():
        names |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
        names |= _globals(child)
    return names
