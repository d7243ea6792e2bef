"""A fork: the step's inputs, its prompt and the worker, to be changed before it runs again."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label, TextArea

from tui.actions import bindings_for
from tui.editing import edit_text
from tui.safe import clean, one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.trace.nodes import StepNode
from tui.widgets.check_box import CheckBox
from tui.widgets.footer import Footer
from tui.widgets.title_bar import TitleBar

HINT = "Unchanged steps are served from the record, without a call or a cost."


def fork_form(run_id: str, step_id: str) -> str:
    """The name of the draft of a fork at a step."""
    return f"fork:{run_id}:{step_id}"


@dataclass(frozen=True)
class Changes:
    """What the fork is to change; None is unchanged."""

    inputs: dict[str, Any] | None
    prompt: str | None
    everywhere: bool
    worker: str


class ForkScreen(DraftedScreen[Changes | None]):
    """Dismisses with the changes, or None where there is to be no fork."""

    CSS_PATH = "fork.tcss"
    BINDINGS = bindings_for("fork")

    def __init__(self, run_id: str, step: StepNode, prompt: str | None, worker: str) -> None:
        """`prompt` is the user's message of the step's first model call, None where there is none here."""
        super().__init__(name="fork")
        self.form = fork_form(run_id, step.key[1])
        self._step, self._worker = step, worker
        self._inputs = _pretty(step.inputs)
        self._prompt = None if prompt is None else clean(prompt)

    def compose(self) -> ComposeResult:
        step = self._step
        yield TitleBar("Fork")
        line = f", line {step.line}" if step.line else ""
        place = f"Fork at step {step.index} {step.operator}{line}"
        yield Label(one_line(place, 300), id="place", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                inputs = TextArea(self._inputs, id="inputs")
                inputs.border_title = "Inputs of the step, JSON"
                yield inputs
            if self._prompt is not None:
                with Vertical(id="right"):
                    prompt = TextArea(self._prompt, id="prompt", soft_wrap=True)
                    prompt.border_title = "Prompt, in place of the operator's"
                    yield prompt
        with Horizontal(id="options"):
            with Horizontal(classes="field"):
                yield Label("Worker")
                yield Input(self._worker, id="worker", compact=True)
            yield CheckBox("Every step with these inputs", id="everywhere")
        yield Label("", id="complaint", markup=False)
        yield Label(HINT, id="hint", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#complaint").display = False
        self.set_focus(self.query_one("#prompt" if self._prompt is not None else "#inputs"))
        if self.restore():
            self.notify("As you left it; ctrl+n starts over.")

    def filled(self) -> dict[str, Any]:
        return {
            **{area.id or "": area.text for area in self.query(TextArea)},
            "worker": self.query_one("#worker", Input).value,
            "everywhere": self.query_one("#everywhere", CheckBox).value,
        }

    def fill(self, values: dict[str, Any]) -> None:
        for area in self.query(TextArea):
            area.load_text(text_of(values, area.id or "", area.text))
        worker = self.query_one("#worker", Input)
        worker.value = text_of(values, "worker", worker.value)
        self.query_one("#everywhere", CheckBox).value = values.get("everywhere") is True

    def action_reset(self) -> None:
        self.start_over()

    def action_start(self) -> None:
        """Check what was changed and hand it over."""
        text = self.query_one("#inputs", TextArea).text
        inputs: Any = None
        if text != self._inputs:
            try:
                inputs = json.loads(text)
            except (ValueError, RecursionError) as error:
                self._complain(f"The inputs are not JSON: {error}")
                return
            if not isinstance(inputs, dict):
                self._complain("The inputs must be a JSON object of arguments by name.")
                return
        prompt = self.query_one("#prompt", TextArea).text if self._prompt is not None else None
        worker = self.query_one("#worker", Input).value.strip()
        if not worker:
            self._complain("The worker is empty.")
            return
        everywhere = self.query_one("#everywhere", CheckBox).value
        changed = prompt if prompt != self._prompt else None
        self.dismiss(Changes(inputs, changed, everywhere, worker))

    async def action_open_editor(self) -> None:
        area = self.focused
        if not isinstance(area, TextArea):
            area = self.query_one("#inputs", TextArea)
        edited = await edit_text(self.app, area.text, ".json" if area.id == "inputs" else ".txt")
        if edited is not None:
            area.load_text(edited)

    def _complain(self, text: str) -> None:
        label = self.query_one("#complaint", Label)
        label.display = True
        label.update(one_line(text, 300))


def _pretty(value: Any) -> str:
    """As JSON a person can edit. Control codes come out escaped; direction marks are taken out."""
    return clean(json.dumps(value, ensure_ascii=False, indent=2))
