"""The grid on the screen: a row a prompt, a column a model, a cell what came of asking."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from tui.actions import bindings_for
from tui.format import cost, count, duration
from tui.safe import one_line, shown
from tui.trace.marks import status_mark
from tui.trace.outline import test_results
from tui.widgets.line_view import overlay
from tui.word_diff import unified

if TYPE_CHECKING:
    from engine.playground.cells import CellState

_MODEL_CHARS = 24
_NAME_CHARS = 16


class GridTable(DataTable[Text]):
    """Cells by (row, column); the cursor is on one."""

    BINDINGS = bindings_for("grid")

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, cursor_type="cell", zebra_stripes=False)
        self._shape: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
        self._told: dict[Coordinate, tuple[str, str]] = {}  # text and ink

    def on_mount(self) -> None:
        self.app.theme_changed_signal.subscribe(self, lambda _: self._draw(*self._told))

    def shape(self, prompts: Sequence[str], models: Sequence[str]) -> None:
        """Have these rows and columns; the cursor stays where it was."""
        wanted = (tuple(prompts), tuple(models))
        if wanted == self._shape:
            return
        self._shape, self._told = wanted, {}
        at = self.cursor_coordinate
        self.clear(columns=True)
        for model in models:
            self.add_column(Text(one_line(model, _MODEL_CHARS)))
        for name in prompts:
            self.add_row(*[Text("–\n")] * len(models), label=Text(one_line(name, _NAME_CHARS)), height=2)
        row, column = min(at.row, len(prompts) - 1), min(at.column, len(models) - 1)
        if row >= 0 and column >= 0:
            self.move_cursor(row=row, column=column)

    def tell(self, row: int, column: int, states: Sequence[CellState]) -> None:
        """Show what became of the repeats of one cell; none where it was not asked."""
        at, lines = Coordinate(row, column), cell_lines(states)
        if self.is_valid_coordinate(at) and self._told.get(at) != lines:
            self._told[at] = lines
            self._draw(at)

    def _draw(self, *places: Coordinate) -> None:
        """Write these cells in the colours of the theme."""
        for at in places:
            text, ink = self._told[at]
            self.update_cell_at(at, Text(text, style=overlay(self, ink)), update_width=True)


def cell_lines(states: Sequence[CellState]) -> tuple[str, str]:
    """A cell in two lines, and the ink they are written in."""
    if not states:
        return "–\n", "muted"
    worst = next((s for s in states if s.status not in ("ok", "waiting", "running")), None)
    running = [s for s in states if s.status in ("waiting", "running")]
    if running:
        characters = sum(len(s.reply) for s in states)
        glyph, ink, words = status_mark(
            "running" if any(s.status == "running" for s in running) else "waiting"
        )
        return f"{glyph} {words}\n{f'{characters:,} characters' if characters else ''}", ink
    tested = [s for s in states if s.total is not None]
    passed = sum(s.passed == s.total for s in tested)
    of = f" {passed}/{len(tested)}" if len(tested) > 1 else ""
    if worst is not None:
        glyph, ink, words = status_mark(worst.status)
        failed = sum(s.status != "ok" for s in states)
        head = f"{glyph} {words}" + (f" {failed}/{len(states)}" if len(states) > 1 else "")
    elif tested:
        glyph, ink, words = status_mark("passed" if passed == len(tested) else "failed")
        single = f" {tested[0].passed}/{tested[0].total} tests" if len(tested) == 1 else f" {words}{of}"
        head = f"{glyph}{single}"
    else:
        glyph, ink, _ = status_mark("ok")
        head = f"{glyph} answered" + (f" {len(states)}" if len(states) > 1 else "")
    if not any(s.tokens_out for s in states):  # nothing was bought
        return f"{head}\n", ink
    return f"{head}  {_latency(states)}\n{_spent(states)}", ink


def _latency(states: Sequence[CellState]) -> str:
    """The mean of the repeats."""
    return duration(sum(s.latency_ms for s in states) / len(states))


def _spent(states: Sequence[CellState]) -> str:
    tokens_in, tokens_out = sum(s.tokens_in for s in states), sum(s.tokens_out for s in states)
    known = [s.cost_usd for s in states if s.cost_usd is not None]
    paid = cost(sum(known) if len(known) == len(states) else None)
    return f"{count(tokens_in)}→{count(tokens_out)} tok {paid}"


def cell_text(heading: str, states: Sequence[CellState]) -> str:
    """A cell in full: how it went, what the model replied, what the operator made of it, what tests said."""
    if not states:
        return f"{heading}\n\nNot asked yet."
    parts = [heading]
    for number, state in enumerate(states, 1):
        lines = [f"── repeat {number}"] if len(states) > 1 else []
        lines.append(status_mark(state.status)[2] or state.status)
        if state.tokens_out:
            lines[-1] += f", {_spent([state])}, {_latency([state])}"
        if state.ttft_ms is not None:
            lines[-1] += f", first token after {duration(state.ttft_ms)}"
        if state.calls > 1:
            lines.append(f"The step made {state.calls} model calls; the reply is the first one's.")
        if state.error:
            lines.append(f"Error: {state.error}")
        if state.total is not None:
            lines.append(f"Visible tests: {state.passed} of {state.total} passed")
            failed = (t for t in test_results(state.verdict) if t.get("status") != "passed")
            lines += [f"  {t['message']}" for t in failed if t.get("message")]
        parts += ["\n".join(lines), state.reply]
        if state.output is not None and (output := _output(state.output)) != state.reply:
            parts.append(f"Output of the step:\n{output}")
    return "\n\n".join(parts)


def _output(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        return str(next(iter(value.values())))
    if isinstance(value, dict):
        return "\n".join(f"{name}: {item}" for name, item in value.items())
    return str(value)


def changes_text(
    template: str, prompt: str, recorded: Sequence[CellState], states: Sequence[CellState]
) -> str:
    """A prompt against the recorded one, and below it, once both were asked, the first replies of a model."""
    told = [("prompt, against the recorded one", template, prompt)]
    if recorded and states and recorded[0].reply and states[0].reply:
        told.append(("reply, against the one to the recorded prompt", recorded[0].reply, states[0].reply))
    return "\n\n".join(f"── {title} ──\n{unified(old, new) or 'no change'}" for title, old, new in told)


def variables_text(variables: Sequence[tuple[str, str, str]], absent: Sequence[str]) -> str:
    """Name, origin and value of each variable, and which inputs the prompt does not quote."""
    parts = [
        f"{{{{{name}}}}}  {origin}, {len(value):,} characters\n{shown(value, 2_000).text}"
        for name, origin, value in variables
    ]
    if absent:
        parts.append(f"Inputs that are not in the prompt: {', '.join(absent)}")
    return "\n\n".join(parts) or "None of the step's inputs appears in its prompt."
