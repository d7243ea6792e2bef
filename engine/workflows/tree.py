"""Finding things in a workflow's syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from engine.formats.catalog import entry_of

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def workflow_classes(tree: ast.Module) -> list[ast.ClassDef]:
    """The module's classes called `Workflow`, in order; a workflow should have one."""
    return [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Workflow"]


def workflow_class(tree: ast.Module) -> ast.ClassDef | None:
    """The last class called `Workflow`, which is the one that Python would use; None where there is none."""
    classes = workflow_classes(tree)
    return classes[-1] if classes else None


def methods(cls: ast.ClassDef) -> dict[str, FunctionNode]:
    """The methods of a class by name; of several with one name the last."""
    return {node.name: node for node in cls.body if isinstance(node, FunctionNode)}


def call_method(tree: ast.Module) -> FunctionNode | None:
    """The function that is run: `__call__`, or what the workflow's format has in its place; None without
    one.
    """
    return entry_of(tree)


def walk_scope(node: ast.AST) -> Iterator[ast.AST]:
    """Everything below `node` in source order, without entering nested functions, lambdas or classes."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, FunctionNode | ast.Lambda | ast.ClassDef):
            yield from walk_scope(child)


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    """Every node below `tree` with its parent."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def self_attribute(node: ast.AST) -> str | None:
    """`x` where `node` is `self.x`, else None."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self":
        return node.attr
    return None


def bound_names(tree: ast.Module) -> set[str]:
    """The names that statements of the module's own scope assign, define or import."""
    names: set[str] = set()
    for node in walk_scope(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, FunctionNode | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
    return names


def operator_aliases(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """The attributes that an AFlow-style `__init__` makes: `self.x = operator.Name(...)` gives {x: Name}."""
    aliases: dict[str, str] = {}
    for node in nodes:
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        constructor = node.value.func
        if (
            isinstance(constructor, ast.Attribute)
            and isinstance(constructor.value, ast.Name)
            and constructor.value.id in ("operator", "operators")
        ):
            aliases |= {name: constructor.attr for target in node.targets if (name := self_attribute(target))}
    return aliases
