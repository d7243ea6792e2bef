"""The tree of a run's rounds, executions, steps and calls, and where in it a new node belongs."""

from __future__ import annotations

import copy
from itertools import count
from typing import Self, TypeVar

from tui.trace.nodes import RUNNING, CallNode, ExecutionNode, Key, Node, RoundNode, StepNode

_N = TypeVar("_N", bound=Node)
_IDENTITIES = count(1)


class TraceTree:
    """The nodes of one run, which copies of the tree share until one of them changes them.

    `changed` lists the keys of nodes touched, in order and with repeats: a widget remembers how far
    it has read.
    """

    def __init__(self) -> None:
        self.nodes: dict[Key, Node] = {}
        self.roots: list[Key] = []
        self.open: dict[Key, None] = {}  # what has started and not finished, oldest first
        self.round: RoundNode | None = None
        self.meta_call: CallNode | None = None
        self.step_count = 0
        self.changed: list[Key] = []
        self._identity = 0
        self._edits: dict[str, tuple[str, ...]] = {}

    def fork(self) -> Self:
        """This tree as it is now, for good: nodes are shared until one of the two changes them."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list):
                setattr(other, name, copy.copy(value))
        other.changed = self.changed[-1:]
        self._identity, other._identity = next(_IDENTITIES), next(_IDENTITIES)
        return other

    # A node of each kind by its id, made where it is not there yet, and for this tree alone to change.

    def round_node(self, number: int, mono: float) -> RoundNode:
        key = ("round", str(number))
        node = self.nodes.get(key)
        if not isinstance(node, RoundNode):
            node = RoundNode(key, None, started=mono, number=number)
            self.add(node, None)
        node = self.own(node)
        if self.round is None or number > self.round.number:
            self.round = node
        return node

    def call_node(
        self, call_id: str, mono: float, role: str = "worker", step_id: str | None = None
    ) -> CallNode:
        key = ("call", call_id)
        node = self.nodes.get(key)
        if not isinstance(node, CallNode):
            node = CallNode(key, None, started=mono, role=role)
            node.round = self.round.number if self.round else 0
            self.add(node, self.step_node(step_id, mono) if step_id else self.round)
            if role == "meta":
                self.meta_call = node
        return self.own(node)

    def execution_node(
        self, execution_id: str, mono: float, round_number: int | None = None
    ) -> ExecutionNode:
        key = ("execution", execution_id)
        node = self.nodes.get(key)
        if not isinstance(node, ExecutionNode):
            node = ExecutionNode(key, None, started=mono)
            self.add(node, self.round if round_number is None else self.round_node(round_number, mono))
        return self.own(node)

    def step_node(self, step_id: str, mono: float, execution_id: str | None = None) -> StepNode:
        key = ("step", step_id)
        node = self.nodes.get(key)
        if not isinstance(node, StepNode):
            node = StepNode(key, None, started=mono, execution_id=execution_id or "")
            self.step_count += 1
            self.add(node, self.round if execution_id is None else self.execution_node(execution_id, mono))
        node = self.own(node)
        node.edited = self._edits.get(step_id, ())
        return node

    def own(self, node: _N) -> _N:
        """The node itself, or where another tree shares it a copy in its place."""
        if node.of == self._identity:
            return node
        own = node.copied()
        own.of = self._identity
        self.nodes[own.key] = own
        if isinstance(own, RoundNode) and own.key == (self.round.key if self.round else None):
            self.round = own
        if isinstance(own, CallNode) and self.meta_call is node:
            self.meta_call = own
        return own

    def add(self, node: Node, owner: Node | None) -> None:
        """Place a new node under `owner`, or at the top."""
        node.of = self._identity
        self.nodes[node.key] = node
        if owner is None:
            self.roots.append(node.key)
        else:
            owner = self.own(owner)
            node.parent = owner.key
            owner.children.append(node.key)
        if node.status == RUNNING:
            self.open[node.key] = None
        self.touch(node)

    def touch(self, node: Node) -> None:
        """Tell widgets that the node changed."""
        self.changed.append(node.key)

    def end(self, node: Node, status: str, mono: float, wall_ms: float) -> None:
        """`node` has ended at `mono`, in seconds of the run."""
        node.status, node.wall_ms, node.ended = status, wall_ms, mono
        self.open.pop(node.key, None)
        self.touch(node)

    def end_open(self, status: str, mono: float) -> None:
        """End all that has started and not finished."""
        for key in list(self.open):
            node = self.own(self.nodes[key])
            self.end(node, status, mono, max(mono - node.started, 0.0) * 1000)

    def book(self, call: CallNode, tokens_in: int, tokens_out: int, cost_usd: float | None) -> None:
        """Book a call on itself and on all it belongs to."""
        node: Node | None = call
        while node is not None:
            if isinstance(node, CallNode | StepNode | ExecutionNode | RoundNode):
                node = self.own(node)
                node.spent.add(tokens_in, tokens_out, cost_usd)
            node = self.nodes.get(node.parent) if node.parent else None

    def edited(self, step_id: str, what: str, mono: float) -> None:
        """A person changed this of a step; one that has not started yet is marked once it has."""
        self._edits[step_id] = (*self._edits.get(step_id, ()), what)
        if ("step", step_id) in self.nodes:
            self.touch(self.step_node(step_id, mono))
