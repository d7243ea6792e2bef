"""The playground: the step's template, its variables apart, and the grid of prompts and models.

The calls are made where runs are made, in the engine's process; this screen follows their events, and can be
left and opened again.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import DataTable, Input, Label

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.screens.playground.grid import GridTable
from tui.screens.playground.grid_run import GridRun
from tui.screens.playground.keeping import fork_of, save_as_variant
from tui.screens.playground.prompts import RECORDED, PromptEditor, Row
from tui.screens.playground.side_pane import SidePane
from tui.screens.playground.suggesting import LastName
from tui.widgets.check_box import CheckBox
from tui.widgets.footer import Footer
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from engine.playground.cells import CellState
    from engine.playground.plan import GridPlan
    from engine.playground.step import PlayedStep


LAST = "playground"  # the run and the step that were played with last, in `tui.memory`


class PlaygroundScreen(DraftedScreen[None]):
    """Opens on a step of a run; with `grid`, on a grid of it that was filled before, or is being filled."""

    CSS_PATH = "playground.tcss"
    BINDINGS = bindings_for("playground")

    def __init__(self, run_id: str, step_id: str, *, grid: str | None = None) -> None:
        super().__init__(name="playground")
        self._run_id, self._step_id, self._grid_id = run_id, step_id, grid
        self._played: PlayedStep | None = None
        self.filling: GridRun | None = None
        self._prompts = PromptEditor(id="prompt-editor")
        self._grid = GridTable(id="grid")
        self._side = SidePane(id="right")
        self._seen = (-1, -1)
        self.form = f"playground:{run_id}:{step_id}"

    def compose(self) -> ComposeResult:
        yield TitleBar("Playground")
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield self._prompts
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
                    yield CheckBox("Run visible tests", id="test")
                yield Label("", id="complaint", markup=False)
                self._grid.border_title = "Grid"
                yield self._grid
            yield self._side
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#complaint").display = False
        self.run_worker(self._load, group="step", exclusive=True)
        self.set_interval(self.navigation.tick, self._sync)

    async def _load(self) -> None:
        from tui.service.asked.playground import read_step

        app, filling = self.navigation, None
        try:
            if self._grid_id is not None:
                filling = GridRun(self._grid_id, app.engines.session_of(self._grid_id))
                await filling.read(app.records)
            store = app.workbench.store_path
            self._played = await asyncio.to_thread(read_step, store, self._run_id, self._step_id)
        except ExpectedError as error:
            self.notify(one_line(str(error), 300), severity="error", timeout=10)
            self.dismiss()
            return
        self.filling = filling
        app.memory.put(LAST, [self._run_id, self._step_id])
        self._fill(self._played)
        if filling is not None and not filling.cells.finished:
            await app.workbench.live()  # another terminal may have started it since
            await filling.follow(app.workbench)

    def _fill(self, played: PlayedStep) -> None:
        """What was read into the form."""
        from engine.playground.plan import is_solution

        plan = self.filling.cells.plan if self.filling else None
        edits = [(e.name, e.text) for e in plan.edits if e.text is not None] if plan else []
        place = played.record.place(played.step)
        self.query_one(TitleBar).crumb = one_line(f"Playground  ›  {place} {played.step.operator}", 100)
        self.query_one("#models", Input).value = ", ".join(plan.models if plan else (played.call.model,))
        if plan:
            self.query_one("#repeats", Input).value = str(plan.repeats)
        can_test = played.problem.kind == "code" and bool(played.problem.tests.visible)
        box = self.query_one("#test", CheckBox)
        box.display = can_test
        box.value = plan.test if plan else is_solution(played)
        self.run_worker(self._suggest, group="models")
        self._prompts.fill(played.template.text, edits)
        if self.restore():
            self.notify("The form has the prompts you were editing.")
        self.set_focus(self._grid if plan else self.query_one("#template"))
        self._sync(force=True)

    async def _suggest(self) -> None:
        from engine.config import ConfigError, load
        from engine.models.registry import available

        try:
            names = [info.name for info in await asyncio.to_thread(lambda: available(load()))]
        except ConfigError:
            return  # the settings in force were read before the file was broken
        self.query_one("#models", Input).suggester = LastName(names)

    def filled(self) -> dict[str, Any]:
        return {
            "edits": [[row.name, row.text] for row in self._prompts.rows[1:]],
            "models": self.query_one("#models", Input).value,
            "repeats": self.query_one("#repeats", Input).value,
            "test": self.query_one("#test", CheckBox).value,
        }

    def fill(self, values: dict[str, Any]) -> None:
        edits = [(str(name), str(text)) for name, text in _pairs(values.get("edits"))]
        if edits and self._played is not None:
            self._prompts.fill(self._played.template.text, edits)
        for name in ("models", "repeats"):
            box = self.query_one(f"#{name}", Input)
            box.value = text_of(values, name, box.value)
        self.query_one("#test", CheckBox).value = values.get("test") is True

    # -- the form --------------------------------------------------------------------------------

    @property
    def _models(self) -> tuple[str, ...]:
        names = (name.strip() for name in self.query_one("#models", Input).value.split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    def _complain(self, text: str) -> None:
        label = self.query_one("#complaint", Label)
        label.display = bool(text)
        label.update(one_line(text, 300))

    def _plan(self, played: PlayedStep) -> GridPlan:
        """What the form says. Raises PlaygroundError."""
        from engine.playground.plan import GridPlan, PromptEdit

        asked = [PromptEdit(RECORDED)]
        for row in self._prompts.rows[1:]:
            if row.text != played.template.text:  # the recorded prompt is not asked twice
                asked.append(PromptEdit(row.name, row.text))
        repeats = int(self.query_one("#repeats", Input).value or 0)
        box = self.query_one("#test", CheckBox)
        return GridPlan(
            played.record.run_id,
            played.step.id,
            self._models,
            tuple(asked),
            repeats,
            box.display and box.value,
        )

    def _chosen(self) -> tuple[Row, str] | None:
        """The prompt and the model under the grid's cursor."""
        at, models, rows = self._grid.cursor_coordinate, self._models, self._prompts.rows
        if self._played is None or at.row >= len(rows) or at.column >= len(models):
            return None
        return rows[at.row], models[at.column]

    # -- keys ------------------------------------------------------------------------------------

    def action_run(self) -> None:
        """Check the form and have the grid filled."""
        from tui.service.asked.playground import grid_request

        if self._played is None:
            return
        if self.filling is not None and self.filling.is_being_filled:
            self._complain("The grid is running; cancel it first.")
            return
        try:
            request = grid_request(self._played, self._plan(self._played))
        except ExpectedError as error:
            self._complain(str(error))
            return
        except ValueError as error:
            self._complain(f"Repeats: {error}")
            return
        self._complain("")
        self.filling = GridRun(session=self.navigation.start_run(request, show=False))
        self._side.turn_to_cell()
        self.set_focus(self._grid)
        self._sync(force=True)

    def action_cancel(self) -> None:
        filling = self.filling
        if filling is not None and filling.session is not None and filling.is_being_filled:
            self.navigation.engines.act(filling.session, "cancel")
        else:
            self.notify("No grid is running.")

    def action_fork(self) -> None:
        """The run again from the step on, with the prompt and the model of the cell."""
        if chosen := self._chosen():
            self.run_worker(partial(self._fork, *chosen), group="promote", exclusive=True)

    async def _fork(self, row: Row, model: str) -> None:
        store, played = self.navigation.workbench.store_path, self._played
        assert played is not None
        try:
            self.navigation.start_run(await asyncio.to_thread(fork_of, store, played, row, model))
        except ExpectedError as error:
            self._complain(str(error))

    def action_save(self) -> None:
        """The workflow with the prompt of the cell, as a variant."""
        chosen, played = self._chosen(), self._played
        if chosen is not None and played is not None:
            store = self.navigation.workbench.store_path
            save_as_variant(self, played, chosen[0], store, self._complain)

    def action_add_edit(self) -> None:
        """Another prompt, starting from the one on the screen."""
        if self._prompts.rows:
            self._prompts.add()

    def action_next_prompt(self) -> None:
        if self._prompts.rows:
            self._prompts.show_next()

    async def action_open_editor(self) -> None:
        if self._prompts.rows:
            await self._prompts.open_editor()

    def action_add_model(self) -> None:
        box = self.query_one("#models", Input)
        box.value = box.value.rstrip(", ") + ", " if box.value.strip(", ") else ""
        self.set_focus(box)
        box.cursor_position = len(box.value)

    def action_next_side(self) -> None:
        self._side.step()

    # -- state to widgets ------------------------------------------------------------------------

    def _sync(self, force: bool = False) -> None:
        played, filling, rows = self._played, self.filling, self._prompts.rows
        if played is None or not rows:
            return
        if filling is not None and filling.has_begun():
            follow = partial(filling.follow, self.navigation.workbench)
            self.run_worker(follow, group="follow", exclusive=True)
        seen = (filling.cells.revision if filling else -1, id(filling))
        if not force and seen == self._seen:
            return
        self._seen = seen
        models = self._models
        self._grid.shape([row.name for row in rows], models)
        for row, prompt in enumerate(rows):
            for column, model in enumerate(models):
                self._grid.tell(row, column, filling.states(prompt.name, model) if filling else [])
        self._grid.border_subtitle = one_line(filling.note if filling else "", 100).replace("[", "\\[")
        shown, (heading, states, recorded) = self._prompts.row, self._cell(filling)
        self._side.show(played.template, shown.text, heading, states, recorded)

    def _cell(self, filling: GridRun | None) -> tuple[str, list[CellState], list[CellState]]:
        """The heading of the cell under the cursor, what became of it, and of the recorded prompt there."""
        if (chosen := self._chosen()) is None:
            return "", [], []
        prompt, model = chosen
        if filling is None:
            return f"{prompt.name} · {model}", [], []
        return (
            f"{prompt.name} · {model}",
            filling.states(prompt.name, model),
            filling.states(RECORDED, model) if prompt.name != RECORDED else [],
        )

    @on(PromptEditor.Changed)
    @on(SidePane.Switched)
    @on(Input.Changed, "#models")
    def _changed(self) -> None:
        self._sync(force=True)

    @on(DataTable.CellHighlighted, "#grid")
    def _picked_cell(self) -> None:
        if self.focused is self._grid:
            self._side.turn_to_cell()
        self._sync(force=True)


def _pairs(found: object) -> list[tuple[object, object]]:
    """The pairs of a draft's list; what is none is left out."""
    pairs = found if isinstance(found, list) else []
    return [(pair[0], pair[1]) for pair in pairs if isinstance(pair, list) and len(pair) == 2]
