"""The timeline of a run: which rows it has, and what each waited for at any time.

Times are seconds on the run's clock. A row's cells are painted in order, so that what is told last wins:
the sandbox, then the model, then a rate limit, then a stop.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from tui.trace.marks import Piece
from tui.trace.nodes import (
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

# What a cell of a bar shows: glyph, ink, and the word in the legend.
SANDBOX, MODEL, LIMIT, STOP, REUSED, FRAME = range(1, 7)
LOOKS: dict[int, tuple[str, str, str]] = {
    MODEL: ("█", "accent", "model"),
    SANDBOX: ("▒", "success", "sandbox"),
    LIMIT: ("╌", "warning", "rate limit"),
    STOP: ("┃", "error", "stopped"),
    REUSED: ("◇", "muted", "reused"),
    FRAME: ("─", "faint", ""),
}


@dataclass(frozen=True)
class Window:
    """The part of the run that is in view."""

    start: float
    end: float

    @property
    def span(self) -> float:
        return max(self.end - self.start, 1e-6)

    def zoomed(self, factor: float, at: float, whole: float) -> Window:
        """`factor` times as long around `at`, within 0 and `whole` seconds; never under a millisecond."""
        span = min(max(self.span * factor, 0.001), max(whole, 0.001))
        start = min(max(at - span / 2, 0.0), max(whole - span, 0.0))
        return Window(start, start + span)

    def moved(self, by: float, whole: float) -> Window:
        """Shifted by `by` of its length."""
        start = min(max(self.start + by * self.span, 0.0), max(whole - self.span, 0.0))
        return Window(start, start + self.span)


def timeline_rows(state: RunState, keep: Collection[Key] | None = None) -> list[tuple[Key, int]]:
    """What takes time, top to bottom with its depth: rounds, the meta-agent's calls, executions, steps.

    Steps that overlap are rows under each other. With `keep`, only those.
    """
    rows: list[tuple[Key, int]] = []
    stack = [(key, 0) for key in reversed(state.tree.roots)]
    while stack:
        key, depth = stack.pop()
        node = state.tree.nodes[key]
        if isinstance(node, NoticeNode | ProposalNode) or (keep is not None and key not in keep):
            continue
        rows.append((key, depth))
        if isinstance(node, RoundNode | ExecutionNode):
            stack.extend((child, depth + 1) for child in reversed(node.children))
    return rows


def extent(state: RunState, node: Node, now: float) -> tuple[float, float]:
    """When `node` began and ended; what runs still ends now."""
    if isinstance(node, CodeNode | EvaluationNode):
        # These are told once they are over.
        return max(node.started - (node.wall_ms or 0.0) / 1000, 0.0), node.started
    return node.started, max(now if node.ended is None else node.ended, node.started)


def cells(state: RunState, node: Node, window: Window, width: int, now: float) -> list[int]:
    """What each of `width` cells shows of `node`, 0 where it did not run."""
    line = [0] * width
    for kind, start, end in _parts(state, node, now):
        if end < window.start or start > window.end:
            continue
        first = int((start - window.start) / window.span * width)
        last = int((end - window.start) / window.span * width)
        first = min(max(first, 0), width - 1)
        last = min(max(last, first + 1), width)
        line[first:last] = [kind] * (last - first)
    return line


def _parts(state: RunState, node: Node, now: float) -> Iterator[tuple[int, float, float]]:
    """What `node` was at, and from when to when, what wins last."""
    start, end = extent(state, node, now)
    if isinstance(node, RoundNode | ExecutionNode):
        yield FRAME, start, end
        return
    if isinstance(node, StepNode) and node.reused:
        yield REUSED, start, end
        return
    if isinstance(node, CallNode):
        yield from _of_call(state, node, now)
    else:
        yield SANDBOX, start, end
        for child in node.children:
            inner = state.tree.nodes[child]
            if isinstance(inner, CallNode):
                yield from _of_call(state, inner, now)
    for pause in state.pauses:
        until = now if pause.ended is None else pause.ended
        if pause.started < end and until > start:
            yield STOP, max(pause.started, start), min(until, end)


def _of_call(state: RunState, call: CallNode, now: float) -> Iterator[tuple[int, float, float]]:
    start, end = extent(state, call, now)
    yield MODEL, start, end
    for retry in call.retries:
        yield LIMIT, retry.at, min(retry.at + retry.wait_s, end)


def pieces(line: list[int]) -> list[Piece]:
    """Cells as runs of glyphs."""
    found: list[Piece] = []
    start = 0
    for at in range(1, len(line) + 1):
        if at == len(line) or line[at] != line[start]:
            glyph, ink, _ = LOOKS.get(line[start], (" ", "", ""))
            found.append((glyph * (at - start), ink))
            start = at
    return found


def axis(window: Window, width: int) -> str:
    """Times over the bars, one about every sixteen cells."""
    marks = max(width // 16, 1)
    line = ""
    for number in range(marks):
        at = number * width // marks
        label = _time(window.start + window.span * at / width, window.span)
        if at >= len(line):
            line = f"{line:<{at}}╷{label}"
    return line[:width].ljust(width)


def _time(seconds: float, span: float) -> str:
    if span < 1:
        return f"{seconds * 1000:,.0f}ms"
    if seconds < 100 and span < 60:
        return f"{seconds:.1f}s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d}"
