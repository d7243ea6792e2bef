"""The tree of a run's rounds, executions, steps and calls, and where in it a new node belongs."""

from __future__ import annotations

import copy
from itertools import count
from typing import Self, TypeVar

from tui.trace.nodes import RUNNING, CallNode, ExecutionNode, Key, Node, RoundNode, Spent, StepNode

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
        self.spent = Spent()
        self.steps_total = 0
        self.mono = 0.0  # seconds of the run at its latest event
        self.changed: list[Key] = []
        self._identity = 0
        self._edits: dict[str, tuple[str, ...]] = {}

    def fork(self) -> Self:
        """This state as it is now, for good: nodes are shared until one of the two changes them."""
        other = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, dict | list | Spent):
                setattr(other, name, copy.copy(value))
        other.changed = self.changed[-1:]
        self._identity, other._identity = next(_IDENTITIES), next(_IDENTITIES)
        return other

    def _round(self, number: int, mono: float) -> RoundNode:
        key = ("round", str(number))
        node = self.nodes.get(key)
        if not isinstance(node, RoundNode):
            node = RoundNode(key, None, started=mono, number=number)
            self._add(node, None)
        node = self._own(node)
        if self.round is None or number > self.round.number:
            self.round = node
        return node

    def _call(self, call_id: str, mono: float, role: str = "worker", step_id: str | None = None) -> CallNode:
        key = ("call", call_id)
        node = self.nodes.get(key)
        if not isinstance(node, CallNode):
            node = CallNode(key, None, started=mono, role=role)
            node.round = self.round.number if self.round else 0
            self._add(node, self._step(step_id, mono) if step_id else self.round)
            if role == "meta":
                self.meta_call = node
        return self._own(node)

    def _execution(self, execution_id: str, mono: float, round_number: int | None = None) -> ExecutionNode:
        key = ("execution", execution_id)
        node = self.nodes.get(key)
        if not isinstance(node, ExecutionNode):
            node = ExecutionNode(key, None, started=mono)
            self._add(node, self.round if round_number is None else self._round(round_number, mono))
        return self._own(node)

    def _step(self, step_id: str, mono: float, execution_id: str | None = None) -> StepNode:
        key = ("step", step_id)
        node = self.nodes.get(key)
        if not isinstance(node, StepNode):
            node = StepNode(key, None, started=mono, execution_id=execution_id or "")
            self.steps_total += 1
            self._add(node, self.round if execution_id is None else self._execution(execution_id, mono))
        node = self._own(node)
        node.edited = self._edits.get(step_id, ())
        return node

    def _own(self, node: _N) -> _N:
        """The node itself, or where another state shares it a copy in its place."""
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

    def _add(self, node: Node, owner: Node | None) -> None:
        node.of = self._identity
        self.nodes[node.key] = node
        if owner is None:
            self.roots.append(node.key)
        else:
            owner = self._own(owner)
            node.parent = owner.key
            owner.children.append(node.key)
        if node.status == RUNNING:
            self.open[node.key] = None
        self._touch(node)

    def _touch(self, node: Node) -> None:
        self.changed.append(node.key)

    def _end(self, node: Node, status: str, wall_ms: float) -> None:
        node.status, node.wall_ms, node.ended = status, wall_ms, self.mono
        self.open.pop(node.key, None)
        self._touch(node)

    def _close_open(self, status: str) -> None:
        for key in list(self.open):
            node = self._own(self.nodes[key])
            self._end(node, status, max(self.mono - node.started, 0.0) * 1000)

    def _spend(self, call: CallNode, tokens_in: int, tokens_out: int, cost_usd: float | None) -> None:
        """Book a call on itself and on all it belongs to."""
        self.spent.add(tokens_in, tokens_out, cost_usd)
        node: Node | None = call
        while node is not None:
            if isinstance(node, CallNode | StepNode | ExecutionNode | RoundNode):
                node = self._own(node)
                node.spent.add(tokens_in, tokens_out, cost_usd)
            node = self.nodes.get(node.parent) if node.parent else None
