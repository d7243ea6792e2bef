"""The step tree as rows of text: which rows are visible, and what each says."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from engine.judging import SHORT
from tui import format as fmt
from tui.safe import one_line
from tui.trace.marks import Piece, status_mark
from tui.trace.nodes import (
    FAILURES,
    RUNNING,
    CallNode,
    CodeNode,
    EvaluationNode,
    ExecutionNode,
    Key,
    Node,
    NoticeNode,
    ProposalNode,
    RoundNode,
    StepNode,
)
from tui.trace.state import RunState


class Cells(NamedTuple):
    """One row: its mark, its label, and the columns on the right."""

    glyph: str
    ink: str
    label: list[Piece]
    time: str
    tokens: str
    cost: str


def visible_rows(
    state: RunState, toggled: set[Key], keep: Collection[Key] | None = None
) -> list[tuple[Key, int]]:
    """Keys with their depth, top to bottom. `toggled` are those not in their default state.

    With `keep`, only those, all of them in view.
    """
    rows: list[tuple[Key, int]] = []
    nodes = state.tree.nodes
    stack = [(key, 0) for key in reversed(state.tree.roots)]
    while stack:
        key, depth = stack.pop()
        if keep is not None and key not in keep:
            continue
        rows.append((key, depth))
        node = nodes[key]
        if node.children and (keep is not None or node.starts_open != (key in toggled)):
            stack.extend((child, depth + 1) for child in reversed(node.children))
    return rows


def is_expanded(node: Node, toggled: set[Key]) -> bool:
    """Rounds and executions start open, steps and calls closed."""
    return node.starts_open != (node.key in toggled)


def cells(state: RunState, node: Node, since_last_event_s: float = 0.0) -> Cells:
    """What the row of `node` says."""
    glyph, ink, _ = status_mark(outcome(state, node))
    wall = node.wall_ms
    if wall is None and node.status == RUNNING:
        wall = max(state.mono + since_last_event_s - node.started, 0.0) * 1000
    tokens = node.tokens
    return Cells(
        glyph,
        ink,
        _label(state, node),
        fmt.duration(wall),
        fmt.count(tokens) if tokens else "",
        fmt.cost(node.cost_usd) if node.cost_shown else "",
    )


def outcome(state: RunState, node: Node) -> str:
    """The status that a row shows: what ran well, but to a bad end, did not go well."""
    if node.status not in ("ok", "passed", "repaired"):
        return node.status
    match node:
        case StepNode():
            counts = _counts(node.output)
            return "failed" if counts is not None and counts[0] < counts[1] else node.status
        case ExecutionNode() | RoundNode():
            inside = [state.tree.nodes[key] for key in node.children]
            parts = [n for n in inside if isinstance(n, ExecutionNode | EvaluationNode)]
            bad = [s for s in (outcome(state, part) for part in parts) if s in FAILURES]
            return bad[0] if bad else node.status
    return node.status


def _label(state: RunState, node: Node) -> list[Piece]:
    match node:
        case RoundNode():
            pieces = [(f"Round {node.number}", "title")]
            if node.score is not None:
                pieces.append((f"  val {fmt.score(node.score)}", "muted"))
            return pieces
        case CallNode():
            pieces = [("Meta-agent" if node.role == "meta" else "Worker", "")]
            pieces.append((f" {one_line(node.model, 40)}", "muted"))
            if node.retries:
                pieces.append((f"  ↻ {fmt.plural(len(node.retries), 'retry', 'retries')}", "warning"))
            pieces += [
                (f"  {one_line(flag, 24)}", "warning") for flag in node.flags if flag != "estimated-tokens"
            ]
            return pieces
        case ProposalNode():
            inks = {"valid": "muted", "repaired": "warning", "invalid": "error"}
            return [("Workflow", ""), (f" {node.verdict}", inks[node.verdict]), *_findings(node)]
        case ExecutionNode():
            name = {"val": f"Val run {node.repeat}", "test": f"Test run {node.repeat}"}
            return [(name.get(node.purpose, "Run"), ""), *_status_words(node)]
        case StepNode():
            pieces = [(one_line(node.operator, 40) or "Step", "")]
            if node.line is not None:
                pieces.append((f" L{node.line}", "muted"))
            if node.concurrent:
                pieces.append((" ∥", "muted"))
            if node.reused:
                pieces.append(("  reused", "muted"))
            if node.edited:
                pieces.append((f"  edited {', '.join(dict.fromkeys(node.edited))}", "warning"))
            pieces += [(f"  {one_line(str(note.get('code')), 24)}", "warning") for note in node.notes[-1:]]
            return pieces + _tested(node.output) + _status_words(node)
        case CodeNode():
            return _code_label(state, node)
        case EvaluationNode():
            pieces = [(f"Scored on {node.split}", ""), (f" {node.passed}/{node.total}", "muted")]
            if node.written_by == "model":
                pieces.append(("  model-written tests", "warning"))
            if not node.strict:
                pieces.append(("  repaired", "warning"))
            pieces += _mode(node.verdict)
            return pieces + (_status_words(node) if node.status == "infra" else [])
        case NoticeNode():
            ink = {"warning": "warning", "error": "error"}.get(node.level, "muted")
            return [(one_line(node.text, 160), ink)]
    return [(node.key[0], "")]


def _tested(output: Any) -> list[Piece]:
    """How many visible tests a Test step passed: the step went well even where the solution did not."""
    counts = _counts(output)
    if counts is None:
        return []
    return [(f"  {counts[0]}/{counts[1]} tests", "muted" if counts[0] == counts[1] else "warning")]


def _counts(output: Any) -> tuple[int, int] | None:
    """Passed and all tests, where the output of a step tells them."""
    passed, total = (
        (output.get("passed"), output.get("total")) if isinstance(output, Mapping) else (None, None)
    )
    return (passed, total) if isinstance(passed, int) and isinstance(total, int) else None


def _code_label(state: RunState, node: CodeNode) -> list[Piece]:
    if node.purpose != "visible-tests":
        return [("Program", ""), *_status_words(node)]
    results = test_results(node.verdict)
    passed = sum(r.get("status") == "passed" for r in results)
    pieces = [("Visible tests", ""), (f" {passed}/{len(results)}", "muted")]
    if state.tests_written_by_model:
        pieces.append(("  model-written", "warning"))
    pieces += _mode(node.verdict)
    return pieces + (_status_words(node) if node.status != "failed" else [])


def _mode(verdict: Mapping[str, Any]) -> list[Piece]:
    """In what mode the tests were judged, where it is not the strongest."""
    short = SHORT.get(str(verdict.get("mode")))
    return [(f"  {short}", "warning" if short == SHORT["in-process"] else "muted")] if short else []


def _findings(node: ProposalNode) -> list[Piece]:
    pieces: list[Piece] = []
    if node.repairs:
        pieces.append((f"  {fmt.plural(len(node.repairs), 'repair')}", "muted"))
    elif node.diagnostics:
        pieces.append((f"  {fmt.plural(len(node.diagnostics), 'finding')}", "muted"))
    return pieces


def _status_words(node: Node) -> list[Piece]:
    """The status in words where the glyph alone would leave the reader guessing."""
    if node.status in (RUNNING, "ok", "passed", "error"):
        return []
    _, ink, words = status_mark(node.status)
    return [(f"  {node.status if node.status == 'infra' else words}", ink)]


def test_results(verdict: object) -> list[dict[str, object]]:
    """The tests of a verdict's JSON, however damaged."""
    tests = verdict.get("tests") if isinstance(verdict, dict) else None
    return [t for t in tests if isinstance(t, dict)] if isinstance(tests, list | tuple) else []
