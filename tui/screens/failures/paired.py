"""Forks beside the runs that they are forks of: how many pass now, and which could not be edited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from textual import on
from textual.app import ComposeResult

from tui import format as fmt
from tui.format import plural
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.trace.marks import Piece, status_mark
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.rows import RunRow
    from tui.session import RunSession

LOOK_SECONDS = 0.5
COLUMNS = (
    Column("Problem", "name", least=16),
    Column("Variant", "name", least=11, rank=1),
    Column("Before", least=12),
    Column("Now", least=12),
    Column("Why not", least=30, most=300),
)


class Paired(NamedTuple):
    """A run with its fork, or with the reason why it has none."""

    run: RunRow
    fork: RunSession | None
    why_not: str = ""


def result_line(found: Sequence[Paired]) -> str:
    """How many of the forks pass, of how many that have ended, begun, or could not be."""
    forks = [one.fork.state for one in found if one.fork is not None]
    ended = [state for state in forks if state.finished]
    passed = sum(state.status == "passed" for state in ended)
    parts = [f"{passed} of {plural(len(ended), 'fork')} {'passes' if len(ended) == 1 else 'pass'} now"]
    if len(ended) < len(forks):
        parts.append(f"{len(forks) - len(ended)} in progress")
    if len(forks) < len(found):
        parts.append(f"{plural(len(found) - len(forks), 'run')} not forked")
    return ", ".join(parts if forks else parts[1:])


class PairedScreen(WorkbenchScreen[None]):
    """`enter` sets a run and its fork side by side, or shows a fork that is in progress."""

    def __init__(self, found: Sequence[Paired]) -> None:
        super().__init__(name="forks")
        self._found = tuple(found)

    def compose(self) -> ComposeResult:
        yield TitleBar("Forks of a cluster")
        table = TableView(COLUMNS, id="forks", empty="No run was forked.")
        table.border_title = "Before and now"
        yield table
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#forks"))
        self.set_interval(LOOK_SECONDS, self._show)
        self._show()

    def _show(self) -> None:
        table = self.query_one("#forks", TableView)
        table.show([_row(one) for one in self._found])
        table.tell(result_line(self._found))
        table.refresh()

    @property
    def shown_run(self) -> str | None:
        one = self._selected
        return one.fork.run_id or None if one is not None and one.fork is not None else None

    @property
    def _selected(self) -> Paired | None:
        key = self.query_one("#forks", TableView).selected
        return next((one for one in self._found if one.run.id == key), None)

    @on(LineList.Chosen, "#forks")
    def _open(self) -> None:
        one = self._selected
        if one is None:
            return
        if one.fork is None:
            self.navigation.open_trace(one.run.id)
        elif one.fork.state.finished and one.fork.run_id:
            self.navigation.open_comparison((one.run.id, one.fork.run_id))
        else:
            self.navigation.open_session(one.fork)


def _row(one: Paired) -> TableRow:
    state = one.fork.state if one.fork is not None else None
    now: Piece = _outcome(state.status, state.score) if state is not None else ("not forked", "muted")
    why = one.why_not or (state.error or "" if state is not None and state.finished else "")
    cells: tuple[Piece, ...] = (
        (one_line(one.run.problem_id, 200), ""),
        (one_line(one.run.variant, 200), "muted"),
        _outcome(one.run.status, one.run.score),
        now,
        (one_line(why, 300), "warning" if one.why_not else "muted"),
    )
    return TableRow(one.run.id, cells)


def _outcome(status: str, score: float | None) -> Piece:
    glyph, ink, words = status_mark(status)
    return f"{glyph} {words}{'' if score is None else f' {fmt.score(score)}'}", ink
