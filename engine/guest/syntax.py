"""What Python text says, without running it: whether it parses, what it defines, what it leaves to others.

Everything here reads text that a model wrote, so every parse is capped.
"""

from __future__ import annotations

import ast
import builtins
import symtable
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

# `ast.parse` knows no limit: at worst it takes 6 microseconds and 650 bytes for a character. So much text
# takes it half a second and 70 MB.
MAX_CHARS = 100_000
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__"}
# What reading text as Python may raise of the text.
NOT_PYTHON = (SyntaxError, ValueError, RecursionError, MemoryError)


_LEAST = 60  # characters that a parse is counted as, however short its text
_left: ContextVar[list[int] | None] = ContextVar("characters left to parse", default=None)


class TooLongError(ValueError):
    """The text is longer than `MAX_CHARS`, or than what is left of an `allowance`, and is not read."""


@contextmanager
def allowance(chars: int = 2 * MAX_CHARS) -> Iterator[None]:
    """All parses inside read no more than so many characters together: looking for code in a reply takes
    many. An allowance that there is already goes on.
    """
    token = _left.set([chars]) if _left.get() is None else None
    try:
        yield
    finally:
        if token is not None:
            _left.reset(token)


def spent() -> bool:
    """Whether an allowance is used up, so that looking on is of no use."""
    left = _left.get()
    return left is not None and left[0] < _LEAST


def _take(code: str) -> None:
    left = _left.get()
    if len(code) > MAX_CHARS or (left is not None and len(code) > left[0]):
        raise TooLongError(f"longer than {MAX_CHARS:,} characters, which is not read as Python")
    if left is not None:
        left[0] -= max(len(code), _LEAST)


def syntax_tree(code: str) -> ast.Module:
    """The code's tree. Raises what `ast.parse` raises of the code (`NOT_PYTHON`), and TooLongError.

    Some versions of Python fail with a SystemError of their own when something is parsed while a tree is
    made, which a traceback that is printed by the garbage collector is enough for.
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
    """The code's tree, or None where it is not Python or too long."""
    try:
        return syntax_tree(code)
    except NOT_PYTHON:
        return None


def parses(code: str) -> bool:
    """Whether `code` is Python. Parsing executes nothing."""
    return parsed(code) is not None


def statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that run when the module does, those under `if`, `try`, `with` and loops too."""
    left = [*reversed(list(ast.iter_child_nodes(tree)))]  # no recursion: `elif` nests without an end
    while left:
        node = left.pop()
        if isinstance(node, ast.stmt):
            yield node
        if not isinstance(node, (*DEFINITIONS, ast.expr)):
            left += reversed(list(ast.iter_child_nodes(node)))


def bound_names(statement: ast.stmt) -> set[str]:
    """The names this one statement defines, assigns or imports."""
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
    """The statements of the module's own scope that define or assign `name`; imports are none."""
    return [s for s in statements(tree) if not isinstance(s, IMPORTS) and name in bound_names(s)]


def defines(code: str, name: str) -> bool:
    """Whether `code` parses and defines `name` in the module's own scope, be it under an `if`."""
    tree = parsed(code)
    return tree is not None and bool(definitions(tree, name))


def is_stub(statement: ast.stmt) -> bool:
    """Whether a definition leaves out what it is to do: `...`, `pass`, or NotImplementedError."""
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
    """The names that `code` uses and neither defines nor finds among the builtins. Empty if not Python."""
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
    """What the functions and classes in a scope take from the module."""
    names: set[str] = set()
    for child in table.get_children():
        names |= {s.get_name() for s in child.get_symbols() if s.is_global() and s.is_referenced()}
        names |= _globals(child)
    return names
