"""What happened to a job: starts, checkpoints, alerts, ends, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Vertical

from store.jobs.reading import alert_text
from tui import format as fmt
from tui.jobs.curves import value_text
from tui.safe import one_line
from tui.trace.outline import Piece
from tui.widgets.table_view import Column, TableRow, TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from store.jobs.reading import JobEvent

EVENT_COLUMNS = (
    Column("", least=1),
    Column("When", least=11),
    Column("Step", "number"),
    Column("Try", "number"),
    Column("What", least=12, most=200),
)
_MARKS: dict[str, Piece] = {
    "start": ("▸", "accent"),
    "checkpoint": ("◆", "success"),
    "alert": ("!", "warning"),
    "end": ("■", "muted"),
}


class EventsPane(Vertical):
    """A table of events."""

    def compose(self) -> ComposeResult:
        yield TableView(EVENT_COLUMNS, id="events", empty="Nothing has happened yet.")

    def on_mount(self) -> None:
        self.query_one("#events").border_title = "Events"

    def show(self, events: Sequence[JobEvent]) -> None:
        table = self.query_one("#events", TableView)
        table.show(
            [_row(number, event) for number, event in zip(range(len(events), 0, -1), events, strict=True)]
        )
        alerts = sum(event.kind == "alert" for event in events)
        table.tell(fmt.plural(alerts, "alert") if alerts else "")


def _row(number: int, event: JobEvent) -> TableRow:
    glyph, ink = _MARKS.get(event.kind, ("?", "muted"))
    failed = event.kind == "end" and event.data.get("status") == "failed"
    return TableRow(
        str(number),
        (
            (glyph, "error" if failed else ink),
            (fmt.day_time(event.at), "muted"),
            ("" if event.step is None else f"{event.step:,}", "muted"),
            (str(event.attempt), "muted"),
            (one_line(_said(event.kind, event.data), 300), "error" if failed else "warning" * (glyph == "!")),
        ),
    )


def _said(kind: str, data: dict[str, Any]) -> str:
    """The event in words. Its fields may be anything."""
    if kind == "alert":
        return alert_text(data)
    if kind == "checkpoint":
        metrics = data.get("metrics")
        known = metrics.items() if isinstance(metrics, dict) else ()
        values = [f"{k} {value_text(v)}" for k, v in known if isinstance(v, int | float)]
        return f"checkpoint {str(data.get('content', ''))[:12]} {' '.join(values)}"
    if kind == "end":
        return f"{data.get('status', 'ended')}{': ' if data.get('error') else ''}{data.get('error') or ''}"
    return f"started from {data.get('base', '?')}, {data.get('total_steps', '?')} steps"
