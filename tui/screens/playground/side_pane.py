"""Beside the grid: the template's variables, the message of a prompt, its changes, or a cell in full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from tui.screens.playground.grid import cell_text, changes_text, variables_text
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView

if TYPE_CHECKING:
    from engine.playground.cells import CellState
    from engine.playground.template import Template

SIDES = ("Variables", "Message", "Changes", "Cell")


class SidePane(Vertical):
    """Shows one of four texts, as the strip above it says."""

    class Switched(Message):
        """Another side is wanted."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._side = SIDES[0]

    def compose(self) -> ComposeResult:
        yield TabStrip(SIDES, id="sides")
        yield TextView(id="side", classes="pane", empty="Reading the step …")

    def turn_to_cell(self) -> None:
        """Have the cell shown the next time."""
        self._side = "Cell"

    def step(self) -> None:
        """Go to the next side."""
        self._turn_to(self.query_one(TabStrip).beside(1))

    def show(
        self,
        template: Template,
        prompt: str,
        heading: str,
        states: Sequence[CellState],
        recorded: Sequence[CellState],
    ) -> None:
        """Show what the side is of: the template, a prompt made from it, how that and its reply differ from
        the recorded prompt and its replies (`recorded`), or the cell with this heading.
        """
        from engine.playground.template import TemplateError

        self.query_one(TabStrip).active = self._side
        view = self.query_one(TextView)
        if self._side == "Variables":
            listed = [(v.name, v.origin, v.value) for v in template.variables.values()]
            kept = f"Workflow prompts in it: {', '.join(template.prompts) or 'none'}\n\n"
            view.show(kept + variables_text(listed, [v.name for v in template.absent]))
        elif self._side == "Message":
            try:
                view.show(template.fill(prompt))
            except TemplateError as error:
                view.show(f"This cannot be filled in: {error}")
        elif self._side == "Changes":
            view.show(changes_text(template.text, prompt, recorded, states), "diff")
            return
        elif heading:
            view.show(cell_text(heading, states))

    @on(TabStrip.Picked, "#sides")
    def _picked(self, event: TabStrip.Picked) -> None:
        event.stop()
        self._turn_to(event.name)

    def _turn_to(self, side: str) -> None:
        self._side = self.query_one(TabStrip).active = side
        self.post_message(self.Switched())
