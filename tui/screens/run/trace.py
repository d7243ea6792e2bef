"""Reading a trace on the run screen: three views of its steps, its past, filters and search."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

from textual import on
from textual.timer import Timer
from textual.widgets import Footer, Input

from engine import events as ev
from tui import format as fmt
from tui.screens.base import WorkbenchScreen
from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.scrub_bar import ScrubBar
from tui.screens.run.search_bar import SearchBar
from tui.session import RunSession
from tui.trace.filter import TraceFilter, kept, kept_events, key_of
from tui.trace.matches import Hit, Query, hits
from tui.trace.nodes import Key
from tui.widgets.events_view import EventsView
from tui.widgets.line_list import LineList
from tui.widgets.outline_view import OutlineView
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView
from tui.widgets.timeline_view import TimelineView

# The views by name, with the widget each is.
VIEWS = {"Tree": "steps", "Timeline": "timeline", "Events": "events"}
IN_THE_PAST = ("later", "later_step", "now")
TYPING_SECONDS = 0.15


class TraceControl(WorkbenchScreen[None]):
    """The part of the run screen that reads; what it shows is a state of the run, now or in the past."""

    session: RunSession
    view = "Tree"
    _wanted = TraceFilter()
    _hits: tuple[Hit, ...] = ()
    _filtered: tuple[int, TraceFilter, tuple[Hit, ...]] | None = None
    _searched = -1
    _hit = -1
    _typing: Timer | None = None

    def sync(self) -> None:
        raise NotImplementedError

    def show_pane(self, pane: str) -> None:
        raise NotImplementedError

    # -- views -----------------------------------------------------------------------------------

    @property
    def steps_pane(self) -> str:
        """The id of the view of the steps that is shown."""
        return VIEWS[self.view]

    def show_view(self, view: str) -> None:
        """Show the steps as a tree, as a timeline or as raw events."""
        self.view = view
        for name in VIEWS:
            self.set_class(name == view, f"-view-{name.lower()}")
        self.query_one("#views", TabStrip).active = view
        if view == "Timeline":
            timeline = self.query_one(TimelineView)
            timeline.sync(force=True)
            timeline.select(self.query_one(OutlineView).selected)
        self.sync_views()
        if view == "Events":
            self._to_event_of(self.query_one(OutlineView).selected)
        self._show_event()
        self.call_after_refresh(self.show_pane, self.steps_pane)

    def _to_event_of(self, key: Key | None) -> None:
        """Put the cursor on the first event of a row."""
        if key is not None and not self.query_one(OutlineView).follow:
            own = (i for i, event in enumerate(self.session.history.events) if key_of(event) == key)
            if (index := next(own, None)) is not None:
                self.query_one(EventsView).select(index)

    @on(TabStrip.Picked, "#views")
    def _picked_view(self, event: TabStrip.Picked) -> None:
        self.show_view(event.name)

    def action_next_view(self) -> None:
        names = list(VIEWS)
        self.show_view(names[(names.index(self.view) + 1) % len(names)])

    def sync_views(self) -> None:
        """Bring the views, their titles and the scrubber up to date."""
        outline, timeline = self.query_one(OutlineView), self.query_one(TimelineView)
        self._refilter()
        events = self.query_one(EventsView)
        outline.sync()
        if self.view == "Timeline":
            timeline.sync()
            if outline.follow:
                timeline.select(outline.selected)
            timeline.border_subtitle = timeline.legend()
        elif self.view == "Events":
            events.sync(self.session.position)
        following = outline.follow and not self.session.state.finished and self.session.position is None
        note = " · ".join(filter(None, (self._told(), "following" if following else "")))
        outline.border_subtitle = events.border_subtitle = note.replace("[", "\\[")
        timeline.border_title = " · ".join(filter(None, ("Timeline", self._told()))).replace("[", "\\[")
        self.query_one(ScrubBar).sync()

    def _told(self) -> str:
        """The filter, and how much it found."""
        if self._wanted.query is None:
            return f"only {self._wanted.words()}" if self._wanted else ""
        return f"{self._wanted.words()}: {fmt.plural(len(self._hits), 'hit')}"

    @on(LineList.Highlighted, "#timeline")
    def _selected_bar(self) -> None:
        outline, timeline = self.query_one(OutlineView), self.query_one(TimelineView)
        key = timeline.selected
        if self.view == "Timeline" and key is not None and not self._within(outline.selected, key):
            outline.select(key)

    def _within(self, key: Key | None, row: Key) -> bool:
        """Whether the timeline shows `key` in `row`."""
        state, shown = self.session.shown, self.query_one(TimelineView)
        while key is not None and key in state.nodes and not shown.has(key):
            key = state.nodes[key].parent
        return key == row

    @on(LineList.Highlighted, "#events")
    def _selected_event(self) -> None:
        if self.view != "Events":
            return
        events, outline = self.query_one(EventsView), self.query_one(OutlineView)
        self._show_event()
        if outline.follow and events.cursor == events.count - 1:
            return
        event = events.event
        key = key_of(event) if event is not None else None
        if key is not None and key in self.session.shown.nodes:
            outline.select(key)

    def _show_event(self) -> None:
        event = self.query_one(EventsView).event if self.view == "Events" else None
        self.query_one("#detail", DetailPane).show_event(event)

    @on(LineList.Chosen, "#events")
    def _chosen_event(self) -> None:
        self.query_one("#detail", DetailPane).pick("Event")

    @on(LineList.Chosen, "#timeline")
    def _chosen_bar(self) -> None:
        self.show_pane("detail-text")

    # -- the past --------------------------------------------------------------------------------

    @property
    def _position(self) -> int:
        return len(self.session.history) if self.session.position is None else self.session.position

    def scrub(self, position: int) -> None:
        """Show the run as it was after `position` events."""
        self.run_worker(partial(self._scrub, position), group="scrub", exclusive=True)

    async def _scrub(self, position: int) -> None:
        await self.session.look_back(position)
        state = self.session.shown
        outline = self.query_one(OutlineView)
        outline.show_state(state)
        self.query_one(TimelineView).show_state(state)
        self.query_one("#detail", DetailPane).show_state(state)
        self._filtered = None
        if self.session.position:
            key = key_of(self.session.history.events[self.session.position - 1])
            if key is not None and key in state.nodes:
                outline.select(key)
        self.look_again()

    def look_again(self) -> None:
        """Draw everything anew."""
        raise NotImplementedError

    @on(ScrubBar.Moved)
    def _moved(self, event: ScrubBar.Moved) -> None:
        self.scrub(event.position)

    def action_earlier(self) -> None:
        self.scrub(self.session.history.milestone(self._position, -1))

    def action_later(self) -> None:
        if self.session.position is not None:
            self.scrub(self.session.history.milestone(self._position, 1))

    def action_earlier_step(self) -> None:
        self._to_step(-1)

    def action_later_step(self) -> None:
        self._to_step(1)

    def _to_step(self, by: int) -> None:
        history, position = self.session.history, self._position + by
        while 0 < position < len(history) and not isinstance(history.events[position - 1], ev.StepStarted):
            position += by
        if by < 0 or self.session.position is not None:
            self.scrub(position)

    def action_now(self) -> None:
        if self.session.position is not None:
            self.scrub(len(self.session.history))

    # -- filters and search ----------------------------------------------------------------------

    def _want(self, **changes: object) -> None:
        import dataclasses

        self._wanted = dataclasses.replace(self._wanted, **changes)
        self.look_again()

    def action_only_failures(self) -> None:
        self._want(failures=not self._wanted.failures)

    def action_only_changes(self) -> None:
        self._want(changes=not self._wanted.changes)

    def _refilter(self) -> None:
        """Have the views leave out what is not wanted, where that may have changed."""
        state = self.session.shown
        if self._wanted.query is not None and self._searched != state.revision:
            self._searched = state.revision
            self.run_worker(partial(self._find, self._wanted.query), group="find", exclusive=True)
        now = (state.revision if self._wanted else 0, self._wanted, self._hits)
        if now == self._filtered:
            return
        self._filtered = now
        keep = kept(state, self._wanted, self._hits)
        outline, timeline = self.query_one(OutlineView), self.query_one(TimelineView)
        outline.keep = timeline.keep = keep
        outline.sync(force=True)
        self.query_one(EventsView).only(kept_events(self.session.history.events, self._wanted, keep or set()))
        for text in self.query(TextView):
            text.find(self._wanted.query)

    async def _find(self, query: Query) -> None:
        nodes = list(self.session.shown.nodes.values())
        self._hits = tuple(await asyncio.to_thread(hits, nodes, query))
        self.look_again()

    async def action_search(self) -> None:
        if not self.query(SearchBar):  # most traces are never searched, and an input is slow to make
            await self.mount(SearchBar(), before=self.query_one(Footer))
        self.query_one(SearchBar).open()

    @on(Input.Changed, "#search-words")
    def _typed(self, event: Input.Changed) -> None:
        if self._typing is not None:
            self._typing.stop()
        self._typing = self.set_timer(TYPING_SECONDS, lambda: self._search(event.value))

    @on(Input.Submitted, "#search-words")
    def _submitted(self, event: Input.Submitted) -> None:
        self._search(event.value)
        self.query_one(SearchBar).close()
        self.show_pane(self.steps_pane)

    @on(SearchBar.Cleared)
    def _cleared(self) -> None:
        self._search("")
        self.show_pane(self.steps_pane)

    def _search(self, words: str) -> None:
        if self._typing is not None:
            self._typing.stop()
            self._typing = None
        query = Query(words) if words else None
        if query != self._wanted.query:
            self._hit, self._hits, self._searched = -1, (), -1
            self._want(query=query)

    def action_next_hit(self) -> None:
        self._to_hit(1)

    def action_previous_hit(self) -> None:
        self._to_hit(-1)

    def _to_hit(self, by: int) -> None:
        """The next hit in the text that is shown, or else the next row that has one."""
        if self._wanted.query is None:
            self.notify("Search first: press / and type words.")
            return
        text = self.query_one("#detail-text", TextView)
        if self._hit >= 0 and text.to_hit(by):
            return
        if not self._hits:
            self.notify("Nothing was found.")
            return
        self._hit = (self._hit + by) % len(self._hits) if self._hit >= 0 else (0 if by > 0 else -1)
        hit = self._hits[self._hit]
        self._hit %= len(self._hits)
        self.query_one(OutlineView).select(hit.key)
        if self.view == "Timeline":
            self.query_one(TimelineView).select(hit.key)
        detail = cast("DetailPane", self.query_one("#detail"))
        detail.show(hit.key)
        detail.pick(hit.tab)
        text.forget_hit()
        if not text.to_hit(by):
            self.notify("The match is in a part of this text that is not shown; e opens all of it.")
