"""Whether calls on `self` fit the operators of the set."""

from __future__ import annotations

import ast
from difflib import get_close_matches

from engine.diagnostics import Diagnostic, error, warning
from engine.operators.specs import OperatorSpec
from engine.workflows.operators import Operators, has_open_attributes
from engine.workflows.tree import self_attribute, workflow_class


def check_calls(tree: ast.Module, operators: Operators) -> list[Diagnostic]:
    """Diagnostics of unknown operators and attributes, and of arguments that do not fit."""
    cls = workflow_class(tree)
    if cls is None:
        return []
    found: list[Diagnostic] = []
    called: set[ast.AST] = set()
    for node in ast.walk(cls):
        if isinstance(node, ast.Call):
            called.add(node.func)
            if spec := operators.spec(node):
                found += _other_name(node, spec, operators) + check_arguments(node, spec)
            found += _part_of_operator(node, operators)
    found += _unknown_classes(operators, cls)
    if not has_open_attributes(tree, cls):
        for node in ast.walk(cls):
            name = self_attribute(node)
            if name is not None and not operators.known(name):
                found.append(_unknown(name, node, node in called, operators))
    return found


def _other_name(call: ast.Call, spec: OperatorSpec, operators: Operators) -> list[Diagnostic]:
    """A warning where an operator is called by another name than the set's or the constructor's."""
    name = self_attribute(call.func)
    if name not in spec.also or name in operators.aliases:
        return []
    text = f"self.{name} is read as self.{spec.attribute}"
    return [warning("other-name", text, call.lineno, f"Write self.{spec.attribute}")]


def _part_of_operator(call: ast.Call, operators: Operators) -> list[Diagnostic]:
    """`self.sc_ensemble.sc_ensemble(…)`: an operator is called itself and has no methods."""
    function = call.func
    if not isinstance(function, ast.Attribute) or (name := self_attribute(function.value)) is None:
        return []
    if name not in operators.specs or (function.attr.startswith("__") and function.attr.endswith("__")):
        return []
    text = f"self.{name} is an operator and has no method {function.attr}"
    return [error("operator-method", text, call.lineno, f"Call self.{name}(…) itself")]


def _unknown_classes(operators: Operators, cls: ast.ClassDef) -> list[Diagnostic]:
    names = sorted({spec.name for spec in operators.specs.values()})
    found: list[Diagnostic] = []
    for attribute, name in operators.aliases.items():
        if attribute in operators.specs:
            continue
        near = get_close_matches(name, names, 1, 0.5)
        fix = f"Did you mean operator.{near[0]}?" if near else f"There are {', '.join(names)}"
        found.append(error("unknown-operator", f"there is no operator.{name}", _line_of(cls, name), fix))
    return found


def _line_of(cls: ast.ClassDef, name: str) -> int:
    uses = [n.lineno for n in ast.walk(cls) if isinstance(n, ast.Attribute) and n.attr == name]
    return min(uses, default=cls.lineno)


def _unknown(name: str, node: ast.AST, called: bool, operators: Operators) -> Diagnostic:
    names = sorted(set(operators.specs) | operators.methods)
    near = get_close_matches(name, names, 1, 0.5)
    if called:
        fix = f"Did you mean self.{near[0]}?" if near else f"There are {', '.join(sorted(operators.specs))}"
        return error(
            "unknown-operator", f"there is no operator self.{name}", getattr(node, "lineno", None), fix
        )
    fix = f"Did you mean self.{near[0]}?" if near else "Assign it before it is used"
    return error("unknown-attribute", f"self.{name} is never assigned", getattr(node, "lineno", None), fix)


def surplus_extras(call: ast.Call, spec: OperatorSpec) -> list[ast.keyword]:
    """Keywords of a call that the operator does not have, but that workflows are known to pass."""
    names = {p.name for p in spec.parameters}
    return [k for k in call.keywords if k.arg is not None and k.arg in spec.extras and k.arg not in names]


def check_arguments(call: ast.Call, spec: OperatorSpec) -> list[Diagnostic]:
    """Diagnostics of arguments that Python could not bind to the operator's parameters."""
    names = [p.name for p in spec.parameters]
    takes = f"It takes {', '.join(map(str, spec.parameters)) or 'no arguments'}"
    extras = surplus_extras(call, spec)
    found: list[Diagnostic] = []
    for keyword in call.keywords:
        if keyword.arg is None or keyword.arg in names:
            continue
        if (name := spec.other_names.get(keyword.arg)) is not None:
            text = f"{spec.attribute} is given '{keyword.arg}', which is read as '{name}'"
            found.append(warning("other-name", text, keyword.value.lineno, f"Write {name}="))
            continue
        near = get_close_matches(keyword.arg, names, 1, 0.6)
        fix = f"Did you mean {near[0]}=?" if near and keyword not in extras else takes
        if keyword.arg in spec.bound:
            fix = f"Leave it out: {spec.attribute} knows the {keyword.arg} already"
        message = f"{spec.attribute} takes no argument '{keyword.arg}'"
        found.append(error("unknown-argument", message, keyword.value.lineno, fix))
    if any(isinstance(a, ast.Starred) for a in call.args):
        return found
    if len(call.args) > len(names):
        message = f"{spec.attribute} takes {len(names)} arguments but gets {len(call.args)}"
        found.append(error("too-many-arguments", message, call.lineno, takes))
    bound = set(names[: len(call.args)])
    for keyword in call.keywords:
        name = spec.other_names.get(keyword.arg, keyword.arg) if keyword.arg else None
        if name in bound:
            message = f"{spec.attribute} gets '{name}' twice"
            found.append(error("repeated-argument", message, keyword.value.lineno, "Pass it once"))
        elif name is not None:
            bound.add(name)
    if any(k.arg is None for k in call.keywords):
        return found
    missing = [p.name for p in spec.parameters if p.required and p.name not in bound]
    if missing:
        listed = ", ".join(f"'{m}'" for m in missing)
        found.append(error("missing-argument", f"{spec.attribute} needs {listed}", call.lineno, takes))
    return found
