"""How complex a workflow is, as one number.

FlowReasoner's reward includes complexity, which its paper gives no formula for. This one is like cyclomatic
complexity, with operator calls counted too, since each is a model call or a test run:

    1 for the workflow
    + 1 for each call on `self` (operators and helper methods)
    + 1 for each branch: if, elif, conditional expression, match case, except handler
    + 1 for each loop: for, while, and each `for` of a comprehension; + 1 for each `if` of one
    + 1 for each further operand of `and` or `or`
"""

from __future__ import annotations

import ast

from engine.source import parse
from engine.workflows.tree import self_attribute

_BRANCHES = (ast.If, ast.IfExp, ast.match_case, ast.ExceptHandler)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


def complexity(code: str) -> int:
    """The sum above, at least 1; 0 where the code does not parse."""
    tree = parse(code).tree
    return 0 if tree is None else 1 + sum(_weight(node) for node in ast.walk(tree))


def _weight(node: ast.AST) -> int:
    match node:
        case ast.Call():
            return int(self_attribute(node.func) is not None)
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.BoolOp():
            return len(node.values) - 1
        case _:
            return int(isinstance(node, _BRANCHES + _LOOPS))
