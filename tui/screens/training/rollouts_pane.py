"""The rollouts of a step: its groups, and the candidates of one side by side."""

from __future__ import annotations

from statistics import fmean, pstdev
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.format import plural
from tui.jobs.curves import value_text
from tui.safe import one_line
from tui.widgets.candidates_view import CandidatesView
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView

if TYPE_CHECKING:
    from store.jobs.reading import CandidateRow
    from tui.service.records import Records

GROUP_COLUMNS = (
    Column("Problem", "name", least=12),
    Column("Candidates", "number"),
    Column("Mean", "number"),
    Column("Best", "number"),
    Column("± std", "number"),
    Column("Dropped", "number", rank=6),
)
EMPTY = "No rollouts yet. A job that learns from rewards reports them with each step."


class RolloutsPane(Vertical):
    """Shows the newest step until the user goes to another one."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._steps: list[int] = []
        self._step: int | None = None  # None: whatever is newest
        self._groups: dict[str, list[CandidateRow]] = {}

    def compose(self) -> ComposeResult:
        yield TableView(GROUP_COLUMNS, id="groups", empty=EMPTY)
        yield CandidatesView(id="candidates", empty="Nothing is selected.")

    def on_mount(self) -> None:
        self.query_one("#candidates").border_title = "Candidates"

    async def load(self, records: Records, job_id: str) -> None:
        """Read the step that is shown."""
        self._steps = await records.read(lambda reader: reader.jobs.rollout_steps(job_id))
        step = self._shown_step
        groups: dict[str, list[CandidateRow]] = {}
        if step is not None:
            for row in await records.read(lambda reader: reader.jobs.candidates(job_id, step)):
                groups.setdefault(row.group, []).append(row)
        self._groups = groups
        self._show()

    @property
    def pages(self) -> int:
        """How many steps there are to turn to."""
        return len(self._steps)

    @property
    def _shown_step(self) -> int | None:
        if not self._steps:
            return None
        return self._step if self._step in self._steps else self._steps[-1]

    def to_step(self, by: int) -> None:
        """Go to an earlier or a later step; the newest one is followed."""
        step = self._shown_step
        if step is None:
            return
        at = min(max(self._steps.index(step) + by, 0), len(self._steps) - 1)
        self._step = self._steps[at] if at < len(self._steps) - 1 else None

    def to_newest(self) -> None:
        self._step = None

    def _show(self) -> None:
        table = self.query_one("#groups", TableView)
        step = self._shown_step
        followed = ", the newest" if self._step is None else f" of {self._steps[-1]}" if self._steps else ""
        table.border_title = "Rollouts" if step is None else f"Rollouts of step {step}{followed}"
        table.tell(plural(len(self._groups), "group") if self._groups else "")
        table.show([_group_row(name, rows) for name, rows in self._groups.items()])
        table.refresh()
        self._show_group()

    @on(LineList.Highlighted, "#groups")
    def _show_group(self) -> None:
        rows = self._groups.get(self.query_one("#groups", TableView).selected or "", [])
        view = self.query_one("#candidates", CandidatesView)
        view.border_title = one_line(rows[0].problem, 60) if rows else "Candidates"
        view.show(rows)

    @on(LineList.Chosen, "#groups")
    def _enter_group(self) -> None:
        self.screen.set_focus(self.query_one("#candidates"))


def _group_row(name: str, rows: list[CandidateRow]) -> TableRow:
    rewards = [row.reward for row in rows if row.reward is not None]
    spread = pstdev(rewards) if len(rewards) > 1 else None
    return TableRow(
        name,
        (
            (one_line(rows[0].problem or name, 100), ""),
            (str(len(rows)), "muted"),
            (value_text(fmean(rewards)) if rewards else "–", ""),
            (value_text(max(rewards)) if rewards else "–", "success"),
            # A group that is all alike teaches nothing.
            ("–" if spread is None else value_text(spread), "muted" if spread else "warning"),
            (str(len(rows) - len(rewards) or ""), "warning"),
        ),
    )
