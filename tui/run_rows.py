"""Runs as rows of a table, from the store and from sessions on screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui import format as fmt
from tui.safe import one_line
from tui.trace.marks import Piece, outcome_words, status_mark
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from store.annotations import Annotation
    from store.rows import RunRow
    from tui.session import RunSession

RUN_COLUMNS = (
    Column("", least=1),
    Column("Started", "time", rank=4),
    Column("Problem", "name", least=16),
    Column("Marks", least=12, rank=5),
    Column("Variant", "name", least=13, rank=1),
    Column("Meta-agent", "name", least=12, rank=7),
    Column("Worker", "name", least=12, rank=6),
    Column("Score", "number"),
    Column("Steps", "number", rank=8),
    Column("Tokens", "number", rank=3),
    Column("Cost", "number", rank=2),
    Column("Time", "number"),
)
RECENT_COLUMNS = (
    Column("", least=1),
    Column("Started", "time", rank=2),
    Column("Problem", "name", least=14),
    Column("Variant", "name", least=11, rank=1),
    Column("Score", "number"),
    Column("Time", "number", rank=3),
)
FAILURE_COLUMNS = (
    Column("", least=1),
    Column("Started", "time", rank=2),
    Column("Problem", "name", least=14),
    Column("What went wrong", least=18, most=400),
)
ACTIVE_COLUMNS = (
    Column("", least=1),
    Column("Problem", "name", least=24),
    Column("Round", "number", rank=2),
    Column("Done", "number", rank=2),
    Column("Waiting for", least=18, most=200),
    Column("Tokens", "number", rank=3),
    Column("Cost", "number", rank=4),
    Column("Time", "number", rank=1),
)


def run_row(run: RunRow, marked: Sequence[str] = (), said: Sequence[Annotation] = ()) -> TableRow:
    """A run for `RUN_COLUMNS` with what is `said` of it: a star before its problem is a bookmark. One that is
    marked has its letter in the comparison to come.
    """
    starred = any(a.kind == "bookmark" for a in said)
    return TableRow(
        run.id,
        (
            ("ABCD"[marked.index(run.id)], "accent") if run.id in marked else _mark(run.status),
            (fmt.day_time(run.started_at), "muted"),
            (f"{'★ ' if starred else ''}{'↳ ' if run.parent else ''}{one_line(run.problem_id, 200)}", ""),
            (one_line(fmt.marks_of([a for a in said if a.kind != "bookmark"]), 200), "accent"),
            (one_line(run.variant, 200), "muted"),
            (one_line(run.meta_agent, 200), "muted"),
            (one_line(run.worker, 200), "muted"),
            _score(run),
            (str(run.steps), "muted"),
            (fmt.count(run.tokens_in + run.tokens_out), "muted"),
            (fmt.cost(run.cost_usd), "muted"),
            (fmt.duration(run.wall_ms), "muted"),
        ),
    )


def recent_row(run: RunRow) -> TableRow:
    """A run for `RECENT_COLUMNS`."""
    return TableRow(
        run.id,
        (
            _mark(run.status),
            (fmt.day_time(run.started_at), "muted"),
            (one_line(run.problem_id, 200), ""),
            (one_line(run.variant, 200), "muted"),
            _score(run),
            (fmt.duration(run.wall_ms), "muted"),
        ),
    )


def failure_row(run: RunRow) -> TableRow:
    """A run for `FAILURE_COLUMNS`."""
    _, ink, _ = status_mark(run.status)
    what = fmt.signature(run.error_sig) if run.error_sig else outcome_words(run.status, run.score)
    reason = run.error or (what if run.score is None else f"{what}, score {fmt.score(run.score)}")
    return TableRow(
        run.id,
        (
            _mark(run.status),
            (fmt.day_time(run.started_at), "muted"),
            (one_line(run.problem_id, 200), ""),
            (one_line(reason, 400), ink),
        ),
    )


def active_row(number: int, session: RunSession, stalled: str = "") -> TableRow:
    """A session for `ACTIVE_COLUMNS`; `stalled` says what it has waited for too long."""
    from tui.trace.waiting import waiting_on

    state = session.state
    planned = f"/{state.rounds_planned}" if state.rounds_planned else ""
    return TableRow(
        str(number),
        (
            _mark(state.status),
            (one_line(session.title, 60), ""),
            (f"{state.tree.round.number}{planned}" if state.tree.round else "", "muted"),
            (fmt.plural(state.steps_total, "step") if state.steps_total else "", "muted"),
            (one_line(stalled or waiting_on(state).text, 120), "warning" if stalled else "accent"),
            (fmt.count(state.spent.tokens), "muted"),
            (fmt.cost(state.spent.cost_usd), "muted"),
            (fmt.clock(state.elapsed_ms(session.since_last_event()) / 1000), "muted"),
        ),
    )


def _mark(status: str) -> Piece:
    glyph, ink, _ = status_mark(status)
    return glyph, ink


def _score(run: RunRow) -> Piece:
    """The score; a star says that a model wrote the tests, a tilde that the workflow was repaired."""
    marks = ("*" if run.tests_written_by == "model" else "") + ("~" if run.strict is False else "")
    return f"{fmt.score(run.score)}{marks}", "warning" if marks else ""
