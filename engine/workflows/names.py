"""Names a workflow uses but nothing binds, found before a call is paid for."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from difflib import get_close_matches

from engine.formats.findings import Diagnostic, error
from engine.formats.module import PROVIDED_NAMES
from engine.workflows.tree import CALL_PARAMETERS, bound_names, call_method

BUILTIN_NAMES = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__class__", "__annotations__"}
# Modules of the standard library that an `import` line can be added for.
STANDARD_MODULES = frozenset(name for name in sys.stdlib_module_names if not name.startswith("_"))


def undefined_names(code: str, tree: ast.Module) -> list[Diagnostic]:
    """One diagnostic a name; `symtable` resolves scopes exactly as the compiler does."""
    try:
        table = symtable.symtable(code, "workflow", "exec")
    except SyntaxError as failure:  # what only the compiler's first pass sees: a misplaced nonlocal
        return [error("graph-syntax", f"the graph is not valid Python ({failure.msg})", failure.lineno)]
    if any(
        alias.name == "*"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    ):
        return []
    known = BUILTIN_NAMES | PROVIDED_NAMES | _module_names(table)
    lines: dict[str, int] = {}
    for name, lineno in _globals_used(table):
        if name not in known:
            line = _line_of(tree, name, lineno)
            lines[name] = min(line, lines.get(name, line))
    parameters = _call_parameters(tree)
    names = sorted(known | parameters)
    return [_undefined(name, line, names) for name, line in sorted(lines.items(), key=lambda item: item[1])]


def _module_names(table: symtable.SymbolTable) -> set[str]:
    """Names bound at module level, there or through a `global` statement."""
    names = {
        s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    for child in _descendants(table):
        names |= {s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return names


def _globals_used(table: symtable.SymbolTable) -> Iterator[tuple[str, int]]:
    """Names read as globals, each with the line its scope begins on."""
    for scope in (table, *_descendants(table)):
        top = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or top):
                yield symbol.get_name(), scope.get_lineno()


def _descendants(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _descendants(child)


def _line_of(tree: ast.Module, name: str, scope_line: int) -> int:
    """The first use of `name` at or below the start of a scope that reads it as a global."""
    uses = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id == name]
    return min((line for line in uses if line >= scope_line), default=scope_line)


def _call_parameters(tree: ast.Module) -> set[str]:
    call = call_method(tree)
    if call is None:
        return set()
    local = {n.id for n in ast.walk(call) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return local | {a.arg for a in ast.walk(call) if isinstance(a, ast.arg)}


def _undefined(name: str, line: int, known: list[str]) -> Diagnostic:
    message = f"name '{name}' is not defined"
    if name in CALL_PARAMETERS:
        fix = f"Add {name} to the parameters of __call__"
    elif name in STANDARD_MODULES:
        fix = f"Add `import {name}` at the top"
    elif near := get_close_matches(name, known, 1, 0.75):
        fix = f"Did you mean {near[0]}?"
    else:
        fix = "Assign it before it is used"
    return error("undefined-name", message, line, fix)


def undefined_prompts(tree: ast.Module, prompts: ast.Module) -> list[Diagnostic]:
    """`prompt_custom.X` for which the prompts define no X: the commonest fault of generated workflows."""
    if "prompt_custom" in bound_names(tree):
        return []  # the workflow brings its own
    defined = bound_names(prompts)
    uses = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "prompt_custom"
        and not node.attr.startswith("__")
    ]
    defined |= {node.attr for node in uses if isinstance(node.ctx, ast.Store)}
    found: dict[str, Diagnostic] = {}
    for node in sorted(uses, key=lambda n: (n.lineno, n.col_offset)):
        if node.attr in defined or node.attr in found:
            continue
        near = get_close_matches(node.attr, sorted(defined), 1, 0.6)
        fix = f"Did you mean prompt_custom.{near[0]}?" if near else f"Define {node.attr} in <prompt>"
        found[node.attr] = error(
            "undefined-prompt", f"prompt_custom.{node.attr} is not among the prompts", node.lineno, fix
        )
    return list(found.values())
