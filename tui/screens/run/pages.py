"""The panes of the run screen: their order for tab, and the pages they are on where room is short."""

from __future__ import annotations

from textual import events
from textual.containers import Vertical
from textual.widgets import Input

from tui.screens.run.step_views import VIEWS, StepViews
from tui.widgets.tab_strip import TabStrip

# Panes in the order of tab, with the page each is on where the terminal is too small for all.
PANES = {
    "query": "Problem",
    "tests": "Problem",
    "reasoning": "Reasoning",
    "workflow": "Workflow",
    "graph": "Graph",
    "steps": "Steps",
    "timeline": "Steps",
    "events": "Steps",
    "detail-text": "Steps",
}
PAGES = tuple(dict.fromkeys(PANES.values()))
LAYOUT_SECONDS = 0.02


class Pages(Vertical):
    """Holds all panes; `strip` has the names of the pages, and stands in the line above.

    Its `-page-…` classes say which page is shown; they matter where not all panes fit.
    """

    def __init__(self, steps: StepViews) -> None:
        super().__init__(id="body")
        self.strip = TabStrip(PAGES, id="pages")
        self._steps = steps
        self._going: str | None = None

    def show_pane(self, pane: str) -> None:
        """Focus a pane, on whatever page it is."""
        self._going = pane
        if not self.query_one(f"#{pane}").region.area:
            # A focused widget that gets hidden clears the focus later, whoever has it by then.
            self.screen.set_focus(None)
        self._page(PANES[pane])
        self._arrive()

    def step(self, by: int) -> None:
        """Focus the next pane in either direction."""
        panes = [pane for pane in PANES if pane not in VIEWS.values() or pane == self._steps.pane]
        focused = self.screen.focused.id if self.screen.focused else None
        at = panes.index(focused) if focused in panes else panes.index(self._steps.pane)
        self.show_pane(panes[(at + by) % len(panes)])

    def _page(self, page: str) -> None:
        """Show `page` where the panes are pages; no effect where all fit."""
        self.update_classes({f"-page-{name.lower()}": name == page for name in PAGES})
        self.strip.active = page

    def _arrive(self) -> None:
        """Focus the pane once it is laid out: a page that is still hidden cannot take the focus."""
        if self._going is None:
            return
        pane = self.query_one(f"#{self._going}")
        if pane.region.area:
            if not isinstance(self.screen.focused, Input):  # opened meanwhile: what is typed is meant for it
                self.screen.set_focus(pane)  # `focus` would do it later, when something else may be open
            self._going = None
        else:
            self.set_timer(LAYOUT_SECONDS, self._arrive)

    def pick(self, name: str) -> None:
        """Show a page."""
        pane = next(pane for pane, page in PANES.items() if page == name)
        self.show_pane(self._steps.pane if pane == "steps" else pane)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        # When a page is hidden Textual moves the focus somewhere; that is not where the user is going.
        if event.widget.id in PANES and self._going is None:
            self._page(PANES[event.widget.id])
