"""Everything that can be known to be wrong with a workflow before a model call is paid for."""

from __future__ import annotations

import ast

from engine.diagnostics import Diagnostic
from engine.formats.aflow import foreign_imports
from engine.formats.catalog import format_of
from engine.operators.specs import OperatorSet
from engine.source import parse
from engine.workflows.awaits import missing_awaits
from engine.workflows.calls import check_calls
from engine.workflows.flow import check_returns
from engine.workflows.names import undefined_names, undefined_prompts
from engine.workflows.operators import operators_of
from engine.workflows.results import check_habits, check_results
from engine.workflows.structure import check_structure
from engine.workflows.tree import call_method, parents

MAX_DIAGNOSTICS = 200


def lint(code: str, prompts: str, operator_set: OperatorSet) -> list[Diagnostic]:
    """Diagnostics in the order of their lines, at most `MAX_DIAGNOSTICS`; [] where nothing is wrong. Code
    that does not parse has just the diagnostics that say so.
    """
    graph, texts = parse(code), parse(prompts, what="prompt")
    found = [d for d in (texts.problem, graph.problem) if d is not None]
    if graph.tree is None:
        return found
    if texts.tree is not None:
        found += undefined_prompts(graph.tree, texts.tree)
    found += lint_tree(code, graph.tree, operator_set)
    # Errors first where there are too many to report: a warning must not push one out.
    unique = sorted(dict.fromkeys(found), key=lambda d: d.severity)[:MAX_DIAGNOSTICS]
    return sorted(unique, key=lambda d: (d.line or 0, d.severity, d.code))


def lint_tree(code: str, tree: ast.Module, operator_set: OperatorSet) -> list[Diagnostic]:
    """The diagnostics of every check of code that parses, without those of prompts, in no order."""
    operators = operators_of(tree, operator_set)
    found = check_structure(tree)
    found += undefined_names(code, tree)
    found += format_of(tree).notes(tree)
    found += foreign_imports(tree)
    found += check_calls(tree, operators)
    found += [diagnostic for _, diagnostic in missing_awaits(tree, operators, parents(tree))]
    found += check_results(tree, operators)
    found += check_habits(tree)
    call = call_method(tree)
    return found + (check_returns(call) if call is not None else [])
