"""The run that fills a grid: begun, followed or read again, and what became of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.service.engine_process.sockets import EngineError

if TYPE_CHECKING:
    from engine.playground.cells import CellState
    from tui.ports import Workbench
    from tui.service.records import Records
    from tui.session import RunSession


class GridRun:
    """One grid. `session` is the run's where it was started or is followed here."""

    def __init__(self, run_id: str = "", session: RunSession | None = None) -> None:
        from engine.playground.cells import Cells

        self.cells = Cells()
        self.session = session
        self._run_id = run_id

    @property
    def is_being_filled(self) -> bool:
        return self.session is not None and not self.session.state.finished

    @property
    def note(self) -> str:
        """How the run stands, in a few words."""
        status = "starting" if self.cells.status == "waiting" else self.cells.status
        return f"{status}: {self.cells.error}" if self.cells.error else status

    def states(self, prompt: str, model: str) -> list[CellState]:
        """The repeats of a cell, by the names of its prompt and model; none where it was not asked."""
        from engine.playground.plan import Cell

        plan = self.cells.plan
        edits = [edit.name for edit in plan.edits] if plan else []
        if plan is None or prompt not in edits or model not in plan.models:
            return []
        row, column = edits.index(prompt), plan.models.index(model)
        return [self.cells[Cell(row, column, repeat)] for repeat in range(1, plan.repeats + 1)]

    async def read(self, records: Records) -> None:
        """Take what the store has. Raises StoreError and PlaygroundError."""
        async for chunk in records.events(self._run_id):
            for event in chunk:
                self.cells.take(event)

    def has_begun(self) -> bool:
        """Whether the run can be followed, since it has an id now and had none when this was asked before."""
        session = self.session
        if session is None or self._run_id:
            return False
        self._run_id = session.run_id
        if not session.run_id and session.state.finished and not self.cells.finished:
            self.cells.end(session.state.status, session.state.error)
        return bool(self._run_id)

    async def follow(self, workbench: Workbench) -> None:
        """Take what comes, until the end."""
        try:
            async for event in workbench.follow(self._run_id, self.cells.last_seq):
                self.cells.take(event)
        except EngineError as error:
            self.cells.end("interrupted", str(error))
