"""Names that a workflow uses and nothing binds, found before a model call is paid for."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from typing import get_args

from engine.diagnostics import Diagnostic, error, warning
from engine.formats.catalog import format_of
from engine.formats.format import Format
from engine.formats.module import PROVIDED_NAMES
from engine.operators.specs import RUN_INPUTS
from engine.workflows.tree import FunctionNode, bound_names, call_method

BUILTIN_NAMES = frozenset(dir(builtins)) | {"__file__", "__name__", "__doc__", "__class__", "__annotations__"}
# Each name that is reported costs a search among the names it may have meant.
MAX_NAMES = 50
MAX_CHOICES = 1_000
_SCOPES = (*get_args(FunctionNode), ast.Lambda, ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)
# For the hint to import one.
STANDARD_MODULES = frozenset(name for name in sys.stdlib_module_names if not name.startswith("_"))


def undefined_names(code: str, tree: ast.Module) -> list[Diagnostic]:
    """One diagnostic for each undefined name, at most `MAX_NAMES`, at the line of its first use: an error
    unless only a branch reads it.

    `symtable` resolves scopes exactly as the compiler does. [] where the code has an `import *`, since
    anything may be defined then.
    """
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
    fmt = format_of(tree)
    defined = BUILTIN_NAMES | PROVIDED_NAMES | fmt.names | _module_names(table)
    undefined = {name for name in _globals_used(table) if name not in defined}
    if not undefined:
        return []
    lines: dict[str, int] = {}
    _find_first_uses(tree, undefined, lines)
    choices = sorted(defined | _names_in_call(tree))[:MAX_CHOICES]
    ordered = sorted((lines.get(name, 1), name) for name in undefined)[:MAX_NAMES]
    sure = _surely_used(tree, undefined)
    return [_undefined(name, line, choices, fmt, sure=name in sure) for line, name in ordered]


def _module_names(table: symtable.SymbolTable) -> set[str]:
    """Names bound at module level, there or through a `global` statement."""
    names = {
        s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    for child in _descendants(table):
        names |= {s.get_name() for s in child.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return names


def _globals_used(table: symtable.SymbolTable) -> Iterator[str]:
    """Names that some scope reads as globals."""
    for scope in (table, *_descendants(table)):
        top = scope.get_type() == "module"
        for symbol in scope.get_symbols():
            if symbol.is_referenced() and (symbol.is_global() or top):
                yield symbol.get_name()


def _descendants(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from _descendants(child)


def _find_first_uses(node: ast.AST, wanted: set[str], lines: dict[str, int]) -> None:
    """The first line that reads each name where no scope around it binds that name."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Load) and child.id in wanted:
            lines[child.id] = min(child.lineno, lines.get(child.id, child.lineno))
        free = wanted - _bound_by(child) if wanted and isinstance(child, _SCOPES) else wanted
        _find_first_uses(child, free, lines)


def _surely_used(node: ast.AST, wanted: set[str]) -> set[str]:
    """Those that are read whichever branches are taken, as far as statements alone tell."""
    if isinstance(node, ast.Name):
        return {node.id} & wanted if isinstance(node.ctx, ast.Load) else set()
    if isinstance(node, _SCOPES):
        wanted = wanted - _bound_by(node)
    found: set[str] = set()
    for part in _certain_parts(node):
        found |= _surely_used(part, wanted)
    return found


def _certain_parts(node: ast.AST) -> Iterator[ast.AST]:
    """The parts of a node that are evaluated whenever it is."""
    match node:
        case ast.While(test=ast.Constant(value=True)):
            yield from _until_left([*node.body])
        case ast.If() | ast.While() | ast.IfExp():
            yield node.test
        case ast.BoolOp():
            yield node.values[0]
        case ast.Match():
            yield node.subject
        case ast.Try() | ast.TryStar():
            yield from _until_left([*node.body])
        case _:
            for _, value in ast.iter_fields(node):
                parts = [v for v in value if isinstance(v, ast.AST)] if isinstance(value, list) else [value]
                yield from _until_left([p for p in parts if isinstance(p, ast.AST)])


def _until_left(parts: list[ast.AST]) -> Iterator[ast.AST]:
    """The parts up to the first after which a block may have been left."""
    for part in parts:
        yield part
        if isinstance(part, ast.If | ast.While | ast.For | ast.AsyncFor | ast.Try | ast.Match) and any(
            isinstance(n, ast.Return | ast.Break | ast.Continue | ast.Raise) for n in ast.walk(part)
        ):
            return


def _bound_by(scope: ast.AST) -> set[str]:
    """Names a scope binds, those of scopes inside it left out."""
    names: set[str] = set()
    for child in ast.iter_child_nodes(scope):
        if isinstance(child, ast.arg):
            names.add(child.arg)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.add(child.id)
        if not isinstance(child, _SCOPES):
            names |= _bound_by(child)
    return names


def _names_in_call(tree: ast.Module) -> set[str]:
    """What a misspelt name may have meant."""
    call = call_method(tree)
    return set() if call is None else _bound_by(call)


def _undefined(name: str, line: int, choices: list[str], fmt: Format, *, sure: bool) -> Diagnostic:
    """An error where the name is read for sure; a workflow may do without one that only a branch reads."""
    message = f"name '{name}' is not defined"
    if name in RUN_INPUTS and name in fmt.call_parameters:
        fix = f"Add {name} to the parameters of {fmt.entry}"
    elif name in STANDARD_MODULES:
        fix = f"Add `import {name}` at the top"
    elif near := get_close_matches(name, choices, 1, 0.75):
        fix = f"Did you mean {near[0]}?"
    else:
        fix = "Assign it before it is used"
    if sure:
        return error("undefined-name", message, line, fix)
    return warning("undefined-name", f"{message}, and the branch that reads it fails", line, fix)


def undefined_prompts(tree: ast.Module, prompts: ast.Module) -> list[Diagnostic]:
    """A diagnostic for each `prompt_custom.X` whose X the prompts do not define, which is the commonest fault
    of generated workflows.
    """
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
    choices = sorted(defined)[:MAX_CHOICES]
    found: dict[str, Diagnostic] = {}
    for node in sorted(uses, key=lambda n: (n.lineno, n.col_offset)):
        if node.attr in defined or node.attr in found or len(found) == MAX_NAMES:
            continue
        near = get_close_matches(node.attr, choices, 1, 0.6)
        fix = f"Did you mean prompt_custom.{near[0]}?" if near else f"Define {node.attr} in <prompt>"
        found[node.attr] = error(
            "undefined-prompt", f"prompt_custom.{node.attr} is not among the prompts", node.lineno, fix
        )
    return list(found.values())
