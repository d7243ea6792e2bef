"""The steps of a run in three views, one of which is shown: a tree, a timeline, the raw events."""

from __future__ import annotations

from collections.abc import Sequence

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.message import Message

from engine.events import Event
from tui.session import RunSession
from tui.trace.filter import key_of
from tui.trace.nodes import FAILURES, Key
from tui.widgets.events_view import EventsView
from tui.widgets.line_list import LineList
from tui.widgets.outline_view import OutlineView
from tui.widgets.tab_strip import TabStrip
from tui.widgets.timeline_view import TimelineView

# The views by name, with the id of the widget each is.
VIEWS = {"Tree": "steps", "Timeline": "timeline", "Events": "events"}


class StepViews(Vertical):
    """The row selected in the tree is the one selected everywhere; the other views move it."""

    DEFAULT_CSS = """
    StepViews {
        OutlineView, TimelineView, EventsView { height: 1fr; display: none; }
        &.-view-tree OutlineView, &.-view-timeline TimelineView, &.-view-events EventsView { display: block; }
    }
    """

    class Switched(Message):
        """Another view is shown."""

    def __init__(self, session: RunSession, *, id: str) -> None:
        super().__init__(id=id)
        self.view = "Tree"
        self._session = session
        self.outline = OutlineView(session.state, session.since_last_event, id=VIEWS["Tree"])
        self.timeline = TimelineView(session.state, session.since_last_event, id=VIEWS["Timeline"])
        self.events = EventsView(session.history, id=VIEWS["Events"])

    def compose(self) -> ComposeResult:
        yield TabStrip(list(VIEWS), id="views")
        for view, title in ((self.outline, "Steps"), (self.timeline, "Timeline"), (self.events, "Events")):
            view.border_title = title
            yield view

    def on_mount(self) -> None:
        self.outline.follow = self._session.live  # not before: a cursor that is set ends following
        self.show("Tree")
        if not self._session.live:  # one that ran here and has ended; those of the store are yet to be read
            self.to_first_failure()

    @property
    def pane(self) -> str:
        """The id of the view that is shown."""
        return VIEWS[self.view]

    @property
    def selected(self) -> Key | None:
        """The selected row."""
        return self.outline.selected

    @property
    def event(self) -> Event | None:
        """The raw event under the cursor, while events are shown."""
        return self.events.event if self.view == "Events" else None

    def show(self, view: str) -> None:
        """Show the steps as a tree, as a timeline or as raw events."""
        self.view = view
        for name in VIEWS:
            self.set_class(name == view, f"-view-{name.lower()}")
        self.query_one(TabStrip).active = view
        if view == "Timeline":
            self.timeline.sync(force=True)
            self.timeline.select(self.selected)
        self.sync()
        if view == "Events":
            self._to_event_of(self.selected)
        self.post_message(self.Switched())

    def show_next(self) -> None:
        """Show the view after the one that is shown."""
        names = list(VIEWS)
        self.show(names[(names.index(self.view) + 1) % len(names)])

    def select(self, key: Key) -> None:
        """Select a row, in the timeline too."""
        self.outline.select(key)
        if self.view == "Timeline":
            self.timeline.select(key)

    def to_first_failure(self) -> None:
        """Where a run failed, select what somebody opens it for; not where a row was selected meanwhile."""
        if self._session.state.status in FAILURES and not self.outline.cursor:
            self.outline.sync(force=True)
            self.outline.next_failure()

    def show_state(self) -> None:
        """Show the state of the run that the session shows now."""
        self.outline.show_state(self._session.shown)
        self.timeline.show_state(self._session.shown)

    def keep(self, keys: set[Key] | None, events: Sequence[int] | None) -> None:
        """Leave out all but these rows and events (indices in the history); None leaves all."""
        self.outline.keep = self.timeline.keep = keys
        none = "Nothing has happened yet." if keys is None else "Nothing here is what you look for."
        self.outline.empty = self.timeline.empty = self.events.empty = none
        self.outline.sync(force=True)
        self.events.only(events)

    def sync(self) -> None:
        """Bring the view that is shown, and the tree, up to date."""
        self.outline.sync()
        if self.view == "Timeline":
            self.timeline.sync()
            if self.outline.follow:
                self.timeline.select(self.selected)
            self.timeline.border_subtitle = self.timeline.legend()
        elif self.view == "Events":
            self.events.sync(self._session.position)

    def tell(self, filtered: str) -> None:
        """Say in the views' borders what is left out, and whether the newest step is followed."""
        session = self._session
        following = self.outline.follow and not session.state.finished and session.position is None
        note = " · ".join(filter(None, (filtered, "following" if following else "")))
        self.outline.border_subtitle = self.events.border_subtitle = note.replace("[", "\\[")
        self.timeline.border_title = " · ".join(filter(None, ("Timeline", filtered))).replace("[", "\\[")

    # -- one selection in three views ------------------------------------------------------------

    def _to_event_of(self, key: Key | None) -> None:
        """Put the cursor on the first event of a row."""
        if key is not None and not self.outline.follow:
            own = (i for i, event in enumerate(self._session.history.events) if key_of(event) == key)
            if (index := next(own, None)) is not None:
                self.events.select(index)

    @on(TabStrip.Picked, "#views")
    def _picked(self, event: TabStrip.Picked) -> None:
        event.stop()
        self.show(event.name)

    @on(LineList.Highlighted, "#timeline")
    def _selected_bar(self) -> None:
        key = self.timeline.selected
        if self.view == "Timeline" and key is not None and not self._within(self.selected, key):
            self.outline.select(key)

    def _within(self, key: Key | None, row: Key) -> bool:
        """Whether the timeline shows `key` in `row`."""
        nodes = self._session.shown.tree.nodes
        while key is not None and key in nodes and not self.timeline.has(key):
            key = nodes[key].parent
        return key == row

    @on(LineList.Highlighted, "#events")
    def _selected_event(self) -> None:
        if self.view != "Events" or (self.outline.follow and self.events.cursor == self.events.count - 1):
            return
        event = self.events.event
        key = key_of(event) if event is not None else None
        if key is not None and key in self._session.shown.tree.nodes:
            self.outline.select(key)
