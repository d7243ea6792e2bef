"""The playground: the step's template, its variables apart, and the grid of prompts and models.

The calls are made where runs are made, in the engine's process; this screen follows their events, and can be
left and opened again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Checkbox, DataTable, Footer, Input, Label, TextArea

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.safe import clean, one_line
from tui.screens.playground.grid import GridTable, cell_text, variables_text
from tui.screens.playground.keeping import Row
from tui.screens.playground.prompts import RECORDED, PromptsControl
from tui.screens.playground.suggesting import LastName
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from engine.playground.cells import Cells, CellState
    from engine.playground.plan import Plan
    from engine.playground.step import PlayedStep
    from tui.service.requests import RunRequest
    from tui.session import RunSession

SIDES = ("Variables", "Message", "Cell")


class PlaygroundScreen(PromptsControl):
    """Opens on a step of a run; with `grid`, on a grid of it that was filled before, or is being filled."""

    CSS_PATH = "playground.tcss"
    BINDINGS = bindings_for("playground")

    def __init__(self, run_id: str, step_id: str, *, grid: str | None = None) -> None:
        super().__init__(name="playground")
        self._run_id, self._step_id, self._grid_id = run_id, step_id, grid
        self._played: PlayedStep | None = None
        self._cells: Cells | None = None
        self._session: RunSession | None = None
        self._rows: list[Row] = []
        self._at = 0
        self._side = SIDES[0]
        self._seen = (-1, -1)

    def compose(self) -> ComposeResult:
        yield TitleBar("Playground")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield TabStrip((RECORDED,), id="prompts")
                area = TextArea("", id="template", soft_wrap=True)
                area.border_title = "Prompt"
                yield area
                with Horizontal(classes="field"):
                    yield Label("Models")
                    yield Input(
                        id="models",
                        select_on_focus=False,
                        compact=True,
                        placeholder="NAME, NAME, … as `flowreasoner models` has them",
                    )
                with Horizontal(classes="field"):
                    yield Label("Repeats")
                    yield Input("1", id="repeats", compact=True, type="integer", max_length=3)
                    yield Checkbox("Run visible tests", id="test", compact=True)
                yield Label("", id="complaint", markup=False)
                grid = GridTable(id="grid")
                grid.border_title = "Grid"
                yield grid
            with Vertical(id="right"):
                yield TabStrip(SIDES, id="sides")
                side = TextView(id="side", classes="pane", empty="Reading the step …")
                yield side
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#template", TextArea).read_only = True
        self.query_one("#complaint").display = False
        self.run_worker(self._load, group="step", exclusive=True)
        self.set_interval(self.navigation.tick, self._sync)

    async def _load(self) -> None:
        from engine.playground.cells import Cells
        from tui.service.asked.playground import read_step

        app = self.navigation
        try:
            if self._grid_id is not None:
                self._cells = Cells()
                async for chunk in app.records.events(self._grid_id):
                    for event in chunk:
                        self._cells.take(event)
            self._played = await asyncio.to_thread(
                read_step, app.workbench.store_path, self._run_id, self._step_id
            )
        except ExpectedError as error:
            self.notify(one_line(str(error), 300), severity="error", timeout=10)
            self.dismiss()
            return
        self._fill()
        if self._cells is not None and not self._cells.finished and self._grid_id:
            self._session = next((s for s in app.engines.sessions if s.run_id == self._grid_id), None)
            await app.workbench.live()  # another terminal may have started it since
            await self._follow(self._grid_id)

    def _fill(self) -> None:
        """What was read into the form."""
        from engine.playground.plan import is_solution

        played = self._played
        assert played is not None
        plan = self._cells.plan if self._cells else None
        template = played.template.text
        self._rows = [Row(RECORDED, template, clean(template))]
        for edit in plan.edits if plan else ():
            if edit.text is not None:
                self._rows.append(Row(edit.name, edit.text, clean(edit.text)))
        if len(self._rows) == 1:
            self._add_row(template)
        place = played.record.place(played.step)
        self.query_one(TitleBar).crumb = one_line(f"Playground  ›  {place} {played.step.operator}", 100)
        self.query_one("#models", Input).value = ", ".join(plan.models if plan else (played.call.model,))
        if plan:
            self.query_one("#repeats", Input).value = str(plan.repeats)
        can_test = played.problem.kind == "code" and bool(played.problem.tests.visible)
        box = self.query_one("#test", Checkbox)
        box.display = can_test
        box.value = plan.test if plan else is_solution(played)
        self.run_worker(self._suggest, group="models")
        self._show_row(len(self._rows) - 1)
        (self.query_one("#grid") if plan else self.query_one("#template")).focus()

    async def _suggest(self) -> None:
        from engine.config import ConfigError, load
        from engine.models.registry import available

        try:
            names = [info.name for info in await asyncio.to_thread(lambda: available(load()))]
        except ConfigError:
            return  # the settings in force were read before the file was broken
        self.query_one("#models", Input).suggester = LastName(names)

    # -- the grid --------------------------------------------------------------------------------

    def _plan(self) -> Plan:
        """What the form says. Raises PlaygroundError."""
        from engine.playground.plan import Plan, PromptEdit

        played = self._played
        assert played is not None
        asked = [PromptEdit(RECORDED)]
        for row in self._rows[1:]:
            if row.text != played.template.text:  # the recorded prompt is not asked twice
                asked.append(PromptEdit(row.name, row.text))
        repeats = int(self.query_one("#repeats", Input).value or 0)
        box = self.query_one("#test", Checkbox)
        return Plan(
            played.record.run_id,
            played.step.id,
            self._models(),
            tuple(asked),
            repeats,
            box.display and box.value,
        )

    def action_run(self) -> None:
        """Check the form and have the grid filled."""
        from tui.service.asked.playground import grid_request

        if self._played is None:
            return
        if self._session is not None and not self._session.state.finished:
            self._complain("The grid is being filled; cancel it first.")
            return
        try:
            request = grid_request(self._played, self._plan())
        except ExpectedError as error:
            self._complain(str(error))
            return
        except ValueError as error:
            self._complain(f"Repeats: {error}")
            return
        self._complain("")
        self._begin(request)

    def _begin(self, request: RunRequest) -> None:
        from engine.playground.cells import Cells

        self._cells = Cells()
        self._session = self.navigation.start_run(request, show=False)
        self._side = "Cell"
        self.query_one("#grid").focus()
        self._grid_id = None
        self._sync(force=True)

    def _watch(self) -> None:
        """Follow the run that was started once it has begun."""
        session, cells = self._session, self._cells
        if session is None or cells is None or self._grid_id is not None:
            return
        if session.run_id:
            self._grid_id = session.run_id
            self.run_worker(partial(self._follow, session.run_id), group="follow", exclusive=True)
        elif session.state.finished and not cells.finished:
            cells.end(session.state.status, session.state.error)

    async def _follow(self, run_id: str) -> None:
        from tui.service.engine_process.sockets import EngineError

        cells = self._cells
        assert cells is not None
        known = cells.last_seq
        try:
            async for event in self.navigation.workbench.follow(run_id, known):
                cells.take(event)
        except EngineError as error:
            cells.end("interrupted", str(error))

    def action_cancel(self) -> None:
        if self._session is not None and not self._session.state.finished:
            self.navigation.engines.act(self._session, "cancel")
        else:
            self.notify("Nothing is being asked.")

    def _states(self, row: int, column: int) -> list[CellState]:
        """The repeats of a cell as the last grid has them, by the names of its prompt and model."""
        from engine.playground.plan import Cell

        plan = self._cells.plan if self._cells else None
        models = self._models()
        if plan is None or self._cells is None or row >= len(self._rows) or column >= len(models):
            return []
        edits = [e.name for e in plan.edits]
        if self._rows[row].name not in edits or models[column] not in plan.models:
            return []
        edit, model = edits.index(self._rows[row].name), plan.models.index(models[column])
        return [self._cells[Cell(edit, model, r)] for r in range(1, plan.repeats + 1)]

    # -- state to widgets ------------------------------------------------------------------------

    def _sync(self, force: bool = False) -> None:
        if self._played is None or not self._rows:
            return
        self._watch()
        seen = (self._cells.revision if self._cells else -1, id(self._cells))
        grid = self.query_one("#grid", GridTable)
        if not force and seen == self._seen:
            return
        self._seen = seen
        models = self._models()
        grid.shape([row.name for row in self._rows], models)
        for row in range(len(self._rows)):
            for column in range(len(models)):
                grid.tell(row, column, self._states(row, column))
        cells = self._cells
        status = "" if cells is None else "starting" if cells.status == "waiting" else cells.status
        note = one_line(f"{status}: {cells.error}", 100) if cells and cells.error else status
        grid.border_subtitle = note.replace("[", "\\[")
        self._sync_side()

    def _sync_side(self) -> None:
        from engine.playground.template import TemplateError

        played, view = self._played, self.query_one("#side", TextView)
        assert played is not None
        self.query_one("#sides", TabStrip).active = self._side
        if self._side == "Variables":
            template = played.template
            listed = [(v.name, v.origin, v.value) for v in template.variables.values()]
            kept = f"Prompts of the workflow in it: {', '.join(template.prompts) or 'none'}\n\n"
            view.show(kept + variables_text(listed, [v.name for v in template.absent]))
        elif self._side == "Message":
            try:
                view.show(played.template.fill(self._rows[self._at].text))
            except TemplateError as error:
                view.show(f"This cannot be filled in: {error}")
        else:
            at = self.query_one("#grid", GridTable).cursor_coordinate
            models = self._models()
            if at.row < len(self._rows) and at.column < len(models):
                heading = f"{self._rows[at.row].name} · {models[at.column]}"
                view.show(cell_text(heading, self._states(at.row, at.column)))

    @on(TabStrip.Picked, "#sides")
    def _pick_side(self, event: TabStrip.Picked) -> None:
        self._side = event.name
        self._sync(force=True)

    @on(DataTable.CellHighlighted, "#grid")
    def _pick_cell(self) -> None:
        if self.focused is self.query_one("#grid"):
            self._side = "Cell"
        self._sync(force=True)

    @on(Input.Changed, "#models")
    def _models_typed(self) -> None:
        self._sync(force=True)

    def action_next_side(self) -> None:
        self.query_one("#sides", TabStrip).step(1)
