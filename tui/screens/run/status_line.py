"""The line under the title of a run: state, round, what it waits for, and the totals."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import RenderResult
from textual.content import Content
from textual.widget import Widget

from tui import format as fmt
from tui.safe import one_line
from tui.session import RunSession
from tui.trace.marks import outcome_words, status_mark
from tui.trace.waiting import waiting_on

_LEAST_REST = 8  # cells; less of what it waits for says nothing
_BRIEF = 50  # cells; a line that is shorter says less
_COLOURS = {"muted": "$foreground 60%", "accent": "$text-accent"}


class StatusLine(Widget):
    """Draws a session's state on one line; `stalled` says what it has waited for too long, if anything."""

    DEFAULT_CSS = """
    StatusLine { width: 1fr; height: 1; padding: 0 1; background: $background; }
    """

    def __init__(self, session: RunSession, stalled: Callable[[RunSession], str]) -> None:
        super().__init__(id="status")
        self._session = session
        self._told_stalled = stalled

    def render(self) -> RenderResult:
        state = self._session.shown
        width = self.content_region.width
        glyph, ink, _ = status_mark(state.status)
        words = outcome_words(state.status, state.score)
        colour = _COLOURS.get(ink, f"$text-{ink}")
        words = "loading" if self._session.loading else words
        if state.stop is not None:
            glyph, words, colour = "‖", "paused", "$text-warning"
        # Beside the names of the pages there is room for what it waits for alone.
        is_brief = width < _BRIEF
        named = glyph if is_brief and words == "running" else f"{glyph} {words}"
        parts: list[tuple[str, str]] = [(named, f"{colour} bold")]
        if state.finished and state.score is not None:
            parts.append((f"score {fmt.score(state.score)}", "bold"))
        if state.finished and state.val_score is not None and not is_brief:
            parts.append((f"val {fmt.score(state.val_score)}", "$foreground 60%"))
        if state.tree.round is not None and not state.finished:
            planned = f"/{state.rounds_planned}" if state.rounds_planned else ""
            parts.append(
                (f"{'' if is_brief else 'round '}{state.tree.round.number}{planned}", "$foreground 60%")
            )
        if state.tests_written_by_model:
            parts.append(("model-written tests", "$text-warning"))
        if state.evaluations and not state.evaluations[-1].strict:
            parts.append(("repaired workflow", "$text-warning"))
        totals = self._totals(width)
        left = _spread(parts)
        gap = ("  ·  ", "$foreground 35%") if not is_brief else ("  ", "")
        room = width - left.cell_length - totals.cell_length - len(gap[0]) - 1
        stalled = self._stalled()
        rest = state.error if state.finished else stalled or waiting_on(state).text
        if rest and room > _LEAST_REST:
            style = "$text-error" if state.finished else "$text-warning" if stalled else "$text-accent"
            left = Content.assemble(left, gap, (one_line(rest, room), style))
        return Content.assemble(left, " " * max(width - left.cell_length - totals.cell_length, 1), totals)

    def _stalled(self) -> str:
        if not self._session.live or self._session.position is not None:
            return ""
        return self._told_stalled(self._session)

    def _totals(self, width: int) -> Content:
        state = self._session.shown
        parts = [(fmt.clock(state.elapsed_ms(self._session.since_last_event()) / 1000), "bold")]
        if width >= 70:
            parts.insert(0, (f"{fmt.count(state.spent.tokens)} tokens", "$foreground 60%"))
        if width >= 100:
            cost = fmt.cost(state.spent.cost_usd, fmt.UNKNOWN_COST)
            parts.insert(1, (cost, "$foreground 60%"))
            parts.insert(0, (fmt.plural(state.spent.calls, "call"), "$foreground 60%"))
            parts.insert(0, (fmt.plural(state.steps_total, "step"), "$foreground 60%"))
        return _spread(parts)


def _spread(parts: list[tuple[str, str]]) -> Content:
    spaced: list[tuple[str, str]] = []
    for number, part in enumerate(parts):
        spaced += [("  ", ""), part] if number else [part]
    return Content.assemble(*spaced)
