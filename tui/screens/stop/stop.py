"""At a stop: the workflow's variables, and what is about to pass, to be changed or let through."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widgets import Label, TextArea

from tui.actions import bindings_for
from tui.editing import edit_text
from tui.safe import clean, one_line
from tui.screens.drafted import DraftedScreen, text_of
from tui.widgets.footer import Footer
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar

_PASSES = {
    "before": "Inputs of the step",
    "model": "Messages to the model",
    "after": "Output of the step",
    "error": "Output to use instead of the error",
}
NOTHING = "There is no value to change here."


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
        self._before = _pretty(stop.get("value"))
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
                value = TextArea(self._before if self._editable else NOTHING, id="value")
                value.read_only = not self._editable
                value.border_title = _PASSES.get(str(where), "Here")
                yield value
                yield Label("", id="complaint", markup=False)
            with Vertical(id="right"):
                shown = TextView(id="locals", classes="pane", empty="The variables are not known here.")
                shown.border_title = "Variables of the workflow"
                yield shown
        yield Footer()

    def on_mount(self) -> None:
        variables = self._stop.get("locals")
        self.query_one("#locals", TextView).show(_pretty(variables) if variables else "")
        self.set_focus(self.query_one("#value"))
        if self._editable and self.restore():
            self.notify("As you left it; ctrl+n starts over.")

    def filled(self) -> dict[str, Any]:
        return {"value": self.query_one("#value", TextArea).text, "skipping": self._skipping}

    def fill(self, values: dict[str, Any]) -> None:
        area = self.query_one("#value", TextArea)
        if self._skipping != (values.get("skipping") is True):
            self.action_skip()
        area.load_text(text_of(values, "value", area.text))

    def action_reset(self) -> None:
        self.start_over()

    @property
    def _editable(self) -> bool:
        return self._stop.get("where") in _PASSES

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "skip" or self._stop.get("where") == "before"

    def action_go_on(self) -> None:
        text = self.query_one("#value", TextArea).text
        if not self._editable or (text == self._before and not self._skipping):
            self.dismiss(Decision((("continue", {}),)))
            return
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.query_one("#complaint", Label).update(one_line(f"This is not JSON: {error}", 200))
            return
        if self._skipping:
            self.dismiss(Decision((("skip", {"output": value}),)))
        else:
            self.dismiss(Decision((("edit", {"value": value}), ("continue", {}))))

    def action_skip(self) -> None:
        """Turn the text into the output to give instead of running the step, or back into its inputs."""
        self._skipping = not self._skipping
        area = self.query_one("#value", TextArea)
        area.load_text('{"response": ""}' if self._skipping else self._before)
        area.border_title = "Output to use; the step is not run" if self._skipping else _PASSES["before"]

    async def action_open_editor(self) -> None:
        area = self.query_one("#value", TextArea)
        edited = await edit_text(self.app, area.text, ".json") if self._editable else None
        if edited is not None:
            area.load_text(edited)


def _pretty(value: Any) -> str:
    """As JSON a person can edit. Control codes come out escaped; direction marks are taken out."""
    return clean(json.dumps(value, ensure_ascii=False, indent=2))
