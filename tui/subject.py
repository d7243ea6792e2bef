"""What the middle of the run screen is about: the round of the selected row, or the newest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tui.completion import split_completion
from tui.nodes import RUNNING, CallNode, ExecutionNode, Key, Node, ProposalNode, RoundNode, StepNode
from tui.outline import Piece, status_mark
from tui.state import RunState


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
    owner = _round_of(state, selected) or state.round
    nodes = [state.nodes[k] for k in (owner.children if owner else state.roots)]
    call = next((n for n in reversed(nodes) if isinstance(n, CallNode) and n.role == "meta"), None)
    proposal = next((n for n in reversed(nodes) if isinstance(n, ProposalNode)), None)
    if proposal is None and owner is not None and call is None:
        proposal = state.proposal  # a workflow that was given, or kept from an earlier round
    if call is None and proposal is None:
        return Subject(owner.number if owner else 0)
    number = owner.number if owner else 0
    reasoning, code, prompts = "", "", ""
    if call is not None:
        parts = split_completion(call.text.text)
        modification = parts.modification and f"── modification ──\n{parts.modification}"
        pieces = (call.reasoning.text, parts.reasoning, parts.prose, modification)
        reasoning = "\n\n".join(piece for piece in pieces if piece.strip())
        code, prompts = parts.code, parts.prompts
    writing = call is not None and call.status == RUNNING
    if proposal is not None and not writing:
        code, prompts = proposal.code or code, proposal.prompts or prompts
        return Subject(number, reasoning, code, prompts, proposal)
    return Subject(number, reasoning, code, prompts, None, writing)


def node_marks(state: RunState, subject: Subject, graph: Mapping[str, Any]) -> dict[str, Piece]:
    """A glyph for each node of the graph, from the steps of the round's newest execution."""
    owner = state.nodes.get(("round", str(subject.round)))
    nodes = graph.get("nodes")
    if not isinstance(owner, RoundNode) or not isinstance(nodes, list | tuple):
        return {}
    children = [state.nodes[k] for k in owner.children]
    execution = next((n for n in reversed(children) if isinstance(n, ExecutionNode)), None)
    if execution is None:
        return {}
    by_line: dict[int, str] = {}
    for key in execution.children:
        step = state.nodes[key]
        if isinstance(step, StepNode) and step.line is not None:
            by_line[step.line] = _worse(by_line.get(step.line), step.status)
    marks: dict[str, Piece] = {}
    for node in nodes:
        status = _status_in(by_line, node) if isinstance(node, dict) else None
        if status is not None:
            glyph, ink, _ = status_mark(status)
            marks[str(node.get("id"))] = (glyph, ink)
    return marks


def _status_in(by_line: Mapping[int, str], node: Mapping[str, Any]) -> str | None:
    """The status of the steps that were called from the lines of `node`."""
    start, end = node.get("line"), node.get("end_line")
    if not isinstance(start, int):
        return None
    end = end if isinstance(end, int) else start
    found: str | None = None
    for line, status in by_line.items():
        if start <= line <= end:
            found = _worse(found, status)
    return found


def _worse(before: str | None, now: str) -> str:
    """One status for all calls of a line: running wins, then any failure."""
    if before is None or now == RUNNING:
        return now
    return now if before == "ok" else before


def _round_of(state: RunState, key: Key | None) -> RoundNode | None:
    node: Node | None = state.nodes.get(key) if key else None
    while node is not None and not isinstance(node, RoundNode):
        node = state.nodes.get(node.parent) if node.parent else None
    return node
