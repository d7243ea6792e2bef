"""One edit for all runs of a cluster, made on one of them, and the forks that come of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Label

from sandbox.errors import ExpectedError
from tui.actions import bindings_for
from tui.format import plural
from tui.safe import one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.widgets.footer import Footer
from tui.widgets.text_field import TextField
from tui.widgets.title_bar import TitleBar
from tui.widgets.value_fields import FieldError, ValueFields

if TYPE_CHECKING:
    from store.rows import RunRow
    from tui.screens.base import WorkbenchScreen
    from tui.service.asked.edit_all import Edit, Editable

HINT = "A run in which the edited lines or inputs are not found is not forked."


class EditAllScreen(DraftedScreen["Edit | None"]):
    """Dismisses with the edit, or None."""

    CSS_PATH = "edit_all.tcss"
    BINDINGS = bindings_for("fork")

    def __init__(self, of: Editable, problem: str, runs: int) -> None:
        """`problem` names the run that is edited; the edit is for so many `runs`."""
        super().__init__(name="fork")
        self.form = f"fork-all:{of.run_id}"
        self._of, self._problem, self._runs = of, problem, runs

    def compose(self) -> ComposeResult:
        of = self._of
        yield TitleBar("Fork a cluster")
        title = f"One edit for {plural(self._runs, 'run')}, made on {one_line(self._problem, 80)}"
        yield Label(title, id="place", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield TextField(of.code, title="Workflow", id="code")
                if of.prompts.strip():
                    yield TextField(of.prompts, title="Prompts of the workflow", id="prompts")
            if of.inputs:
                with Vertical(id="right"):
                    yield Label(f"or the step of {one_line(of.operator, 60)}", id="step", markup=False)
                    yield ValueFields(of.inputs, title="Inputs of the step", id="inputs")
                    if of.prompt is not None:
                        yield TextField(of.prompt, title="Prompt, in place of the operator's", id="prompt")
        yield Label("", id="complaint", markup=False)
        yield Label(HINT, id="hint", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#complaint").display = False
        self.set_focus(self.query_one("#code"))
        if self.restore():
            self.notify("As you left it; ctrl+n starts over.")

    @property
    def _texts(self) -> dict[str, TextField]:
        return {str(field.id): field for field in self.query("#left TextField").results(TextField)}

    @property
    def _inputs(self) -> ValueFields | None:
        return self.query("#inputs").first(ValueFields) if self._of.inputs else None

    @property
    def _prompt(self) -> TextField | None:
        return self.query_one("#prompt", TextField) if self._of.prompt is not None else None

    def filled(self) -> dict[str, Any]:
        texts = {name: field.whole for name, field in self._texts.items()}
        return {
            **texts,
            "inputs": self._inputs.filled() if self._inputs else {},
            "prompt": self._prompt.whole if self._prompt else None,
        }

    def fill(self, values: dict[str, Any]) -> None:
        for name, field in self._texts.items():
            field.fill(text_of(values, name, field.whole))
        if self._prompt:
            self._prompt.fill(text_of(values, "prompt", self._prompt.whole))
        if self._inputs:
            self._inputs.fill(values.get("inputs"))

    def action_reset(self) -> None:
        self.start_over()

    def action_start(self) -> None:
        """Check what was edited and hand it over."""
        from tui.service.asked.edit_all import Edit

        texts, inputs, prompt = self._texts, self._inputs, self._prompt
        workflow = any(field.is_changed for field in texts.values())
        has_inputs = inputs is not None and inputs.is_changed
        has_prompt = prompt is not None and prompt.is_changed
        if workflow == (has_inputs or has_prompt):
            both = "Edit the workflow or the step; both are two forks."
            self._complain(both if workflow else "Nothing is edited yet.")
            return
        if workflow:
            prompts = texts["prompts"].value if "prompts" in texts else self._of.prompts
            self.dismiss(Edit(self._of, workflow=(texts["code"].value, prompts)))
            return
        try:
            value = inputs.value if inputs is not None and has_inputs else None
        except FieldError as error:
            self._complain(str(error))
            return
        if has_inputs and not isinstance(value, dict):
            self._complain("The inputs must be a JSON object of arguments by name.")
            return
        self.dismiss(Edit(self._of, inputs=value, prompt=prompt.value if prompt and has_prompt else None))

    async def action_open_editor(self) -> None:
        field = self.focused if isinstance(self.focused, TextField) else self._texts["code"]
        await field.open_editor()

    def action_turn(self) -> None:
        """The inputs as JSON, or as fields."""
        if self._inputs is not None:
            try:
                self._inputs.turn()
            except FieldError as error:
                self._complain(str(error))

    def _complain(self, text: str) -> None:
        label = self.query_one("#complaint", Label)
        label.display = True
        label.update(one_line(text, 300))


async def fork_all(screen: WorkbenchScreen[Any], of: RunRow, runs: Sequence[RunRow]) -> None:
    """Ask for the edit on `of`, and fork `runs` with it."""
    from tui.service.asked.edit_all import editable

    path = screen.navigation.workbench.store_path
    try:
        found = await asyncio.to_thread(editable, path, of.id)
    except ExpectedError as error:
        screen.notify(one_line(f"This run cannot be edited: {error}.", 300), severity="error")
        return

    def take(edit: Edit | None) -> None:
        if edit is not None:
            screen.run_worker(partial(_begin, screen, edit, runs), group="fork", exclusive=True)

    screen.app.push_screen(EditAllScreen(found, of.problem_id, len(runs)), take)


async def _begin(screen: WorkbenchScreen[Any], edit: Edit, runs: Sequence[RunRow]) -> None:
    """Begin the forks in the background, and show them beside their parents."""
    from tui.screens.failures.paired import Paired, PairedScreen
    from tui.service.asked.edit_all import edit_request

    navigation = screen.navigation
    found: list[Paired] = []
    for run in runs:
        try:
            request = await asyncio.to_thread(edit_request, navigation.workbench.store_path, run.id, edit)
        except ExpectedError as error:
            found.append(Paired(run, None, one_line(str(error), 300)))
        else:
            found.append(Paired(run, navigation.start_run(request, show=False)))
    if any(one.fork is not None for one in found):
        navigation.memory.drop_draft(f"fork-all:{edit.of.run_id}")
    screen.app.push_screen(PairedScreen(found))
