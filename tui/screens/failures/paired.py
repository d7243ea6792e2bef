"""Runs before and now: forks beside the runs that they are of, and which runs could not be edited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import on
from textual.app import ComposeResult

from tui import format as fmt
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.service.asked.forked import MOST_FORKS, forks_beside, result_line
from tui.session import RunSession
from tui.trace.marks import Piece, status_mark
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from store.failures import Grouping
    from store.reader import Reader
    from store.rows import Forked, RunRow

LOOK_SECONDS = 0.5
REREAD_SECONDS = 2.0
COLUMNS = (
    Column("Problem", "name", least=16),
    Column("Variant", "name", least=11, rank=1),
    Column("Before", least=12),
    Column("Now", least=12),
    Column("Forked", "time", rank=2),
    Column("Why not", least=30, most=300),
)
NONE_YET = "None of these runs was forked or run again.\nIn Failures, F forks a cluster and A runs it again."


class Now(NamedTuple):
    """What has come of a fork. `run_id` is empty and `at`, when it began, None until it has begun."""

    status: str
    score: float | None
    error: str
    run_id: str
    at: float | None
    ended: bool


class Paired(NamedTuple):
    """A run with its fork, begun here or read from the store, or with the reason why it has none."""

    run: RunRow
    fork: RunSession | RunRow | None
    why_not: str = ""

    @property
    def key(self) -> str:
        """Its own among all of a table: a run of the store may have been forked more than once."""
        return self.run.id if self.now is None or isinstance(self.fork, RunSession) else self.now.run_id

    @property
    def now(self) -> Now | None:
        """None where there is no fork."""
        fork = self.fork
        if fork is None:
            return None
        if isinstance(fork, RunSession):
            state = fork.state
            error = state.error or "" if state.finished else ""
            return Now(state.status, state.score, error, fork.run_id, state.started_at, state.finished)
        ended = fork.status != "running"
        return Now(fork.status, fork.score, fork.error or "", fork.id, fork.started_at, ended)


class PairedScreen(WorkbenchScreen[None]):
    """`enter` sets a run and its fork side by side, or shows a fork that is in progress."""

    def __init__(
        self, found: Sequence[Paired] = (), *, read: Callable[[Reader], list[Forked]] | None = None
    ) -> None:
        """Forks that were `found` to begin, or else those that `read` finds in the store."""
        super().__init__(name="forks")
        self._found, self._read = tuple(found), read

    def compose(self) -> ComposeResult:
        yield TitleBar("Before and now")
        empty = "Reading the store …" if self._read else "No run was forked."
        table = TableView(COLUMNS, id="forks", empty=empty)
        table.border_title = "Before and now"
        yield table
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#forks"))
        if self._read is None:
            self.set_interval(LOOK_SECONDS, self._show)
            self._show()
        else:
            self.set_interval(REREAD_SECONDS, self._reread)
            self.read_store(self._load)

    def _reread(self) -> None:
        if self.is_current and any(one.now is not None and not one.now.ended for one in self._found):
            self.read_store(self._load, again=False)

    async def _load(self) -> None:
        assert self._read is not None
        found = await self.navigation.records.read(self._read)
        self._found = tuple(Paired(run, fork) for run, fork in found)
        self.query_one("#forks", TableView).empty = NONE_YET
        self._show()

    def _show(self) -> None:
        table = self.query_one("#forks", TableView)
        table.show([_row(one) for one in self._found])
        all_now = [one.now for one in self._found]
        line = result_line(now and (now.status if now.ended else "running") for now in all_now)
        table.tell(line if self._found else "", part=self._read is not None and len(all_now) >= MOST_FORKS)
        table.refresh()

    @property
    def shown_run(self) -> str | None:
        one = self._selected
        return one.now.run_id or None if one is not None and one.now is not None else None

    @property
    def _selected(self) -> Paired | None:
        key = self.query_one("#forks", TableView).selected
        return next((one for one in self._found if one.key == key), None)

    @on(LineList.Chosen, "#forks")
    def _open(self) -> None:
        one = self._selected
        if one is None:
            return
        if (now := one.now) is None:
            self.navigation.open_trace(one.run.id)
        elif now.ended and now.run_id:
            self.navigation.open_comparison((one.run.id, now.run_id))
        elif isinstance(one.fork, RunSession):
            self.navigation.open_session(one.fork)
        else:
            self.navigation.open_run(now.run_id)


def open_forks_of(screen: WorkbenchScreen[Any], by: Grouping, key: str) -> None:
    """Show the runs of a cluster beside their forks and reruns."""
    screen.app.push_screen(PairedScreen(read=lambda r: r.forks(cluster=(by, key), limit=MOST_FORKS)))


def open_forks_beside(screen: WorkbenchScreen[Any], run_id: str) -> None:
    """Show the forks and reruns of the runs that failed as this one did, or the one it is a fork of."""
    screen.app.push_screen(PairedScreen(read=lambda r: forks_beside(r, run_id)))


def _row(one: Paired) -> TableRow:
    now = one.now
    cells: tuple[Piece, ...] = (
        (one_line(one.run.problem_id, 200), ""),
        (one_line(one.run.variant, 200), "muted"),
        _outcome(one.run.status, one.run.score),
        _outcome(now.status, now.score) if now is not None else ("not forked", "muted"),
        ("" if now is None or now.at is None else fmt.day_time(now.at), "muted"),
        (one_line(one.why_not or (now.error if now else ""), 300), "warning" if one.why_not else "muted"),
    )
    return TableRow(one.key, cells)


def _outcome(status: str, score: float | None) -> Piece:
    glyph, ink, words = status_mark(status)
    return f"{glyph} {words}{'' if score is None else f' {fmt.score(score)}'}", ink
