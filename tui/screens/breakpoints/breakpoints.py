"""Where a run is to stop: what is set, what the selected step suggests, and a line to write one's own."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Label
from textual.widgets.selection_list import Selection

from engine.run.control import BreakpointError, parse_breakpoint
from tui.actions import bindings_for
from tui.safe import one_line
from tui.widgets.check_box import CheckList

GRAMMAR = (
    "before OPERATOR · after OPERATOR · model [OPERATOR] · error · verdict [STATUS] · line N · tokens > N · "
    "cost > USD · latency > SECONDS · match [input|output] /REGEX/"
)


class BreakpointsScreen(ModalScreen[list[str] | None]):
    """Dismisses with the breakpoints as written, None where nothing was changed."""

    CSS_PATH = "breakpoints.tcss"
    BINDINGS = bindings_for("dialog")

    def __init__(self, chosen: Sequence[str], suggested: Sequence[str]) -> None:
        super().__init__(name="breakpoints")
        self._before = list(chosen)
        self._offered = list(dict.fromkeys([*chosen, *suggested]))

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label("Stop the run (space picks, esc closes)", markup=False)
            rows = [Selection(Content(one_line(t, 200)), t, t in self._before) for t in self._offered]
            yield CheckList[str](*rows, id="list", compact=True)
            yield Input(placeholder="Another one, then Enter", id="own", compact=True)
            yield Label("", id="complaint", markup=False)
            yield Label(GRAMMAR, id="grammar", markup=False)

    def on_mount(self) -> None:
        self.set_focus(self.query_one("#list" if self._offered else "#own"))

    @on(Input.Submitted, "#own")
    def _add(self, event: Input.Submitted) -> None:
        picked = self.query_one("#list", CheckList)
        try:
            text = str(parse_breakpoint(event.value.strip()))
        except BreakpointError as error:
            self.query_one("#complaint", Label).update(one_line(str(error), 300))
            return
        self.query_one("#complaint", Label).update("")
        if text not in self._offered:
            self._offered.append(text)
            picked.add_option(Selection(Content(one_line(text, 200)), text, True))
        picked.select(text)
        event.input.clear()

    def action_close(self) -> None:
        chosen = [t for t in self._offered if t in self.query_one("#list", CheckList).selected]
        self.dismiss(None if chosen == self._before else chosen)
