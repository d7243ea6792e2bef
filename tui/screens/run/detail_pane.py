"""The selected row in tabs: overview, prompt, response, code, stdout, error."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tui import detail
from tui.nodes import Key
from tui.state import RunState
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView


class DetailText(TextView):
    """The text of the active tab. What is copied or exported is whole, even where the view is cut."""

    def __init__(self, pane: DetailPane) -> None:
        super().__init__(id="detail-text", empty="Nothing here.")
        self._pane = pane

    @property
    def plain_text(self) -> str:
        return self._pane.whole_text


class DetailPane(Vertical):
    """Shows one row of the step tree, or the run where none is selected."""

    DEFAULT_CSS = """
    DetailPane {
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        &:focus-within {
            border: round $primary;
            border-title-color: $primary;
            border-title-style: bold;
        }
        DetailText, DetailText:focus { border: none; height: 1fr; }
    }
    """

    def __init__(self, state: RunState, *, id: str) -> None:
        super().__init__(id=id, classes="pane")
        self._state = state
        self._key: Key | None = None
        self._picked: str | None = None  # kept while rows that lack this tab pass by
        self._seen = -1

    def compose(self) -> ComposeResult:
        yield TabStrip(detail.TABS, id="detail-tabs")
        yield DetailText(self)

    def show(self, key: Key | None) -> None:
        """Show the row `key`, if it or its row has changed."""
        if self._state.revision == self._seen and key == self._key:
            return
        self._seen, self._key = self._state.revision, key
        self._refresh()

    @property
    def whole_text(self) -> str:
        found = detail.sections(self._state, self._key, limit=None)
        section = found.get(self.query_one(TabStrip).active)
        return section.text if section else ""

    def _refresh(self) -> None:
        found = detail.sections(self._state, self._key)
        strip, text = self.query_one(TabStrip), self.query_one(DetailText)
        strip.fill(found.keys())
        wanted = self._picked or detail.first_tab(self._state, self._key)
        strip.active = wanted if wanted in found else next(iter(found), detail.TABS[0])
        section = found.get(strip.active, detail.Section(""))
        self.border_title = detail.title(self._state, self._key).replace("[", "\\[")
        text.show(section.text, section.language)

    def step_tab(self, by: int) -> None:
        self.query_one(TabStrip).step(by)

    @on(TabStrip.Picked)
    def _pick(self, event: TabStrip.Picked) -> None:
        event.stop()
        self._picked = event.name
        self._refresh()
