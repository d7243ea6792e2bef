"""The static operator graph of a workflow: where it calls operators, and in which orders it may."""

from __future__ import annotations

import ast
import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

EdgeKind = Literal["next", "branch", "loop"]


@dataclass(frozen=True)
class Node:
    """One operator call in the source.

    `attribute` is the operator's name on `self`, `operator` its class name. The call's text is on the lines
    `line` to `end_line`, from 1. `concurrent` says that the call is not awaited on the spot: it is gathered,
    or made a task.
    """

    id: str
    attribute: str
    operator: str
    line: int
    end_line: int
    in_loop: bool
    conditional: bool
    concurrent: bool


@dataclass(frozen=True)
class Edge:
    """`target` may run right after `source`: as the next call, in a branch, or in a loop's next turn."""

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True)
class WorkflowGraph:
    """Nodes in the order in which they are first reached; `truncated` where the source has more of them.

    `chooses` says that the source also calls what a variable, a collection or `getattr` holds, as MaAS's
    graphs do: which operators these are is only known once it has run.
    """

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    truncated: bool = False
    chooses: bool = False

    def to_json(self) -> dict[str, Any]:
        """{nodes, edges, truncated, chooses}, with the fields of `Node` and `Edge` as objects."""
        return {
            "nodes": [dataclasses.asdict(n) for n in self.nodes],
            "edges": [dataclasses.asdict(e) for e in self.edges],
            "truncated": self.truncated,
            "chooses": self.chooses,
        }


def call_span(call: ast.Call) -> tuple[int, int]:
    """(first line, last line) of a call, from 1."""
    return call.lineno, call.end_lineno or call.lineno
