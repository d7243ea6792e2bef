"""A fork: the step's inputs, its prompt and the worker, to be changed before it runs again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Input, Label

from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.trace.nodes import StepNode
from tui.widgets.check_box import CheckBox
from tui.widgets.footer import Footer
from tui.widgets.text_field import TextField
from tui.widgets.title_bar import TitleBar
from tui.widgets.value_fields import FieldError, ValueFields

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
        self._step, self._worker, self._prompt = step, worker, prompt

    def compose(self) -> ComposeResult:
        step = self._step
        yield TitleBar("Fork")
        line = f", line {step.line}" if step.line else ""
        place = f"Fork at step {step.index} {step.operator}{line}"
        yield Label(one_line(place, 300), id="place", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                yield ValueFields(dict(step.inputs), title="Inputs of the step", id="inputs")
            if self._prompt is not None:
                with Vertical(id="right"):
                    yield TextField(self._prompt, title="Prompt, in place of the operator's", id="prompt")
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
        self.set_focus(self._inputs.first if self._prompt is None else self.query_one("#prompt"))
        if self.restore():
            self.notify("As you left it; ctrl+n starts over.")

    @property
    def _inputs(self) -> ValueFields:
        return self.query_one("#inputs", ValueFields)

    def filled(self) -> dict[str, Any]:
        prompt = None if self._prompt is None else self.query_one("#prompt", TextField).whole
        return {
            "inputs": self._inputs.filled(),
            "prompt": prompt,
            "worker": self.query_one("#worker", Input).value,
            "everywhere": self.query_one("#everywhere", CheckBox).value,
        }

    def fill(self, values: dict[str, Any]) -> None:
        self._inputs.fill(values.get("inputs"))
        if self._prompt is not None:
            prompt = self.query_one("#prompt", TextField)
            prompt.fill(text_of(values, "prompt", prompt.whole))
        worker = self.query_one("#worker", Input)
        worker.value = text_of(values, "worker", worker.value)
        self.query_one("#everywhere", CheckBox).value = values.get("everywhere") is True

    def action_reset(self) -> None:
        self.start_over()

    def action_start(self) -> None:
        """Check what was changed and hand it over."""
        inputs: Any = None
        if self._inputs.is_changed:
            try:
                inputs = self._inputs.value
            except FieldError as error:
                self._complain(str(error))
                return
            if not isinstance(inputs, dict):
                self._complain("The inputs must be a JSON object of arguments by name.")
                return
        worker = self.query_one("#worker", Input).value.strip()
        if not worker:
            self._complain("The worker is empty.")
            return
        everywhere = self.query_one("#everywhere", CheckBox).value
        prompt: str | None = None
        if self._prompt is not None and (field := self.query_one("#prompt", TextField)).is_changed:
            prompt = field.value
        self.dismiss(Changes(inputs, prompt, everywhere, worker))

    async def action_open_editor(self) -> None:
        field = self.focused if isinstance(self.focused, TextField) else self._inputs.first
        await field.open_editor()

    def action_turn(self) -> None:
        """The inputs as JSON, or as fields."""
        try:
            self._inputs.turn()
        except FieldError as error:
            self._complain(str(error))

    def _complain(self, text: str) -> None:
        label = self.query_one("#complaint", Label)
        label.display = True
        label.update(one_line(text, 300))
