"""What a cell of the playground is kept as: a fork of the run, or a variant."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from textual.widgets import Input, Label

from sandbox.errors import ExpectedError
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.playground.grid import GridTable

if TYPE_CHECKING:
    from engine.playground.step import PlayedStep
    from tui.service.requests import NewFork


@dataclass
class Row:
    """A prompt: `text` is the template as edited, `shown` what of it is on the screen."""

    name: str
    text: str
    shown: str


class KeepControl(WorkbenchScreen[None]):
    """The actions that keep the prompt and the model under the grid's cursor."""

    _played: PlayedStep | None
    _rows: list[Row]

    def _models(self) -> tuple[str, ...]:
        names = (name.strip() for name in self.query_one("#models", Input).value.split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    def _complain(self, text: str) -> None:
        label = self.query_one("#complaint", Label)
        label.display = bool(text)
        label.update(one_line(text, 300))

    def _chosen(self) -> tuple[Row, str] | None:
        """The prompt and the model under the grid's cursor."""
        at, models = self.query_one("#grid", GridTable).cursor_coordinate, self._models()
        if self._played is None or at.row >= len(self._rows) or at.column >= len(models):
            return None
        return self._rows[at.row], models[at.column]

    def action_fork(self) -> None:
        """The run again from the step on, with the prompt and the model of the cell."""
        if chosen := self._chosen():
            self.run_worker(partial(self._fork, *chosen), group="promote", exclusive=True)

    async def _fork(self, row: Row, model: str) -> None:
        from tui.service.asked.fork import fork_request, read_record

        played = self._played
        assert played is not None

        def request() -> NewFork:
            edited = row.text != played.template.text
            record = read_record(self.navigation.workbench.store_path, played.record.run_id)
            return fork_request(
                record,
                at=played.step.id,
                prompt=played.template.fill(row.text) if edited else None,
                worker=model if model != record.start.worker else None,
            )

        try:
            self.navigation.start_run(await asyncio.to_thread(request))
        except ExpectedError as error:
            self._complain(str(error))

    def action_save(self) -> None:
        """The workflow with the prompt of the cell, as a variant."""
        from tui.screens.ask.ask import AskScreen

        chosen, played = self._chosen(), self._played
        if chosen is None or played is None:
            return
        folder = self.navigation.workbench.store_path.parent / "variants"
        hint = f"A new folder; a bare name is made in {one_line(str(folder), 60)}."

        def save(name: str | None) -> None:
            if name:
                where = folder / name if "/" not in name else Path(name).expanduser()
                self.run_worker(partial(self._save, chosen[0], where), group="promote", exclusive=True)

        self.app.push_screen(AskScreen("Save the workflow with this prompt as", hint=hint), save)

    async def _save(self, row: Row, folder: Path) -> None:
        from engine.playground.promote import save_variant

        assert self._played is not None
        try:
            files = await asyncio.to_thread(save_variant, self._played, row.text, folder)
        except ExpectedError as error:
            self._complain(str(error))
            return
        self._complain("")
        self.notify(f"Saved; give {one_line(str(files[-1]), 200)} as the variant of a run.", timeout=10)
