"""A run: the query, what the meta-agent writes, the steps, and the selected step in full.

Live runs and traces from the store are the same screen; only where the events come from differs. The screen
lays its parts out, brings them up to date and has each key do something with one of them.
"""

from __future__ import annotations

from functools import partial

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from tui.actions import bindings_for
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.forks import fork_at, show_forks, with_parent
from tui.screens.run.hits import to_hit
from tui.screens.run.not_begun import NotBegun
from tui.screens.run.pages import Pages
from tui.screens.run.play import playground_of
from tui.screens.run.problem_pane import ProblemPane
from tui.screens.run.run_title import RunTitle
from tui.screens.run.scrub_bar import ScrubBar
from tui.screens.run.search_bar import SearchBar
from tui.screens.run.status_line import StatusLine
from tui.screens.run.step_views import StepViews
from tui.screens.run.stop_bar import LIVE_ONLY, StopBar
from tui.screens.run.workflow_pane import WorkflowPane
from tui.session import RunSession
from tui.trace.filter import kept_events, key_of
from tui.trace.finder import Finder
from tui.trace.nodes import StepNode
from tui.trace.subject import Subject, step_of, subject_of
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView

GRAPH_SECONDS = 0.25
LOADING_TICKS = 5
IN_THE_PAST = ("later", "later_step", "now")


class RunScreen(WorkbenchScreen[None]):
    """Shows a session; loads it first where `run_id` names a run of the store."""

    CSS_PATH = "run.tcss"
    AUTO_FOCUS = ""  # the page decides what is focused
    BINDINGS = bindings_for("run")

    def __init__(self, session: RunSession, *, run_id: str | None = None) -> None:
        super().__init__(name="run")
        self.session = session
        self.finder = Finder()
        self._run_id = run_id
        self._seen = -1
        self._ticks = 0
        self._title = RunTitle(session)
        self._not_begun = NotBegun(session)
        self._views = StepViews(session, id="right")
        self._pages = Pages(self._views)
        self._detail = DetailPane(session.state, id="detail")
        self._problem = ProblemPane(id="left")
        self._workflow = WorkflowPane(id="middle")
        self._to_hit = partial(to_hit, self, self.finder, self._views, self._detail)

    def compose(self) -> ComposeResult:
        self._control = StopBar(self.session, self.navigation.engines)
        yield self._title
        with Horizontal(id="head"):
            yield StatusLine(self.session, self.navigation.stalls.told)
            yield self._pages.strip
        yield self._control
        yield self._not_begun
        yield ScrubBar(self.session)
        with self._pages:
            with Horizontal(id="top"):
                yield self._problem
                yield self._workflow
                yield self._views
            yield self._detail
        yield Footer()

    def on_mount(self) -> None:
        if self._run_id is not None:
            read = self.with_keys_held(partial(self._read, self._run_id))
            self.run_worker(read, group="load", exclusive=True)
        self._timer = self.set_interval(tick := self.navigation.tick, self._tick)
        self._graph_timer = self.set_interval(max(GRAPH_SECONDS, tick), self._sync_graph)
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

    def widen(self) -> bool:
        if narrowed := bool(self.finder.wanted):
            self.finder.clear()
            for bar in self.query(SearchBar):
                bar.empty()
            self.sync(anew=True)
        return narrowed

    async def _read(self, run_id: str) -> None:
        """Take the run from the store, at once or at the pace of a replay."""
        from store.errors import StoreError

        session, records = self.session, self.navigation.records
        try:
            if session.pace is not None:
                await session.play(records, run_id, session.pace)
            else:
                await session.read(records, run_id)
        except StoreError as error:
            session.state.close("error", one_line(str(error), 300))
            self.notify(one_line(str(error), 300), severity="error")
        session.loading = False
        if session.pace is None:  # one that is played is followed from its start
            self._views.to_first_failure()

    # -- state to widgets ------------------------------------------------------------------------

    def _tick(self) -> None:
        # Laying out a tree that grows by thousands of rows a second ten times a second would only slow it.
        self._ticks += 1
        # The first rows are what one waits for, though.
        if self.session.loading and self._seen > 0 and self._ticks % LOADING_TICKS:
            return
        shown = self.session.shown
        if shown.revision != self._seen or shown.tree.open or self.session.loading:
            self.sync()

    def sync(self, *, anew: bool = False) -> None:
        """Bring every pane up to date. Panes compare; what has not changed costs next to nothing.

        `anew`: what is shown is another state, or less or more of it.
        """
        state = self.session.shown
        fresh = anew or state.revision != self._seen
        self._seen = state.revision
        self.query_one(StatusLine).refresh()
        self._sync_steps()
        if not fresh:
            return
        self._title.sync(self.navigation.workbench.sandbox_note)
        self._sync_stop()
        if self._not_begun.sync():
            self._pages.display = self._pages.strip.display = False
            self.set_focus(self._not_begun)
        self._problem.show(state)
        self._sync_selected()
        if anew:
            self._sync_graph()

    def _sync_steps(self) -> None:
        """The steps, with what the reader wants of them, and the bar of the past."""
        state = self.session.shown
        if self.finder.is_due(state):
            self.run_worker(self._find, group="find", exclusive=True)
        if self.finder.is_new(state):
            keys, wanted = self.finder.kept(state), self.finder.wanted
            self._views.keep(keys, kept_events(self.session.history.events, wanted, keys or set()))
            for text in self.query(TextView):
                text.find(wanted.query)
        self._views.sync()
        self._views.tell(self.finder.words)
        self.query_one(ScrubBar).sync()

    def _subject(self) -> Subject:
        outline = self._views.outline
        return subject_of(self.session.shown, None if outline.follow else outline.selected)

    def _sync_selected(self) -> None:
        selected = self._views.selected
        self._workflow.show(self.session.shown, self._subject(), selected)
        self._detail.show(selected)
        self.refresh_bindings()  # what cannot be done now leaves the footer

    def _sync_graph(self) -> None:
        if not self.session.loading:  # its marks are counted from all steps: once, where thousands come
            self._workflow.show_graph(self.session.shown, self._subject())

    @on(StopBar.BreakpointsSet)
    def _sync_stop(self) -> None:
        self._control.sync()
        self._workflow.mark_stops(self.session.breakpoints)

    # -- what parts tell -------------------------------------------------------------------------

    @on(LineList.Highlighted, "#steps")
    def _selected(self) -> None:
        self._sync_selected()
        self._sync_graph()

    @on(LineList.Highlighted, "#events")
    def _selected_event(self) -> None:
        self._detail.show_event(self._views.event)

    @on(TabStrip.Picked, "#pages")
    def _page_picked(self, event: TabStrip.Picked) -> None:
        self._pages.pick(event.name)

    @on(StepViews.Switched)
    def _switched(self) -> None:
        self._sync_steps()
        self._detail.show_event(self._views.event)
        self._pages.show_pane(self._views.pane)

    @on(LineList.Chosen, "#events")
    def _chosen_event(self) -> None:
        self._detail.pick("Event")

    @on(LineList.Chosen, "#timeline")
    def _chosen_bar(self) -> None:
        self._pages.show_pane("detail-text")

    @on(SearchBar.Typed)
    def _typed(self, event: SearchBar.Typed) -> None:
        if self.finder.look_for(event.words):
            self.sync(anew=True)

    @on(SearchBar.Closed)
    def _search_closed(self) -> None:
        self._pages.show_pane(self._views.pane)

    async def _find(self) -> None:
        await self.finder.find(self.session.shown)
        self.sync(anew=True)

    @on(ScrubBar.Moved)
    def _moved(self, event: ScrubBar.Moved) -> None:
        self.scrub(event.position)

    def scrub(self, position: int) -> None:
        """Show the run as it was after `position` events."""
        self.run_worker(partial(self._scrub, position), group="scrub", exclusive=True)

    async def _scrub(self, position: int) -> None:
        session = self.session
        await session.look_back(position)
        self._views.show_state()
        self._detail.show_state(session.shown)
        self.finder.forget()
        if session.position:
            key = key_of(session.history.events[session.position - 1])
            if key is not None and key in session.shown.tree.nodes:
                self._views.outline.select(key)
        self.sync(anew=True)

    # -- keys ------------------------------------------------------------------------------------

    @property
    def _step(self) -> StepNode | None:
        """The step that the selected row is, or is in."""
        return step_of(self.session.state, self._views.selected)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in LIVE_ONLY:
            return self._control.can(action)
        if action in IN_THE_PAST:
            return self.session.position is not None
        return not self._not_begun.bars(action) and (action != "follow" or not self.session.state.finished)

    def can_act(self, action: str) -> bool:
        if action == "fork":
            return self.session.state.finished and self._step is not None
        return action != "next_failure" or bool(self._views.outline.failed)

    def action_next_pane(self) -> None:
        self._pages.step(1)

    def action_previous_pane(self) -> None:
        self._pages.step(-1)

    def action_next_tab(self) -> None:
        self._detail.step_tab(1)

    def action_previous_tab(self) -> None:
        self._detail.step_tab(-1)

    def action_next_view(self) -> None:
        self._views.show_next()

    def action_follow(self) -> None:
        outline = self._views.outline
        outline.follow = not outline.follow
        outline.sync(force=True)
        self.sync(anew=True)

    def action_next_failure(self) -> None:
        if not self._views.outline.next_failure():
            self.notify("Nothing has failed in this run.")

    def action_only_failures(self) -> None:
        self.finder.only_failures()
        self.sync(anew=True)

    def action_only_changes(self) -> None:
        self.finder.only_changes()
        self.sync(anew=True)

    async def action_search(self) -> None:
        if not self.query(SearchBar):  # most traces are never searched, and an input is slow to make
            await self.mount(SearchBar(), before=self.query_one(Footer))
        self.query_one(SearchBar).open()

    def action_next_hit(self) -> None:
        self._to_hit(1)

    def action_previous_hit(self) -> None:
        self._to_hit(-1)

    def action_earlier(self) -> None:
        self.scrub(self.session.history.milestone(self.session.at, -1))

    def action_later(self) -> None:
        if self.session.position is not None:
            self.scrub(self.session.history.milestone(self.session.at, 1))

    def action_earlier_step(self) -> None:
        self.scrub(self.session.step_at(-1))

    def action_later_step(self) -> None:
        if self.session.position is not None:
            self.scrub(self.session.step_at(1))

    def action_now(self) -> None:
        if self.session.position is not None:
            self.scrub(len(self.session.history))

    def action_pause(self) -> None:
        self._control.pause()

    def action_step_over(self) -> None:
        self._control.step("over")

    def action_step_into(self) -> None:
        self._control.step("into")

    def action_step_out(self) -> None:
        self._control.step("out")

    def action_run_to(self) -> None:
        self._control.run_to(self._step.line if self._step else None)

    def action_finish(self) -> None:
        self._control.finish()

    def action_cancel(self) -> None:
        self._control.cancel()

    def action_breakpoints(self) -> None:
        self._control.choose_breakpoints(self._step)

    def action_change(self) -> None:
        self.navigation.open_after(self._control.change)

    def action_fork(self) -> None:
        fork_at(self, self.session.state, self._step, self.navigation)

    def action_playground(self) -> None:
        found = playground_of(self.session.state, self._step)
        self.notify(found) if isinstance(found, str) else self.app.push_screen(found)

    def action_parent(self) -> None:
        with_parent(self, self.session.state, lambda parent, _: self.navigation.open_trace(parent))

    def action_against_parent(self) -> None:
        with_parent(self, self.session.state, lambda *both: self.navigation.open_comparison(both))

    def action_forks(self) -> None:
        show_forks(self, self.session.state)

    def action_replay(self) -> None:
        session = self.session
        if session.pace is not None and not session.state.finished:
            self._title.toggle_pause()
        elif not session.state.finished:
            self.notify("The run is still in progress; replay it once it has ended.")
        else:
            show = self.app.push_screen if session.pace is None else self.app.switch_screen
            show(RunScreen(session.again(), run_id=session.state.run_id))

    def action_faster(self) -> None:
        self._title.change_pace(faster=True)

    def action_slower(self) -> None:
        self._title.change_pace(faster=False)
