"""The selected row in tabs: overview, prompt, response, code, stdout, files, diff, error, and its event."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from engine.event_json import to_json
from engine.events import Event
from tui.trace import attempts, detail
from tui.trace.nodes import RUNNING, ExecutionNode, Key, ProposalNode, StepNode
from tui.trace.state import RunState
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
        self._event: Event | None = None
        self._before: dict[Key, Key | None] = {}
        self._changes: dict[Key, bool] = {}

    def compose(self) -> ComposeResult:
        yield TabStrip(detail.TABS, id="detail-tabs")
        yield DetailText(self)

    def show(self, key: Key | None) -> None:
        """Show the row `key`, if it or its row has changed."""
        if self._state.revision == self._seen and key == self._key:
            return
        self._seen, self._key = self._state.revision, key
        self._refresh()

    def show_state(self, state: RunState) -> None:
        """Show another state of the run."""
        self._state, self._seen, self._before, self._changes = state, -1, {}, {}

    def show_event(self, event: Event | None) -> None:
        """Have a tab with this event's JSON, None for none."""
        if event is not self._event:
            self._event = event
            self._refresh()

    def pick(self, tab: str) -> None:
        """Open a tab, if the row has it."""
        self._picked = tab
        self._refresh()

    @property
    def whole_text(self) -> str:
        found = detail.sections(self._state, self._key, limit=None)
        return self._section(self.query_one(TabStrip).active, found, limit=None).text

    def _section(
        self, tab: str, found: Mapping[str, detail.Section], limit: int | None = detail.VALUE_CHARS
    ) -> detail.Section:
        """What a tab says. Comparing takes time, so it waits until somebody looks."""
        if tab == "Event" and self._event is not None:
            return detail.Section(detail.pretty(to_json(self._event), limit))
        if tab == "Diff" and self._key is not None and self._has_diff:
            return detail.Section(attempts.diff(self._state, self._key, self._attempt_before()), "diff")
        return found.get(tab, detail.Section(""))

    @property
    def _has_diff(self) -> bool:
        """Whether there is something to set against the row: what it changed, or an attempt before it."""
        node = self._state.tree.nodes.get(self._key) if self._key else None
        if node is None or node.status == RUNNING:
            return False
        if node.key not in self._changes:  # what has ended stays as it is
            self._changes[node.key] = attempts.has_changes(self._state, node.key)
        return self._changes[node.key] or self._attempt_before() is not None

    def _attempt_before(self) -> Key | None:
        """The attempt before the row that is shown; None while it runs, or where it is the first."""
        node = self._state.tree.nodes.get(self._key) if self._key else None
        if not isinstance(node, StepNode | ProposalNode | ExecutionNode) or node.status == RUNNING:
            return None
        if node.key not in self._before:  # what came before a node stays what it is as more come
            found = attempts.previous_attempts(self._state)
            self._before = {key: found.get(key) for key in self._state.tree.nodes}
        return self._before[node.key]

    def _refresh(self) -> None:
        sections = detail.sections(self._state, self._key)
        found = list(sections)
        if self._event is not None:
            found.insert(0, "Event")
        if self._has_diff:
            found.append("Diff")
        strip, text = self.query_one(TabStrip), self.query_one(DetailText)
        strip.fill(found)
        first = detail.first_tab(self._state, self._key) if self._event is None else "Event"
        wanted = self._picked or first
        strip.active = wanted if wanted in found else next(iter(found), "Overview")
        section = self._section(strip.active, sections)
        self.border_title = detail.title(self._state, self._key).replace("[", "\\[")
        text.show(section.text, section.language)

    def step_tab(self, by: int) -> None:
        self._turn_to(self.query_one(TabStrip).beside(by))

    @on(TabStrip.Picked)
    def _pick(self, event: TabStrip.Picked) -> None:
        event.stop()
        self._turn_to(event.name)

    def _turn_to(self, tab: str) -> None:
        self._picked = tab
        self._refresh()
