"""Which rows of a trace a filter leaves: what failed, what has changed, what has the words looked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from engine.events import Event
from tui.trace import gist
from tui.trace.attempts import changed, previous_attempts
from tui.trace.matches import Hit, Query
from tui.trace.nodes import FAILURES, EvaluationNode, ExecutionNode, Key, NoticeNode, ProposalNode, StepNode
from tui.trace.state import RunState


@dataclass(frozen=True)
class TraceFilter:
    """What is wanted; rows have to meet all of it."""

    failures: bool = False
    changes: bool = False
    query: Query | None = None

    def __bool__(self) -> bool:
        return self.failures or self.changes or self.query is not None

    def words(self) -> str:
        """The filter as the reader sees it."""
        parts = ["failures"] * self.failures + ["changes"] * self.changes
        return " · ".join([*parts, *([f"“{self.query.words}”"] if self.query else [])])


def kept(state: RunState, wanted: TraceFilter, hits: Iterable[Hit]) -> set[Key] | None:
    """The rows that `wanted` leaves with what they are in; None where it leaves all."""
    if not wanted:
        return None
    found = set(state.tree.nodes)
    if wanted.failures:
        failed = {k for k, n in state.tree.nodes.items() if n.status in FAILURES}
        found &= failed | {
            k for k, n in state.tree.nodes.items() if isinstance(n, NoticeNode) and n.level == "error"
        }
    if wanted.changes:
        before = previous_attempts(state)
        found &= {
            key
            for key, node in state.tree.nodes.items()
            if isinstance(node, StepNode | ProposalNode | ExecutionNode | EvaluationNode)
            and changed(state, key, before.get(key))
        }
    if wanted.query is not None:
        # A hit in a call is a hit of its step where other wishes have to be met as well.
        hit = {h.key for h in hits}
        found &= with_owners(state, hit) if wanted.failures or wanted.changes else hit
    return with_owners(state, found)


def with_owners(state: RunState, keys: Iterable[Key]) -> set[Key]:
    """`keys` and everything they are in."""
    all_keys: set[Key] = set()
    for key in keys:
        at: Key | None = key
        while at is not None and at not in all_keys and at in state.tree.nodes:
            all_keys.add(at)
            at = state.tree.nodes[at].parent
    return all_keys


def kept_events(events: list[Event], wanted: TraceFilter, keys: set[Key]) -> list[int] | None:
    """The indices of the events that `wanted` leaves, those of the rows `keys`; None where it leaves all."""
    if not wanted:
        return None
    if wanted.failures and not wanted.changes and wanted.query is None:
        return [i for i, event in enumerate(events) if gist.failed(event)]
    return [i for i, event in enumerate(events) if key_of(event) in keys]


def key_of(event: Event) -> Key | None:
    """The row that an event is about."""
    for kind, name in (("call", "call_id"), ("step", "step_id"), ("execution", "execution_id")):
        if value := getattr(event, name, None):
            return (kind, value)
    number = getattr(event, "round", None)
    return None if number is None else ("round", str(number))
