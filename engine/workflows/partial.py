"""The operator graph of source that is still being written."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from engine.formats.figure import as_class
from engine.formats.lexing import Layout, LogicalLine, layout
from engine.operators.specs import OperatorSet
from engine.source import MAX_SOURCE_BYTES, parse
from engine.workflows.graph import WorkflowGraph
from engine.workflows.graph_walk import operator_graph

# Each attempt parses the text once more; the first or second nearly always fits.
MAX_ATTEMPTS = 4
_OPENING = re.compile(r"([A-Za-z]*)(\"{3}|'{3}|[\"'])")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


def partial_graph(code_prefix: str, operator_set: OperatorSet) -> WorkflowGraph:
    """The graph of as much of `code_prefix` as parses; empty where nothing does. Called many times a second
    while the text grows.

    Open strings and brackets are closed first, so that a call shows before its last argument is written.
    Where that does not parse, the unfinished line is left out, and then everything after the line that the
    parser refuses.
    """
    tree = partial_tree(as_class(code_prefix[:MAX_SOURCE_BYTES]))
    return operator_graph(tree, operator_set) if tree is not None else WorkflowGraph()


def partial_tree(code: str) -> ast.Module | None:
    """The syntax tree of as much of `code` as parses, as `partial_graph` reads it; None where nothing
    does.
    """
    shape = layout(code)
    if (tree := parse(_closed(code, shape)).tree) is not None:
        return tree
    lines = list(shape.lines)
    for _ in range(MAX_ATTEMPTS):
        lines = _without_dangling(lines)
        if not lines:
            return None
        parsed = parse(_completed(code[: lines[-1].end], lines))
        if parsed.tree is not None:
            return parsed.tree
        refused = parsed.problem.line if parsed.problem is not None else None
        if refused is None:
            return None
        kept = [line for line in lines if code.count("\n", 0, line.end) + 1 < refused]
        lines = kept if len(kept) < len(lines) else lines[:-1]
    return None


def _closed(code: str, shape: Layout) -> str:
    """The text with its open string and brackets closed."""
    if not shape.brackets and shape.string is None:
        return code
    text = code
    if shape.string is not None:
        opening = _OPENING.match(code, shape.string)
        prefix, quote = opening.groups() if opening else ("", "")
        inside = code[shape.string :]
        if "f" in prefix.lower() and inside.count("{") > inside.count("}"):
            text = text[: text.rindex("{")]  # an unfinished replacement field
        text = text.rstrip("\\") + quote
    text = text.rstrip().rstrip(",=")
    text += "".join(_CLOSERS[code[position]] for position in reversed(shape.brackets))
    return _completed(text, shape.lines)


def _without_dangling(lines: list[LogicalLine]) -> list[LogicalLine]:
    """The lines without trailing ones that mean nothing yet: decorators, a `match` before its first case."""
    while lines and (lines[-1].first == "@" or (lines[-1].first == "match" and lines[-1].last.endswith(":"))):
        lines = lines[:-1]
    return lines


def _completed(text: str, lines: Sequence[LogicalLine]) -> str:
    """`text` with a body for the header it ends in, and an end for every `try` that has none."""
    tail: list[str] = []
    if lines and lines[-1].last.endswith(":") and text.rstrip().endswith(":"):
        tail.append(" " * (lines[-1].indent + 1) + "pass")
    open_tries: list[int] = []
    for line in lines:
        while open_tries and (line.indent < open_tries[-1] or (line.indent == open_tries[-1])):
            open_tries.pop()
        if line.first == "try":
            open_tries.append(line.indent)
    tail += [" " * indent + "finally: pass" for indent in reversed(open_tries)]
    return "\n".join([text, *tail])
