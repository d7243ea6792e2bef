"""A run: the query, what the meta-agent writes, the steps, and the selected step in full.

Live runs and traces from the store are the same screen; only where the events come from differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

from textual import events, on
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.widget import Widget
from textual.widgets import Footer

from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.forks import ForkControl
from tui.screens.run.live import LIVE_ONLY, StopBar
from tui.screens.run.play import PlaygroundControl
from tui.screens.run.scrub_bar import ScrubBar
from tui.screens.run.status_line import StatusLine
from tui.screens.run.trace import IN_THE_PAST, VIEWS, TraceControl
from tui.session import RunSession
from tui.trace.nodes import StepNode
from tui.trace.subject import Subject, lines_run, node_counts, node_marks, subject_of
from tui.widgets.events_view import EventsView
from tui.widgets.graph_view import GraphView
from tui.widgets.line_list import LineList
from tui.widgets.outline_view import OutlineView
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView
from tui.widgets.timeline_view import TimelineView
from tui.widgets.title_bar import TitleBar

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
GRAPH_SECONDS = 0.25
FOLLOW_SECONDS = 1.0
LAYOUT_SECONDS = 0.02
LOADING_TICKS = 5


class RunScreen(ForkControl, PlaygroundControl, TraceControl):
    """Shows a session; loads it first where `run_id` names a run of the store."""

    CSS_PATH = "run.tcss"
    AUTO_FOCUS = ""  # the page decides what is focused
    BINDINGS = bindings_for("run")

    def __init__(self, session: RunSession, *, run_id: str | None = None) -> None:
        super().__init__(name="run")
        self.session = session
        self._run_id = run_id
        self._seen = -1
        self._standing = (False, True)
        self._graph: Mapping[str, Any] = {}
        self._graph_of = ""
        self._ticks = 0
        self._going: str | None = None

    def compose(self) -> ComposeResult:
        state = self.session.state
        yield TitleBar("Run")
        yield StatusLine(self.session, self.navigation.stalls.told)
        yield StopBar(self.session)
        yield ScrubBar(self.session)
        yield TabStrip(PAGES, id="pages")
        with Vertical(id="body"):
            with Horizontal(id="top"):
                with Vertical(id="left"):
                    yield _titled(TextView(id="query", classes="pane"), "Query")
                    yield _titled(
                        TextView(id="tests", classes="pane", language="python", empty="None."), "Tests"
                    )
                with Vertical(id="middle"):
                    reasoning = TextView(
                        id="reasoning", classes="pane", tail=True, empty="Appears as the meta-agent thinks."
                    )
                    yield _titled(reasoning, "Reasoning")
                    code = TextView(
                        id="workflow", classes="pane", language="python", tail=True, numbers=True,
                        empty="Appears as the meta-agent writes it.",
                    )  # fmt: skip
                    yield _titled(code, "Workflow")
                    yield _titled(GraphView(id="graph"), "Graph")
                with Vertical(id="right"):
                    yield TabStrip(list(VIEWS), id="views")
                    yield _titled(OutlineView(state, self.session.since_last_event, id="steps"), "Steps")
                    yield _titled(
                        TimelineView(state, self.session.since_last_event, id="timeline"), "Timeline"
                    )
                    yield _titled(EventsView(self.session.history, id="events"), "Events")
            yield DetailPane(state, id="detail")
        yield Footer()

    def on_mount(self) -> None:
        self.query_one(OutlineView).follow = self.session.live
        self.show_view("Tree")
        if self._run_id is not None:
            self.run_worker(partial(self._load, self._run_id), group="load", exclusive=True)
        self._timer = self.set_interval(self.navigation.tick, self._tick)
        self._graph_timer = self.set_interval(max(GRAPH_SECONDS, self.navigation.tick), self._sync_graph)
        self.sync()

    @property
    def shown_run(self) -> str | None:
        return self.session.state.run_id or None

    def on_screen_suspend(self) -> None:
        self._timer.pause()
        self._graph_timer.pause()

    def on_screen_resume(self) -> None:
        self._timer.resume()
        self._graph_timer.resume()
        self.sync()

    async def _load(self, run_id: str) -> None:
        """Read the trace; a run that is in progress elsewhere is followed until it ends."""
        from store.errors import StoreError

        records = self.navigation.records
        session = self.session
        try:
            run_id = (await records.run(run_id)).id
            await session.load(records, run_id)
            while not session.state.finished:
                row = await records.run(run_id)
                if row.status != "running":
                    await session.load(records, run_id)
                    session.state.close(row.status, row.error)
                    break
                await asyncio.sleep(FOLLOW_SECONDS)
                if await records.changed():
                    await session.load(records, run_id)
        except StoreError as error:
            session.state.close("error", one_line(str(error), 300))
            self.notify(one_line(str(error), 300), severity="error")
        session.loading = False

    # -- state to widgets ------------------------------------------------------------------------

    def _tick(self) -> None:
        # Laying out a tree that grows by thousands of rows a second ten times a second would only slow it.
        self._ticks += 1
        # The first rows are what one waits for, though.
        if self.session.loading and self._seen > 0 and self._ticks % LOADING_TICKS:
            return
        shown = self.session.shown
        if shown.revision != self._seen or shown.open or self.session.loading:
            self.sync()

    def sync(self) -> None:
        """Bring every pane up to date. Panes compare; what has not changed costs next to nothing."""
        state = self.session.shown
        fresh = state.revision != self._seen
        self._seen = state.revision
        self.query_one(StatusLine).refresh()
        self.sync_views()
        if not fresh:
            return
        bar = self.query_one(TitleBar)
        bar.crumb = self.crumb()
        bar.note = self.navigation.workbench.sandbox_note if self.session.live else _note(state.sandbox)
        self.sync_stop()
        if (standing := (state.finished, state.stop is None)) != self._standing:
            self._standing = standing
            self.refresh_bindings()  # what can no longer be done leaves the footer
        self.query_one("#query", TextView).show(state.query)
        tests = self.query_one("#tests", TextView)
        tests.show(self._tests())
        tests.border_title = "Tests · model-written" if state.tests_written_by_model else "Tests"
        self._sync_subject()
        self._sync_detail()

    def look_again(self) -> None:
        self._seen = -1
        self.sync()
        self._sync_graph()
        self.refresh_bindings()

    def _tests(self) -> str:
        state = self.session.shown
        titles = {"visible": "the workflow sees them", "val": "search uses them", "test": "held back"}
        parts = []
        for split, title in titles.items():
            if sources := state.tests(split):
                written = ", model-written" if split == "visible" and state.tests_written_by_model else ""
                parts.append(f"# {split}: {title}{written}\n" + "\n".join(sources))
        return "\n\n".join(parts)

    def _subject(self) -> Subject:
        outline = self.query_one(OutlineView)
        return subject_of(self.session.shown, None if outline.follow else outline.selected)

    def _sync_subject(self) -> None:
        subject = self._subject()
        self.query_one("#reasoning", TextView).show(subject.reasoning)
        workflow = self.query_one("#workflow", TextView)
        workflow.show(subject.source)
        where = f" · round {subject.round}" if subject.round else ""
        workflow.border_title = f"Workflow{where}" + (f" · {subject.heading}" if subject.heading else "")
        self.query_one("#reasoning", TextView).border_title = f"Reasoning{where}"
        key = self.query_one(OutlineView).selected
        workflow.mark_counts(*lines_run(self.session.shown, subject, key))

    def _sync_graph(self) -> None:
        """Redraw the graph; parsing a prefix of code is work for a thread, and not for every tick."""
        subject = self._subject()
        if subject.proposal is not None:
            self._graph, self._graph_of = subject.proposal.graph, subject.code
        elif subject.code != self._graph_of:
            self._graph_of = subject.code
            self.run_worker(partial(self._parse, subject.code), group="graph", exclusive=True)
        view = self.query_one(GraphView)
        state = self.session.shown
        counts = node_counts(state, subject, self._graph)
        view.show(self._graph, node_marks(state, subject, self._graph), counts)
        view.border_subtitle = counts.words

    async def _parse(self, code: str) -> None:
        from tui.trace.partial import partial_graph

        graph = await asyncio.to_thread(partial_graph, code, self.session.state.config)
        # While a line is half written less may parse than before; a graph that flickers helps nobody.
        if graph["nodes"] or not code:
            self._graph = graph

    def _sync_detail(self) -> None:
        key = self.query_one(OutlineView).selected
        self.query_one("#detail", DetailPane).show(key)
        node = self.session.shown.nodes.get(key) if key else None
        line = node.line if isinstance(node, StepNode) else None
        self.query_one("#workflow", TextView).mark_line(line)

    @on(LineList.Highlighted, "#steps")
    def _selected(self) -> None:
        self._sync_subject()
        self._sync_graph()
        self._sync_detail()

    # -- panes and pages -------------------------------------------------------------------------

    def _page(self, page: str) -> None:
        """Show `page` where the panes are pages; no effect where all fit."""
        for name in PAGES:
            self.set_class(name == page, f"-page-{name.lower()}")
        self.query_one("#pages", TabStrip).active = page

    def show_pane(self, pane: str) -> None:
        """Focus a pane, on whatever page it is."""
        self._going = pane
        if not self.query_one(f"#{pane}").region.area:
            # A focused widget that gets hidden clears the focus later, whoever has it by then.
            self.set_focus(None)
        self._page(PANES[pane])
        self._arrive()

    def _arrive(self) -> None:
        """Focus the pane once it is laid out: a page that is still hidden cannot take the focus."""
        if self._going is None:
            return
        pane = self.query_one(f"#{self._going}")
        if pane.region.area:
            pane.focus()
            self._going = None
        else:
            self.set_timer(LAYOUT_SECONDS, self._arrive)

    def _step_pane(self, by: int) -> None:
        panes = [p for p in PANES if p not in VIEWS.values() or p == self.steps_pane]
        focused = self.focused.id if self.focused else None
        at = panes.index(focused) if focused in panes else panes.index(self.steps_pane)
        self.show_pane(panes[(at + by) % len(panes)])

    @on(TabStrip.Picked, "#pages")
    def _picked_page(self, event: TabStrip.Picked) -> None:
        pane = next(pane for pane, page in PANES.items() if page == event.name)
        self.show_pane(self.steps_pane if pane == "steps" else pane)

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        # When a page is hidden Textual moves the focus somewhere; that is not where the user is going.
        if event.widget.id in PANES and self._going is None:
            self._page(PANES[event.widget.id])

    # -- actions ---------------------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in LIVE_ONLY:
            return self._can(action)
        if action in IN_THE_PAST:
            return self.session.position is not None
        return action != "follow" or not self.session.state.finished

    def action_next_pane(self) -> None:
        self._step_pane(1)

    def action_previous_pane(self) -> None:
        self._step_pane(-1)

    def action_next_tab(self) -> None:
        self.query_one("#detail", DetailPane).step_tab(1)

    def action_previous_tab(self) -> None:
        self.query_one("#detail", DetailPane).step_tab(-1)

    def action_follow(self) -> None:
        outline = self.query_one(OutlineView)
        outline.follow = not outline.follow
        outline.sync(force=True)
        self._seen = -1
        self.sync()

    def action_next_failure(self) -> None:
        if not self.query_one(OutlineView).next_failure():
            self.notify("Nothing has failed in this run.")

    def action_cancel(self) -> None:
        from tui.screens.confirm.confirm import ConfirmScreen

        def cancel(yes: bool | None) -> None:
            if yes:
                self.navigation.engines.act(self.session, "cancel")

        question = "Cancel this run? What has happened so far stays in the store."
        self.app.push_screen(ConfirmScreen(question, "Cancel run"), cancel)


def _titled(widget: Widget, title: str) -> Widget:
    widget.border_title = title
    return widget


def _note(sandbox: str) -> str:
    """What the title bar says of the sandbox a stored run used."""
    if not sandbox or sandbox.lower().startswith("docker"):
        return sandbox
    return f"This run used the {one_line(sandbox, 40)} sandbox, which isolates less than Docker."
