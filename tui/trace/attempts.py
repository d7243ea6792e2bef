"""Attempts: which earlier step is the one before this one, and what has changed since.

A step that revises a text, and a workflow that was repaired, have what they changed as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tui.trace.nodes import CallNode, CodeNode, ExecutionNode, Key, Node, ProposalNode, StepNode
from tui.trace.outline import cells
from tui.trace.state import RunState
from tui.trace.subject import as_written
from tui.value_parts import parts_of
from tui.word_diff import alike, unified

_ALIKE = 0.4  # of lines; what shares less was written anew
_NO_VERSIONS = ("problem", "instruction", "entry_point")  # inputs that say what is wanted


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


def diff(state: RunState, key: Key, before: Key | None) -> str:
    """What the node changed, and what differs from the attempt before, part by part, as unified diffs."""
    told = [f"── {title} ──\n{unified(old, new)}" for title, old, new in _changes(state, key)]
    if before is None:
        return "\n\n".join(told)
    node, other = state.tree.nodes[key], state.tree.nodes[before]
    told.append(f"── against {_where(state, other)} ──")
    ours, theirs = dict(_parts(state, node)), dict(_parts(state, other))
    same = []
    for name in dict.fromkeys([*theirs, *ours]):
        old, new = theirs.get(name, ""), ours.get(name, "")
        if old == new:
            same.append(name)
        else:
            told.append(f"── {name} ──\n{unified(old, new)}")
    if same:
        told.append(f"── unchanged: {', '.join(same)} ──")
    return "\n\n".join(told)


def has_changes(state: RunState, key: Key) -> bool:
    """Whether the node made a text into another that `diff` can set against it."""
    return next(_changes(state, key), None) is not None


def _changes(state: RunState, key: Key) -> Iterator[tuple[str, str, str]]:
    """(what, before, after): a text that a step was given and revised, or a workflow as it was written."""
    match state.tree.nodes[key]:
        case StepNode() as step:
            yield from _revised(step)
        case ProposalNode(repairs=repairs, code=code) if repairs:
            written = as_written(state, key)
            if written and written.strip() != code.strip():
                yield "repaired, against the workflow as written", written, code


def _revised(step: StepNode) -> Iterator[tuple[str, str, str]]:
    inputs = [p for p in parts_of(dict(step.inputs)) if not p.is_json and p.title not in _NO_VERSIONS]
    for part in parts_of(step.output) if step.output is not None else ():
        old = max(inputs, key=lambda given: alike(given.text, part.text), default=None)
        if old is not None and not part.is_json and _ALIKE <= alike(old.text, part.text) < 1:
            yield f"output {part.title}, against input {old.title}".replace(" ,", ","), old.text, part.text


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
