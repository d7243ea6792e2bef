"""AFlow: class Workflow with a wiring constructor, prompts in `prompt.py`, imports of its own packages.

Standalone AFlow and the copy in MetaGPT (which FlowReasoner's release uses) differ in their imports
and in where the cost is read from. Both run as they are: their imports are bound by the runner. Their
prompts are written for operators that put nothing between an instruction and its input.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.diagnostics import Diagnostic, error
from engine.formats.format import Format, class_methods, parameter_names
from engine.formats.module import BOUND, PROVIDED_NAMES

AFLOW = Format(name="aflow", title="AFlow", sets=("paper", "aflow"), separator="")
METAGPT = Format(name="aflow-metagpt", title="AFlow in MetaGPT", sets=("paper", "aflow"), separator="")

# An import that was turned into a comment when the workflow was first read.
_BOUND_IMPORT = re.compile(rf"^{BOUND}: (?:from|import) ([\w.]+)", re.MULTILINE)
_STANDALONE = ("scripts", "workspace")
_METAGPT = ("metagpt", "examples")
# Packages that exist in the projects' own trees only.
PACKAGES = frozenset({*_STANDALONE, *_METAGPT, "maas", "ScoreFlow"})


def layout(code: str, tree: ast.Module) -> Format | None:
    """The layout that the imports belong to, those included that the runner binds; AFlow's where there are
    none, and the constructor takes its `llm_config`. None for any other code.
    """
    modules = [module for _, module in _imports(tree)] + _BOUND_IMPORT.findall(code)
    roots = {module.split(".")[0] for module in modules}
    if roots & set(_METAGPT):
        return METAGPT
    init = class_methods(tree).get("__init__")
    made = parameter_names(init) if init is not None else []
    return AFLOW if roots & set(_STANDALONE) or "llm_config" in made else None


def foreign_imports(tree: ast.Module) -> list[Diagnostic]:
    """Errors for imports from the projects' packages that the runner does not provide."""
    return [
        error(
            "foreign-import",
            f"the import from {module} cannot be resolved here",
            node.lineno,
            f"Remove it; the runner provides {', '.join(sorted(PROVIDED_NAMES))}",
        )
        for node, module in _imports(tree)
        if module.split(".")[0] in PACKAGES
    ]


def _imports(tree: ast.Module) -> Iterator[tuple[ast.Import | ast.ImportFrom, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node, node.module
