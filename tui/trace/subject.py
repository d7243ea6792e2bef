"""What the middle of the run screen is about: the round of the selected row, or the newest one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from tui.trace.completion import Parts, split_completion
from tui.trace.marks import Piece, status_mark
from tui.trace.nodes import RUNNING, CallNode, ExecutionNode, Key, Node, ProposalNode, RoundNode, StepNode
from tui.trace.outline import outcome
from tui.trace.state import RunState

REUSED = "◇"


@dataclass(frozen=True)
class Subject:
    """A round's meta-agent call and workflow; parts of it while it is being written."""

    round: int = 0
    reasoning: str = ""
    code: str = ""
    prompts: str = ""
    proposal: ProposalNode | None = None
    writing: bool = False

    @property
    def source(self) -> str:
        """The code, with the prompts below it."""
        return self.code + (f"\n\n# prompts\n\n{self.prompts}" if self.prompts.strip() else "")

    @property
    def heading(self) -> str:
        """What became of the workflow, in a few words."""
        if self.writing:
            return "being written"
        if self.proposal is None:
            return ""
        words = {"valid": "valid as written", "repaired": "repaired", "invalid": "invalid"}
        return words[self.proposal.verdict]


def subject_of(state: RunState, selected: Key | None) -> Subject:
    """The subject for a selection; None means the newest round."""
    owner = _round_of(state, selected) or state.tree.round
    nodes = [state.tree.nodes[k] for k in (owner.children if owner else state.tree.roots)]
    call = next((n for n in reversed(nodes) if isinstance(n, CallNode) and n.role == "meta"), None)
    proposal = next((n for n in reversed(nodes) if isinstance(n, ProposalNode)), None)
    if proposal is None and owner is not None and call is None:
        proposal = state.proposal  # a workflow that was given, or kept from an earlier round
    if call is None and proposal is None:
        return Subject(owner.number if owner else 0)
    number = owner.number if owner else 0
    reasoning, code, prompts = "", "", ""
    if call is not None:
        parts = _split(call.text.text)
        modification = parts.modification and f"── modification ──\n{parts.modification}"
        pieces = (call.reasoning.text, parts.reasoning, parts.prose, modification)
        reasoning = "\n\n".join(piece for piece in pieces if piece.strip())
        code, prompts = parts.code, parts.prompts
    writing = call is not None and call.status == RUNNING
    if proposal is not None and not writing:
        code, prompts = proposal.code or code, proposal.prompts or prompts
        return Subject(number, reasoning, code, prompts, proposal)
    return Subject(number, reasoning, code, prompts, None, writing)


def as_written(state: RunState, proposal: Key) -> str:
    """The code of a proposal's workflow before it was repaired; "" where no completion of it is known."""
    owner = state.tree.nodes[proposal].parent
    siblings = state.tree.nodes[owner].children if owner else state.tree.roots
    above = [state.tree.nodes[key] for key in siblings[: siblings.index(proposal)]]
    call = next((n for n in reversed(above) if isinstance(n, CallNode) and n.role == "meta"), None)
    return _split(call.text.text).code if call is not None else ""


@lru_cache(maxsize=2)
def _split(text: str) -> Parts:
    """A completion may be megabytes long, and is asked for at every move of the cursor."""
    return split_completion(text)


def node_marks(state: RunState, subject: Subject, graph: Mapping[str, Any]) -> dict[str, Piece]:
    """A glyph for each node of the graph, from the steps of the round's newest execution."""
    steps = _by_line(_steps_of(_newest_execution(state, subject), state))
    marks: dict[str, Piece] = {}
    for node, found in _per_node(graph, steps):
        status: str | None = None
        for step in found:
            status = _worse(status, outcome(state, step))
        if status is not None:
            glyph, ink, _ = status_mark(status)
            reused = status == "ok" and all(step.reused for step in found)
            marks[str(node.get("id"))] = (REUSED, "muted") if reused else (glyph, ink)
    return marks


def graph_that_ran(state: RunState, subject: Subject, graph: Mapping[str, Any]) -> Mapping[str, Any]:
    """The graph with the operators that the round's newest execution chose as it ran, as MaAS's graphs do:
    one node for each operator at a line where the source names none, after what ran before it.
    """
    steps = [s for s in _steps_of(_newest_execution(state, subject), state) if s.line is not None]
    known = list(_per_node(graph, _by_line(steps)))
    place = {step.key: str(node.get("id")) for node, found in known for step in found}
    if len(place) == len(steps):
        return graph
    nodes: dict[str, Mapping[str, Any]] = {str(node.get("id")): node for node, _ in known}
    order = list(nodes)
    edges: dict[tuple[str, str], Mapping[str, Any]] = {}
    before: str | None = None
    for step in steps:
        here = place.get(step.key) or f"{step.operator}@{step.line}"
        if here not in nodes:
            nodes[here] = {
                "id": here,
                "attribute": step.operator,
                "operator": step.operator,
                "line": step.line,
                "chosen": True,
            }
            order.insert(order.index(before) + 1 if before else 0, here)
        chosen = step.key not in place or (before is not None and nodes[before].get("chosen"))
        if before and before != here and chosen:
            edges[before, here] = {"source": before, "target": here, "kind": "next"}
        before = here
    written = graph.get("edges")
    written = written if isinstance(written, list | tuple) else ()
    return {**graph, "nodes": [nodes[id] for id in order], "edges": [*written, *edges.values()]}


class NodeCounts(dict[str, int]):
    """How often each node of the graph has run, by its id, and all of it in `words`."""

    words = ""


def node_counts(state: RunState, subject: Subject, graph: Mapping[str, Any]) -> NodeCounts:
    """How often the nodes ran in the round's newest execution."""
    steps = _steps_of(_newest_execution(state, subject), state)
    counts = NodeCounts()
    for node, found in _per_node(graph, _by_line(steps)):
        if found:
            counts[str(node.get("id"))] = len(found)
    kinds = {
        "running": sum(s.status == RUNNING for s in steps),
        "done": sum(s.status == "ok" and not s.reused for s in steps),
        "reused": sum(s.status == "ok" and s.reused for s in steps),
        "failed": sum(s.status not in (RUNNING, "ok") for s in steps),
    }
    counts.words = " · ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return counts


def execution_of(state: RunState, selected: Key | None) -> ExecutionNode | None:
    """The execution that a row is in, or is; None where it is in none."""
    node: Node | None = state.tree.nodes.get(selected) if selected else None
    while node is not None and not isinstance(node, ExecutionNode):
        node = state.tree.nodes.get(node.parent) if node.parent else None
    return node


def lines_run(
    state: RunState, subject: Subject, execution: ExecutionNode | None
) -> tuple[dict[int, int], frozenset[int]]:
    """How often each source line has called an operator, and the lines whose call runs now.

    Counted over `execution`, or else the round's newest one.
    """
    steps = _by_line(_steps_of(execution or _newest_execution(state, subject), state))
    running = frozenset(n for n, found in steps.items() if any(s.status == RUNNING for s in found))
    return {line: len(found) for line, found in steps.items()}, running


def _newest_execution(state: RunState, subject: Subject) -> ExecutionNode | None:
    owner = state.tree.nodes.get(("round", str(subject.round)))
    children = [state.tree.nodes[k] for k in reversed(owner.children)] if isinstance(owner, RoundNode) else []
    return next((n for n in children if isinstance(n, ExecutionNode)), None)


def _steps_of(execution: ExecutionNode | None, state: RunState) -> list[StepNode]:
    nodes = [state.tree.nodes[key] for key in execution.children] if execution else []
    return [node for node in nodes if isinstance(node, StepNode)]


def _by_line(steps: Iterable[StepNode]) -> dict[int, list[StepNode]]:
    found: dict[int, list[StepNode]] = {}
    for step in steps:
        if step.line is not None:
            found.setdefault(step.line, []).append(step)
    return found


def _per_node(
    graph: Mapping[str, Any], steps: Mapping[int, list[StepNode]]
) -> Iterator[tuple[Mapping[str, Any], list[StepNode]]]:
    """Each node of the graph with the steps that its lines called."""
    nodes = graph.get("nodes")
    for node in nodes if isinstance(nodes, list | tuple) else ():
        start = node.get("line") if isinstance(node, dict) else None
        if isinstance(start, int):
            end = node.get("end_line")
            end = end if isinstance(end, int) else start
            found = [step for line in steps if start <= line <= end for step in steps[line]]
            if node.get("chosen"):  # several operators may be called from one line
                found = [step for step in found if step.operator == node.get("attribute")]
            yield node, found


def _worse(before: str | None, now: str) -> str:
    """One status for all calls of a line: running wins, then any failure."""
    if before is None or now == RUNNING:
        return now
    return now if before == "ok" else before


def _round_of(state: RunState, key: Key | None) -> RoundNode | None:
    node: Node | None = state.tree.nodes.get(key) if key else None
    while node is not None and not isinstance(node, RoundNode):
        node = state.tree.nodes.get(node.parent) if node.parent else None
    return node


def step_of(state: RunState, key: Key | None) -> StepNode | None:
    """The step that a row is, or is in."""
    while key is not None and key in state.tree.nodes:
        node = state.tree.nodes[key]
        if isinstance(node, StepNode):
            return node
        key = node.parent
    return None


def tests_text(state: RunState) -> str:
    """The tests of the problem, with what each part of them is for."""
    titles = {"visible": "the workflow sees them", "val": "search uses them", "test": "hidden"}
    parts = []
    for split, title in titles.items():
        if sources := state.tests(split):
            written = ", model-written" if split == "visible" and state.tests_written_by_model else ""
            parts.append(f"# {split}: {title}{written}\n" + "\n".join(sources))
    return "\n\n".join(parts)
