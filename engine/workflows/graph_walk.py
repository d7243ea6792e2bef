"""Building the operator graph: a walk over `__call__` in the order of evaluation.

The walk carries a frontier, the calls that may have run last. A new call is joined to all of them.
Helper methods and local functions are walked where they are called, each once.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from engine.operators.specs import OperatorSet
from engine.workflows.graph import Edge, EdgeKind, Node, WorkflowGraph, call_span
from engine.workflows.held import calls_what_is_held, held_names
from engine.workflows.operators import Operators, operators_of
from engine.workflows.tree import FunctionNode, call_method, methods, self_attribute, workflow_class

# Enough for any workflow worth running; it bounds the edges that hostile code can ask for.
MAX_NODES = 100
# How deep helpers that call helpers are followed.
MAX_HELPERS = 12

Frontier = dict[str, EdgeKind]
Comprehension = ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
Context = Literal["loop", "condition", "task", "helper"]


@dataclass
class _Exits:
    """The frontiers that jumps carry out of a loop or a function."""

    breaks: Frontier = field(default_factory=dict)
    continues: Frontier = field(default_factory=dict)
    returns: Frontier = field(default_factory=dict)


def operator_graph(tree: ast.Module, operator_set: OperatorSet) -> WorkflowGraph:
    """The graph of a parsed workflow; empty where it has no `__call__`."""
    call = call_method(tree)
    if call is None:
        return WorkflowGraph()
    walk = _Walk(tree, operators_of(tree, operator_set))
    walk.block(call.body)
    return WorkflowGraph(tuple(walk.nodes.values()), tuple(walk.edges.values()), walk.truncated, walk.chooses)


class _Walk:
    def __init__(self, tree: ast.Module, operators: Operators) -> None:
        cls = workflow_class(tree)
        self._operators = operators
        self._methods = methods(cls) if cls else {}
        self._functions = {n.name: n for n in ast.walk(tree) if isinstance(n, FunctionNode)}
        # Helpers walked so far: the ids they begin with, and the frontier they end with.
        self._walked: dict[FunctionNode, tuple[list[str], Frontier]] = {}
        self._depth: dict[Context, int] = {"loop": 0, "condition": 0, "task": 0, "helper": 0}
        self._exits = [_Exits()]
        # Calls started side by side: the frontier all of them follow, and themselves.
        self._group: tuple[Frontier, Frontier] | None = None
        self.frontier: Frontier = {}
        self.nodes: dict[ast.Call, Node] = {}
        self.edges: dict[tuple[str, str, EdgeKind], Edge] = {}
        self.truncated = False
        self.chooses = False
        self._held = held_names(tree)

    def block(self, body: Iterable[ast.stmt]) -> None:
        for statement in body:
            self._statement(statement)

    def _statement(self, node: ast.stmt) -> None:
        match node:
            case ast.If():
                self._expressions([node.test])
                self._branches([node.body, node.orelse])
            case ast.For() | ast.AsyncFor():
                self._expressions([node.iter])
                self._loop(None, node.body, node.orelse)
            case ast.While():
                self._loop(node.test, node.body, node.orelse)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.With() | ast.AsyncWith():
                self._expressions([item.context_expr for item in node.items])
                self.block(node.body)
            case ast.Match():
                self._expressions([node.subject])
                self._branches([[], *(case.body for case in node.cases)])
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                pass  # walked where it is called
            case ast.Break():
                self._jump(self._exits[-1].breaks)
            case ast.Continue():
                self._jump(self._exits[-1].continues)
            case ast.Return() | ast.Raise():
                self._expressions(ast.iter_child_nodes(node))
                self._jump(self._exits[-1].returns)
            case _:
                self._expressions(ast.iter_child_nodes(node))

    def _jump(self, to: Frontier) -> None:
        to |= self.frontier
        self.frontier = {}

    def _branches(self, bodies: Sequence[Sequence[ast.stmt]]) -> None:
        before, after = self.frontier, Frontier()
        for body in bodies:
            self.frontier = dict.fromkeys(before, "branch") if body else dict(before)
            with self._inside("condition"):
                self.block(body)
            after |= self.frontier
        self.frontier, self._group = after, None

    def _loop(self, test: ast.expr | None, body: Sequence[ast.stmt], orelse: Sequence[ast.stmt]) -> None:
        before, earlier = dict(self.frontier), set(self.nodes)
        exits = _Exits(returns=self._exits[-1].returns)
        self._exits.append(exits)
        with self._inside("loop"):
            if test is not None:
                self._expressions([test])
            self.block(body)
        self._exits.pop()
        self.frontier |= exits.continues
        self._close_loop(earlier)
        endless = isinstance(test, ast.Constant) and bool(test.value)
        # The body may run no times at all; of `while True` only breaks lead out.
        self.frontier = {} if endless else {**before, **self.frontier}
        self.block(orelse)
        self.frontier |= exits.breaks

    def _close_loop(self, earlier: set[ast.Call]) -> None:
        """Edges from the calls that may end a turn to the first call of the next."""
        inside = [n.id for call, n in self.nodes.items() if call not in earlier]
        if not inside or self._group is not None:  # an open group: the turns run side by side
            return
        for source in self.frontier:
            if source in inside:
                self._join(source, inside[0], "loop")

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        before = dict(self.frontier)
        earlier = set(self.nodes)
        self.block(node.body)
        inside = [n.id for call, n in self.nodes.items() if call not in earlier]
        self.block(node.orelse)
        after = dict(self.frontier)
        for handler in node.handlers:  # any call of the body may be the one that failed
            self.frontier = dict.fromkeys([*(before if not inside else ()), *inside], "branch")
            with self._inside("condition"):
                self.block(handler.body)
            after |= self.frontier
        self.frontier, self._group = after, None
        self.block(node.finalbody)

    def _expressions(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self._expression(node)

    def _expression(self, node: ast.AST, *, awaited: bool = False) -> None:
        """Calls below `node` in evaluation order: arguments before the call that takes them."""
        match node:
            case ast.Await():
                self._expression(node.value, awaited=True)
                if self._operators.spec(node.value) is None:
                    self._group = None  # gathered, or a task awaited: what follows runs after it
            case ast.Call():
                self._expressions(ast.iter_child_nodes(node))
                self._call(node, awaited)
            case ast.IfExp():
                self._expression(node.test)
                with self._inside("condition"):
                    self._expressions([node.body, node.orelse])
            case ast.BoolOp():
                self._expression(node.values[0])
                with self._inside("condition"):
                    self._expressions(node.values[1:])
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case _:
                self._expressions(ast.iter_child_nodes(node))

    def _comprehension(self, node: Comprehension) -> None:
        earlier = set(self.nodes)
        with self._inside("loop"):
            self._expressions(node.generators)
            self._expressions([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self._close_loop(earlier)

    def _call(self, call: ast.Call, awaited: bool) -> None:
        spec = self._operators.spec(call)
        name = self_attribute(call.func)
        if spec is not None:
            # ADAS's agents answer where they are called; everything else is awaited.
            self._add(call, spec.attribute, spec.name, awaited or bool(self._operators.agents))
        elif name in self._methods:
            self._enter(self._methods[name], awaited)
        elif isinstance(call.func, ast.Name) and call.func.id in self._functions:
            self._enter(self._functions[call.func.id], awaited)
        elif calls_what_is_held(call.func, self._held):
            self.chooses = True

    def _enter(self, function: FunctionNode, awaited: bool) -> None:
        """Walk a helper from here, or join its first walk where it was entered before."""
        before, group = self.frontier, None if awaited else self._group
        if group is not None:
            self.frontier = dict(group[0])
        if function in self._walked:
            entries, exits = self._walked[function]
            for source, kind in self.frontier.items():
                for entry in entries:
                    self._join(source, entry, kind)
        elif self._depth["helper"] < MAX_HELPERS:
            exits = self._walk_helper(function, awaited)
        else:
            return
        self.frontier = dict(exits) or before
        if awaited:
            self._group = None
        elif exits:
            start, members = group or (before, {})
            self._group = (start, members | exits)
            self.frontier = dict(self._group[1])

    def _walk_helper(self, function: FunctionNode, awaited: bool) -> Frontier:
        self._walked[function] = ([], {})  # recursion ends here
        earlier = set(self.nodes)
        self._group = None
        self._exits.append(_Exits())
        with self._inside("helper"), self._inside("task", not awaited):
            self.block(function.body)
        inside = [n.id for call, n in self.nodes.items() if call not in earlier]
        ends = self._exits.pop().returns | self.frontier
        exits: Frontier = {id_: kind for id_, kind in ends.items() if id_ in inside}
        self._walked[function] = (inside[:1], exits)
        return exits

    def _add(self, call: ast.Call, attribute: str, operator: str, awaited: bool) -> None:
        if call in self.nodes:
            return
        if len(self.nodes) >= MAX_NODES:
            self.truncated = True
            return
        id_ = f"n{len(self.nodes) + 1}"
        self.nodes[call] = Node(
            id_,
            attribute,
            operator,
            *call_span(call),
            in_loop=self._depth["loop"] > 0,
            conditional=self._depth["condition"] > 0,
            concurrent=not awaited or self._depth["task"] > 0,
        )
        before = self.frontier
        if awaited:
            self._group = None
            self.frontier = {id_: "next"}
        else:
            before, members = self._group or (self.frontier, {})
            self._group = (before, {**members, id_: "next"})
            self.frontier = dict(self._group[1])
        for source, kind in before.items():
            self._join(source, id_, kind)

    def _join(self, source: str, target: str, kind: EdgeKind) -> None:
        self.edges.setdefault((source, target, kind), Edge(source, target, kind))

    @contextmanager
    def _inside(self, context: Context, entered: bool = True) -> Iterator[None]:
        self._depth[context] += entered
        try:
            yield
        finally:
            self._depth[context] -= entered
