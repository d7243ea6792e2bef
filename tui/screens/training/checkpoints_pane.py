"""The checkpoints of a job that are here, the newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import Vertical

from tui.widgets.table_view import Column, TableRow, TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from training.jobs.directory import Checkpoint

CHECKPOINT_COLUMNS = (
    Column("Step", "number"),
    Column("Model", "name", least=12),
    Column("Folder", least=12, rank=9),
)
EMPTY = "No checkpoint yet. E evaluates one against its base."


class CheckpointsPane(Vertical):
    """A table of checkpoints; each is a model by the name in it."""

    def compose(self) -> ComposeResult:
        yield TableView(CHECKPOINT_COLUMNS, id="checkpoints", empty=EMPTY)

    def on_mount(self) -> None:
        self.query_one("#checkpoints").border_title = "Checkpoints"

    @property
    def selected(self) -> int | None:
        """The step of the checkpoint under the cursor; None where there is none."""
        step = self.query_one("#checkpoints", TableView).selected
        return int(step) if step is not None else None

    def show(self, job_id: str, found: Sequence[Checkpoint]) -> None:
        rows = [
            TableRow(
                str(one.step),
                ((f"{one.step:,}", ""), (f"job:{job_id}@{one.step}", "accent"), (str(one.folder), "muted")),
            )
            for one in found
        ]
        self.query_one("#checkpoints", TableView).show(rows)
