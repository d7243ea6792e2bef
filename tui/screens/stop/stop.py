"""At a stop: the workflow's variables, and what is about to pass, to be changed or let through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Label

from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.drafted import DraftedScreen
from tui.value_parts import parts_of
from tui.widgets.footer import Footer
from tui.widgets.text_field import TextField
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar
from tui.widgets.value_fields import FieldError, ValueFields

_PASSES = {
    "before": "Inputs of the step",
    "model": "Messages to the model",
    "after": "Output of the step",
    "error": "Output to use instead of the error",
}
NOTHING = "There is no value to change here."
UNKNOWN = "The variables are not known here."
OUTPUT = {"response": ""}  # what most operators give


@dataclass(frozen=True)
class Decision:
    """What to do at the stop: control actions of `tui.service.engine_process.hub`, in order."""

    acts: tuple[tuple[str, Mapping[str, Any]], ...]


class StopScreen(DraftedScreen[Decision | None]):
    """Dismisses with what to do, or None: the run then stays where it is."""

    CSS_PATH = "stop.tcss"
    BINDINGS = bindings_for("stop")

    def __init__(self, stop: Mapping[str, Any]) -> None:
        """`stop` is as `tui.service.engine_process.hub` tells it."""
        super().__init__(name="stop")
        self.form = ":".join(str(stop.get(part)) for part in ("run", "where", "operator", "line", "step_id"))
        self._stop = stop
        self._skipping = False

    def compose(self) -> ComposeResult:
        stop = self._stop
        where, operator, line = stop.get("where"), stop.get("operator"), stop.get("line")
        place = " ".join(str(p) for p in (where, operator) if p) + (f", line {line}" if line else "")
        yield TitleBar("Stop")
        why = f"{place}  ({stop.get('reason')})" + (f"  {stop['error']}" if stop.get("error") else "")
        yield Label(one_line(why, 300), id="place", markup=False)
        with Horizontal(id="panes"):
            with Vertical(id="left"):
                if self._editable:
                    yield ValueFields(stop.get("value"), title=_PASSES[str(where)], id="value")
                    yield ValueFields(OUTPUT, title="Output to use; the step is not run", id="output")
                else:
                    yield Label(NOTHING, id="nothing")
                yield Label("", id="complaint", markup=False)
            with Vertical(id="right"):
                shown = TextView(
                    id="locals", classes="pane", language="report", empty="The variables are not known here."
                )
                shown.border_title = "Variables of the workflow"
                yield shown
        yield Footer()

    def on_mount(self) -> None:
        self.query_one("#locals", TextView).show(_variables(self._stop.get("locals")))
        if not self._editable:
            self.set_focus(self.query_one("#locals"))
        else:
            self._show(skipping=False)
            if self.restore():
                self.notify("As you left it; ctrl+n starts over.")

    def filled(self) -> dict[str, Any]:
        fields = {name: self.query_one(f"#{name}", ValueFields).filled() for name in ("value", "output")}
        return {**fields, "skipping": self._skipping}

    def fill(self, values: dict[str, Any]) -> None:
        for name in ("value", "output"):
            self.query_one(f"#{name}", ValueFields).fill(values.get(name))
        self._show(skipping=values.get("skipping") is True)

    def _show(self, *, skipping: bool) -> None:
        """What passes here, or the output to give instead of running the step."""
        self._skipping = skipping
        for name in ("value", "output"):
            self.query_one(f"#{name}").display = (name == "output") == skipping
        self.set_focus(self._fields.first)

    @property
    def _fields(self) -> ValueFields:
        return self.query_one("#output" if self._skipping else "#value", ValueFields)

    def action_reset(self) -> None:
        self.start_over()

    @property
    def _editable(self) -> bool:
        return self._stop.get("where") in _PASSES

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "skip" or self._stop.get("where") == "before"

    def action_go_on(self) -> None:
        if not self._editable or not (self._skipping or self._fields.is_changed):
            self.dismiss(Decision((("continue", {}),)))
            return
        try:
            value = self._fields.value
        except FieldError as error:
            self._complain(str(error))
            return
        if self._skipping:
            self.dismiss(Decision((("skip", {"output": value}),)))
        else:
            self.dismiss(Decision((("edit", {"value": value}), ("continue", {}))))

    def action_skip(self) -> None:
        """Give an output instead of running the step, or run it after all."""
        self._show(skipping=not self._skipping)

    async def action_open_editor(self) -> None:
        if self._editable:
            field = self.focused if isinstance(self.focused, TextField) else self._fields.first
            await field.open_editor()

    def action_turn(self) -> None:
        """The value as JSON, or as fields."""
        if self._editable:
            try:
                self._fields.turn()
            except FieldError as error:
                self._complain(str(error))

    def _complain(self, text: str) -> None:
        self.query_one("#complaint", Label).update(one_line(text, 200))


def _variables(found: object) -> str:
    """The workflow's variables, each text as itself."""
    return "\n\n".join(f"── {part.title}\n{part.text}" for part in parts_of(found)) if found else ""
