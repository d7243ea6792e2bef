"""Repairs of workflows that parse: edits of the text at places the syntax tree names.

Each repair takes the code, its tree and the operator set, and returns (the new code, what was repaired).
"""

from __future__ import annotations

import ast
import re

from engine.diagnostics import Repair
from engine.operators.specs import OperatorSet, OperatorSpec
from engine.workflows.awaits import enclosing_function, missing_awaits
from engine.workflows.calls import surplus_extras
from engine.workflows.edits import Edit, Positions, in_formatted_string, overlapping
from engine.workflows.names import undefined_names
from engine.workflows.operators import operators_of
from engine.workflows.tree import call_method, parents

# Modules a workflow may use without importing them. Short common words (`code`, `token`, `test`) are
# left out although modules of that name exist: they are far likelier to be forgotten variables.
IMPORTABLE = frozenset(
    {
        "ast", "asyncio", "bisect", "collections", "copy", "datetime", "difflib", "functools",
        "hashlib", "heapq", "inspect", "itertools", "json", "logging", "math", "os", "random", "re",
        "statistics", "sys", "textwrap", "time", "traceback", "typing", "uuid"
    }
)  # fmt: skip
_COMMA = re.compile(rb"\s*,")
_Fixed = tuple[str, list[Repair]]


def add_awaits(code: str, tree: ast.Module, operator_set: OperatorSet) -> _Fixed:
    """Put `await` before lost operator calls that are a statement or the value of one."""
    above = parents(tree)
    positions = Positions(code)
    edits: list[Edit] = []
    repairs: list[Repair] = []
    for call, _ in missing_awaits(tree, operators_of(tree, operator_set), above):
        if not _in_statement_position(call, above) or in_formatted_string(call, above):
            continue
        primary = isinstance(above[call], ast.Subscript | ast.Attribute)
        start, end = positions.start(call), positions.end(call)
        edits.append(Edit(start, start, "(await " if primary else "await "))
        edits += [Edit(end, end, ")")] if primary else []
        repairs.append(Repair("missing-await", f"added await before {ast.unparse(call.func)}", call.lineno))
    return positions.apply(edits), repairs


def _in_statement_position(call: ast.Call, above: dict[ast.AST, ast.AST]) -> bool:
    node: ast.AST = call
    while isinstance(above[node], ast.Subscript | ast.Attribute) or (
        isinstance(parent := above[node], ast.Call) and parent.func is node
    ):
        node = above[node]
    parent = above[node]
    if isinstance(parent, ast.Tuple) and isinstance(above[parent], ast.Return):
        parent = above[parent]
    statement = isinstance(parent, ast.Expr | ast.Assign | ast.AnnAssign | ast.Return)
    return statement and isinstance(enclosing_function(call, above), ast.AsyncFunctionDef)


def move_extras(code: str, tree: ast.Module, operator_set: OperatorSet) -> _Fixed:
    """Append text that is passed under a name the operator does not have to the operator's input."""
    operators = operators_of(tree, operator_set)
    above = parents(tree)
    positions = Positions(code)
    edits: list[Edit] = []
    repairs: list[Repair] = []
    for call in ast.walk(tree):
        spec = operators.spec(call)
        if spec is None or not isinstance(call, ast.Call) or in_formatted_string(call, above):
            continue
        extras = surplus_extras(call, spec)
        moves = _moved(call, spec, extras, positions) if extras else []
        if moves and not overlapping([*edits, *moves]):
            edits += moves
            names = ", ".join(f"{k.arg}=" for k in extras)
            message = f"appended {names} to {_target(spec)}=, since {spec.attribute} has no such argument"
            repairs.append(Repair("unknown-argument", message, extras[0].value.lineno))
    return positions.apply(edits), repairs


def _target(spec: OperatorSpec) -> str:
    names = [p.name for p in spec.parameters]
    return next((n for n in ("problem", "input") if n in names), names[0] if names else "input")


def _moved(call: ast.Call, spec: OperatorSpec, extras: list[ast.keyword], positions: Positions) -> list[Edit]:
    target = _target(spec)
    index = next((i for i, p in enumerate(spec.parameters) if p.name == target), 0)
    if any(isinstance(a, ast.Starred) for a in call.args):
        return []
    argument = next((k.value for k in call.keywords if k.arg == target), None)
    if argument is None and index < len(call.args):
        argument = call.args[index]
    texts = [f"str({positions.text(k.value)})" for k in extras]
    if argument is None:  # the first of them takes the place of the missing argument
        first, rest = extras[0], extras[1:]
        value = texts[0] if not rest else f'"\\n\\n".join([{", ".join(texts)}])'
        replaced = Edit(positions.start(first), positions.end(first), f"{target}={value}")
        return [replaced, *(_removed(k, positions) for k in rest)]
    value = f'"\\n\\n".join([{", ".join([positions.text(argument), *texts])}])'
    replaced = Edit(positions.start(argument), positions.end(argument), value)
    return [replaced, *(_removed(k, positions) for k in extras)]


def _removed(argument: ast.keyword, positions: Positions) -> Edit:
    end = positions.end(argument)
    comma = _COMMA.match(positions.data, end)
    return Edit(positions.start(argument), comma.end() if comma else end, "")


def bind_entry_point(code: str, tree: ast.Module, operator_set: OperatorSet) -> _Fixed:
    """Make `entry_point`, where it is used but undefined, a parameter of `__call__`; the runner passes it."""
    call = call_method(tree)
    lost = next((d for d in undefined_names(code, tree) if "'entry_point'" in d.message), None)
    if (
        call is None
        or call.name != "__call__"
        or lost is None
        or len(call.args.posonlyargs + call.args.args) <= len(call.args.defaults)
    ):
        return code, []
    if not any(isinstance(n, ast.Name) and n.id == "entry_point" for n in ast.walk(call)):
        return code, []
    positions = Positions(code)
    positional = [*call.args.posonlyargs, *call.args.args]
    end = positions.end(positional[len(positional) - len(call.args.defaults) - 1])
    edit = Edit(end, end, ", entry_point=None")
    message = "added entry_point, which the workflow uses, to the parameters of __call__"
    return positions.apply([edit]), [Repair("entry-point", message, lost.line)]


def add_imports(code: str, tree: ast.Module, operator_set: OperatorSet) -> _Fixed:
    """Import standard modules that are used like modules, on one new line at the top."""
    missing = {
        d.message.split("'")[1]: d.line for d in undefined_names(code, tree) if d.code == "undefined-name"
    }
    bases = {
        n.value.id for n in ast.walk(tree) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)
    }
    names = sorted(name for name in missing if name in IMPORTABLE and name in bases)
    if not names:
        return code, []
    after = 0
    for node in tree.body:  # a docstring and __future__ imports have to stay first
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        after = node.end_lineno or after
    lines = code.split("\n")
    lines.insert(after, f"import {', '.join(names)}")
    repairs = [Repair("missing-import", f"added import {name}", missing[name]) for name in names]
    return "\n".join(lines), repairs
