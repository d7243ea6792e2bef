"""A workflow as a Python module, the way AFlow lays it out: imports, the class, prompts in a sibling file."""

from __future__ import annotations

import ast

from engine.source import parse

# Marks an import line that is not carried out.
BOUND = "# bound by the runner"

# Names the runner binds in a workflow's module. All but `prompt_custom` are what AFlow's file header
# imports, and are there so that files written for AFlow run.
PROVIDED_NAMES = frozenset(
    {"prompt_custom", "operator", "operators", "create_llm_instance", "create", "CostManager"}
    | {"DatasetType", "Literal", "logger"}
)
# Stays importable in the sandbox, so its import is left alone.
_STANDARD = frozenset({"typing"})


def without_provided_imports(code: str, names: frozenset[str] = PROVIDED_NAMES) -> str:
    """`code` with imports of `names`, which the runner binds itself, turned into comments.

    AFlow's headers import `operator`, `prompt_custom` and others from packages that do not exist in the
    sandbox. Line numbers are kept. Code that does not parse is returned as it is.
    """
    tree = parse(code).tree
    if tree is None:
        return code
    lines = code.split("\n")
    for node in tree.body:
        if _provided(node, names) and node.end_lineno is not None and _alone(node, tree):
            for i in range(node.lineno - 1, node.end_lineno):
                lines[i] = f"{BOUND}: {lines[i]}"
    return "\n".join(lines)


def _provided(node: ast.stmt, names: frozenset[str]) -> bool:
    if not isinstance(node, ast.Import | ast.ImportFrom):
        return False
    if isinstance(node, ast.ImportFrom) and node.module in _STANDARD and node.level == 0:
        return False
    if isinstance(node, ast.Import) and any(a.name == "operator" and a.asname is None for a in node.names):
        return False  # the standard library's operator module
    return all((alias.asname or alias.name) in names for alias in node.names)


def _alone(node: ast.stmt, tree: ast.Module) -> bool:
    """Whether no other statement shares the lines of `node`."""
    return not any(
        other is not node
        and other.lineno <= (node.end_lineno or node.lineno)
        and node.lineno <= (other.end_lineno or 0)
        for other in tree.body
    )
