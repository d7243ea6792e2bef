"""Attempts: which earlier step is the one before this one, and what has changed since."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

from tui.trace.nodes import CallNode, CodeNode, ExecutionNode, Key, Node, ProposalNode, StepNode
from tui.trace.outline import cells
from tui.trace.state import RunState
from tui.value_parts import parts_of

# Comparing lines takes time that grows with the square of their number.
MAX_LINES = 600
MAX_CHARS = 100_000
MAX_LINE = 2_000


def previous_attempts(state: RunState) -> dict[Key, Key]:
    """For steps, workflows and executions: the attempt before.

    A step's is the last one of the same operator in its execution, from the same line if there is one;
    else the step of the same operator and count in the execution before. A workflow's is the round's
    before it, an execution's the one of the same purpose before it.
    """
    before: dict[Key, Key] = {}
    last: dict[tuple[Any, ...], Key] = {}

    def follow(key: Key, *names: tuple[Any, ...]) -> None:
        for name in names:
            if name in last:
                before[key] = last[name]
                break
        for name in names:
            last[name] = key

    counts: dict[tuple[str, str], int] = {}
    for key, node in state.tree.nodes.items():
        if isinstance(node, StepNode):
            one = (node.execution_id, node.operator)
            nth = counts[one] = counts.get(one, 0) + 1
            follow(key, (*one, node.line), one, (node.operator, nth))
        elif isinstance(node, ProposalNode):
            follow(key, ("workflow",))
        elif isinstance(node, ExecutionNode):
            follow(key, ("execution", node.purpose))
    return before


def changed(state: RunState, key: Key, before: Key | None) -> bool:
    """Whether a node differs from the attempt before it in what went in or came out; a first one does."""
    node, other = state.tree.nodes[key], state.tree.nodes.get(before) if before else None
    match node, other:
        case StepNode(), StepNode():
            if node.status != other.status or node.inputs != other.inputs or node.output != other.output:
                return True
            return _answers(state, node) != _answers(state, other)
        case ProposalNode(), ProposalNode():
            return (node.code, node.prompts) != (other.code, other.prompts)
        case ExecutionNode(), ExecutionNode():
            return (node.status, node.answer) != (other.status, other.answer)
    return True


def diff(state: RunState, key: Key, before: Key) -> str:
    """What is different from the attempt before, part by part, as unified diffs."""
    node, other = state.tree.nodes[key], state.tree.nodes[before]
    told = [f"── against {_where(state, other)} ──"]
    ours, theirs = dict(_parts(state, node)), dict(_parts(state, other))
    same = []
    for name in dict.fromkeys([*theirs, *ours]):
        old, new = theirs.get(name, ""), ours.get(name, "")
        if old == new:
            same.append(name)
        else:
            told.append(f"\n── {name} ──\n{_unified(old, new)}")
    if same:
        told.append(f"\n── unchanged: {', '.join(same)} ──")
    return "\n".join(told)


def _where(state: RunState, node: Node) -> str:
    """A node named with what it is in."""
    names = []
    at: Node | None = node
    while at is not None:
        name = "".join(text for text, _ in cells(state, at).label).strip()
        names.append(f"step {at.index} {name}" if isinstance(at, StepNode) else name)
        at = state.tree.nodes.get(at.parent) if at.parent else None
    return " · ".join(reversed(names))


def _answers(state: RunState, step: StepNode) -> list[str]:
    children = [state.tree.nodes[key] for key in step.children]
    return [
        c.text.text if isinstance(c, CallNode) else c.code
        for c in children
        if isinstance(c, CallNode | CodeNode)
    ]


def _parts(state: RunState, node: Node) -> Iterator[tuple[str, str]]:
    """The texts that are compared, by name."""
    match node:
        case StepNode():
            yield from _value_parts("input", dict(node.inputs))
            children = [state.tree.nodes[key] for key in node.children]
            calls = [c for c in children if isinstance(c, CallNode)]
            yield "prompt", "\n\n".join(str(m.get("content", "")) for c in calls for m in c.messages)
            yield "response", "\n\n".join(c.text.text for c in calls)
            yield "code", "\n\n".join(c.code for c in children if isinstance(c, CodeNode))
            yield from _value_parts("output", node.output)
            yield "stdout", node.stdout
            yield "error", node.error or ""
        case ProposalNode():
            yield from (("workflow", node.code), ("prompts", node.prompts))
        case ExecutionNode():
            yield from (("answer", node.answer or ""), ("stdout", node.stdout), ("error", node.error or ""))


def _value_parts(what: str, value: Any) -> Iterator[tuple[str, str]]:
    if value:
        yield from ((f"{what} {part.title}".rstrip(), part.text) for part in parts_of(value))


def _cut(line: str) -> str:
    return line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} … {len(line) - MAX_LINE:,} more"


def _unified(old: str, new: str) -> str:
    cut = [[_cut(line) for line in text[:MAX_CHARS].splitlines()] for text in (old, new)]
    lines = difflib.unified_diff(cut[0][:MAX_LINES], cut[1][:MAX_LINES], lineterm="", n=2)
    text = "\n".join(list(lines)[2:])  # without the two lines that name files
    if len(old) > MAX_CHARS or len(new) > MAX_CHARS or max(map(len, cut)) > MAX_LINES:
        text += f"\n… compared up to line {MAX_LINES} and character {MAX_CHARS:,}"
    return text
