"""Whether the workflow's class and its `__call__` have a shape that the runner can call."""

from __future__ import annotations

import ast

from engine.diagnostics import Diagnostic, error
from engine.formats.catalog import entry_of, format_of
from engine.formats.format import Format
from engine.workflows.tree import FunctionNode, methods, walk_scope, workflow_classes


def check_structure(tree: ast.Module) -> list[Diagnostic]:
    """Diagnostics of the class, its methods' signatures, and code that parses but that the compiler
    refuses.
    """
    found = _misplaced(tree)
    fmt = format_of(tree)
    if fmt.agents:
        entry = entry_of(tree, fmt)
        return found + (_check_generator(entry) if entry is not None else [])
    classes = workflow_classes(tree)
    if not classes:
        others = [n for n in tree.body if isinstance(n, ast.ClassDef)]
        fix = f"Rename class {others[0].name} to Workflow" if others else "Write class Workflow with __call__"
        return [*found, error("no-workflow", "there is no class Workflow", None, fix)]
    if len(classes) > 1:
        message = f"class Workflow is defined {len(classes)} times"
        found.append(error("two-workflows", message, classes[1].lineno, "Keep one"))
    cls = classes[-1]
    calls = [n for n in cls.body if isinstance(n, FunctionNode) and n.name == fmt.entry]
    if not calls:
        fix = "Write async def __call__(self, problem, entry_point)"
        return [*found, error("no-call", "class Workflow has no __call__ method", cls.lineno, fix)]
    if len(calls) > 1:
        found.append(error("two-calls", f"{fmt.entry} is defined twice", calls[1].lineno, "Keep one"))
    found += _check_call(calls[-1], fmt)
    if init := methods(cls).get("__init__"):
        found += _check_init(init, fmt)
    return found


def nested_call(call: FunctionNode) -> FunctionNode | None:
    """The `__call__` that is the whole body of `call`, but for a docstring; None where there is none."""
    body = [n for n in call.body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    inner = body[0] if len(body) == 1 else None
    return inner if isinstance(inner, FunctionNode) and inner.name == "__call__" else None


def _check_call(call: FunctionNode, fmt: Format) -> list[Diagnostic]:
    found: list[Diagnostic] = []
    if inner := nested_call(call):
        message = "__call__ only defines another __call__ and returns None"
        found.append(error("nested-call", message, inner.lineno, "Remove the outer def"))
        call = inner
    name = call.name
    if isinstance(call, ast.FunctionDef):
        found.append(error("call-not-async", f"{name} is not async", call.lineno, f"Write async def {name}"))
    found += _check_generator(call)
    if not (call.args.posonlyargs or call.args.args or call.args.vararg):
        found.append(error("call-without-self", f"{name} takes no self", call.lineno, "Add self"))
    for parameter in _required(call):
        if parameter not in fmt.call_parameters:
            message = f"{name} requires '{parameter}', which nobody passes"
            found.append(error("call-parameter", message, call.lineno, _may_take(fmt.call_parameters)))
    if call.args.posonlyargs[1:]:
        message = f"{name} has positional-only parameters; arguments are passed by name"
        found.append(error("call-parameter", message, call.lineno, "Remove the /"))
    return found


def _check_generator(call: FunctionNode) -> list[Diagnostic]:
    if not any(isinstance(n, ast.Yield | ast.YieldFrom) for n in walk_scope(call)):
        return []
    message = f"{call.name} is a generator"
    return [error("call-yields", message, call.lineno, "Return the answer instead of yielding")]


def _may_take(parameters: tuple[str, ...]) -> str:
    return f"It may take {', '.join(parameters)}" if parameters else "It takes self only"


def _check_init(init: FunctionNode, fmt: Format) -> list[Diagnostic]:
    return [
        error(
            "init-parameter",
            f"__init__ requires '{p}', which nobody passes",
            init.lineno,
            _may_take(fmt.init_parameters),
        )
        for p in _required(init)
        if p not in fmt.init_parameters
    ]


def _required(function: FunctionNode) -> list[str]:
    """Parameters without a default, self aside."""
    args = function.args
    positional = [*args.posonlyargs, *args.args]
    without = positional[: len(positional) - len(args.defaults)] if args.defaults else positional
    keyword = [a for a, default in zip(args.kwonlyargs, args.kw_defaults, strict=True) if default is None]
    return [a.arg for a in [*without[1:], *keyword]]


def _misplaced(tree: ast.Module) -> list[Diagnostic]:
    """Syntax errors that only compiling would find; the code is never compiled here."""
    found: list[Diagnostic] = []
    _misplaced_in(tree, found, function=None, loop=False)
    return found


def _misplaced_in(node: ast.AST, found: list[Diagnostic], *, function: ast.AST | None, loop: bool) -> None:
    for child in ast.iter_child_nodes(node):
        inner_function, inner_loop = function, loop
        if isinstance(child, FunctionNode | ast.Lambda):
            inner_function, inner_loop = child, False
        elif isinstance(child, ast.ClassDef):
            inner_function, inner_loop = None, False
        elif isinstance(child, ast.For | ast.AsyncFor | ast.While):
            inner_loop = True
        elif message := _refused(child, function, loop):
            found.append(error("graph-syntax", f"the graph is not valid Python ({message})", child.lineno))  # type: ignore[attr-defined]
        _misplaced_in(child, found, function=inner_function, loop=inner_loop)


def _refused(node: ast.AST, function: ast.AST | None, loop: bool) -> str | None:
    if isinstance(node, ast.Break | ast.Continue) and not loop:
        return f"'{type(node).__name__.lower()}' outside loop"
    if isinstance(node, ast.Return) and not isinstance(function, FunctionNode):
        return "'return' outside function"
    if isinstance(node, ast.Yield | ast.YieldFrom) and function is None:
        return "'yield' outside function"
    if isinstance(node, ast.Await | ast.AsyncWith) and not isinstance(function, ast.AsyncFunctionDef):
        return "'await' outside async function"
    return None
