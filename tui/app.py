"""The workbench in a terminal: screens over the services of `tui.ports`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual import events
from textual.app import SystemCommand
from textual.binding import Binding

from sandbox.errors import ExpectedError
from tui.actions import bindings_for, keymap_problems
from tui.closing import is_missed_at_the_end
from tui.engines import Engines
from tui.key_order import KeyOrder
from tui.memory import Memory
from tui.notices import Notifier
from tui.palette import action_commands, commands_on
from tui.picked_theme import PickedTheme
from tui.places import Places
from tui.ports import Workbench
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.home.home import HomeScreen
from tui.service.jobs.jobs import Jobs
from tui.service.records import Records
from tui.stalls import Stalls
from tui.theme import own_variables

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.screen import Screen
    from textual.worker import Worker

    from tui.navigation import Navigation
    from tui.service.requests import NewRun, RunRequest
    from tui.session import RunSession


STALL_SECONDS = 2.0
JOB_SECONDS = 3.0
HELD_SECONDS = 1.0  # that keys wait for a list to be read; then they go to what is there


class WorkbenchApp(Places):
    """Opens on Home, on a form for `initial_request`, or on the trace of `initial_run_id`.

    `find_request` is asked in a thread, once Home is shown, for the request of a form to open. `clock` is
    monotonic seconds; tests freeze it.
    """

    TITLE = "FlowReasoner Workbench"
    CSS_PATH = ["app.tcss", "screens/home/home.tcss"]  # noqa: RUF012 (the default screen cannot bring its own)
    BINDINGS = bindings_for("app")
    COMMANDS = {action_commands}  # noqa: RUF012
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012 (Textual declares the type)
    VERTICAL_BREAKPOINTS = [(0, "-short"), (34, "-tall")]  # noqa: RUF012

    def __init__(
        self,
        workbench: Workbench,
        *,
        initial_request: NewRun | None = None,
        find_request: Callable[[], NewRun | None] | None = None,
        initial_run_id: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.workbench = workbench
        self.clock = clock
        self.notifier = Notifier(lambda: workbench.settings.notices, self._write)
        self.engines = Engines(
            workbench, clock, background=self.run_worker, notify=self.notify, ended=self.notifier.ended
        )
        self.records = Records(workbench.store_path)
        self.jobs = Jobs(self.records, lambda: workbench.settings.hosts)
        self.stalls = Stalls(self.records, clock)
        self.memory = Memory(workbench.store_path.parent)
        self._keys = KeyOrder(self)
        self._initial_request, self._initial_run_id = initial_request, initial_run_id
        self._find_request = find_request
        self.failure: ExpectedError | None = None  # why it closed by itself
        self._clashes: set[str] = set()
        self._left = False
        self._picked_theme = PickedTheme(self, self.memory, workbench.theme)
        # A repaint costs a round trip's worth of bytes over SSH, so there everything moves less often.
        remote = bool(os.environ.get("SSH_CONNECTION") or os.environ.get("SSH_TTY"))
        self.tick = 0.5 if remote else 0.1
        if remote:
            self.animation_level = "none"

    # -- starting --------------------------------------------------------------------------------

    def get_default_screen(self) -> Screen[Any]:
        return HomeScreen()

    def get_css_variables(self) -> dict[str, str]:
        variables = super().get_css_variables()
        variables.update(own_variables(variables, dark=self.current_theme.dark))
        return variables

    def on_mount(self) -> None:
        self.theme_changed_signal.subscribe(self, self._picked_theme.remember)
        # The terminal comes back blank, and Textual would draw only what has changed meanwhile.
        self.app_resume_signal.subscribe(self, lambda _: self.refresh(layout=True))
        if self._picked_theme.problem:
            self.notify(self._picked_theme.problem, severity="warning")
        if self.workbench.has_settings:
            self._begin()
        else:
            self.call_after_refresh(self.open_after, self._read_settings)

    async def _read_settings(self) -> None:
        """Read the settings and the store, once the first screen is there to be looked at."""
        try:
            await asyncio.to_thread(lambda: self.workbench.settings)
            if self._find_request is not None:
                self._initial_request = await asyncio.to_thread(self._find_request)
        except ExpectedError as error:
            self.failure = error
            self.exit()
            return
        for screen in self.screen_stack:
            if isinstance(screen, HomeScreen):
                screen.settings_read()
        self._begin()

    def _begin(self) -> None:
        """What needs the settings."""
        keymap = self.workbench.settings.keymap
        if keymap:
            self.set_keymap(dict(keymap))
            for problem in keymap_problems(keymap):
                self.notify(problem, severity="warning", timeout=15)
        self.run_worker(self.engines.find_live, group="attach", exit_on_error=False)
        self.set_interval(STALL_SECONDS, self._look_for_stalls)
        self.set_interval(JOB_SECONDS, self._look_at_jobs)
        if self._initial_run_id is not None:
            self.open_trace(self._initial_run_id)
        elif self._initial_request is not None:
            self.open_form(self._initial_request)

    async def on_event(self, event: events.Event) -> None:
        """Keys and pastes one after the other (`tui.key_order`); all else as Textual has it."""
        if not isinstance(event, (events.Key, events.Paste)) or event.is_forwarded:
            await super().on_event(event)
        elif self._keys.admit(event):
            node = self.focused or self.screen
            await super().on_event(event)
            self._keys.follow(node)

    def open_after(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that opens something at its end; what is typed meanwhile is meant for that."""
        self._keys.wait_for(self.run_worker(work, group="open", exclusive=True))

    def hold_keys(self) -> Callable[[], None]:
        """Keep what is typed until the function that this returns is called, a second at most."""
        return self._keys.hold(HELD_SECONDS)

    def _write(self, sequence: str) -> None:
        if self._driver is not None:
            self._driver.write(sequence)

    def _look_for_stalls(self) -> None:
        if running := self.engines.running:
            look = partial(self.stalls.look, running)
            self.run_worker(look, group="stalls", exclusive=True, exit_on_error=False)

    def _look_at_jobs(self) -> None:
        """Tell what is new about training jobs, whatever is on the screen."""
        for news in self.jobs.news.take():
            self.notify(one_line(news.text, 300), severity="warning" if news.is_bad else "information")
            self.notifier.ended(news.text)
        if not any(worker.group == "jobs" and not worker.is_finished for worker in self.workers):
            self.run_worker(self.jobs.standings, group="jobs", exit_on_error=False)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        self.engines.worker_changed(event.worker, event.state)
        self._keys.worker_changed()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        where = self.screen.name
        screens = ("home", "runs", "live", "failures", "experiments", "compare")
        screens += ("playground", "training", "hosts")
        if action in ("new_run", *screens):
            # Not over a half-filled form, and not to where one is.
            return where not in ("form", "bench", "launch", "choose" if action == "compare" else action)
        return True

    def _handle_exception(self, error: Exception) -> None:
        if not is_missed_at_the_end(self, error):
            super()._handle_exception(error)

    def handle_bindings_clash(self, clashed_bindings: set[Binding], node: DOMNode) -> None:
        for binding in clashed_bindings - {b for b in clashed_bindings if b.id in self._clashes}:
            self._clashes.add(binding.id or "")
            self.notify(f"The key of {binding.id} is used twice; see the keymap.", severity="warning")

    # -- screens ---------------------------------------------------------------------------------

    def start_run(
        self, request: RunRequest, *, show: bool = True, begun: Callable[[], None] | None = None
    ) -> RunSession:
        """Start a run, and show it; `begun` is called once it has begun."""
        session = self.engines.begin(request, begun)
        if show:
            self.open_session(session)
        return session

    def open_trace(self, run_id: str) -> None:
        """Show a run of the store; one that runs here is shown live."""
        from tui.screens.run.opening import open_trace

        open_trace(self, run_id)

    def open_run(self, run_id: str) -> None:
        """Show a run of the store that may be in progress elsewhere; then it is followed."""
        self.open_after(partial(self._open_run, run_id))

    async def _open_run(self, run_id: str) -> None:
        from tui.screens.run.opening import open_run

        await open_run(self, run_id)

    def choose_columns(
        self, titles: Sequence[str], chosen: Sequence[str], then: Callable[[list[str] | None], None]
    ) -> None:
        """Have some of the columns of a table chosen; `then` gets them, or None."""
        from tui.screens.columns.columns import ColumnsScreen

        self.push_screen(ColumnsScreen(titles, chosen), then)

    def show_row(self, cells: Sequence[tuple[str, str]]) -> None:
        """Show a row of a table, its titles and texts, uncut."""
        from tui.screens.columns.whole_row import WholeRowScreen

        self.push_screen(WholeRowScreen(cells))

    def open_form(self, request: NewRun) -> None:
        from tui.screens.new_run.new_run import fill_in

        fill_in(self, request)

    def open_launch(self, *, parent: str | None = None) -> None:
        """Fill in a training job, or one that changes the recipe of the job `parent`."""
        from tui.screens.training import ways

        ways.launch(self, parent)

    def open_dataset(self, *, wanted: str, kind: str) -> None:
        """Build a data set of the runs that are `wanted`, then fill in a job on it."""
        from tui.screens.training import ways

        ways.build(self, wanted, kind)

    def action_new_run(self) -> None:
        self.open_after(self._new_run)

    async def _new_run(self) -> None:
        # Finding the bundled example reads files and imports its benchmark.
        self.open_form(await asyncio.to_thread(self.workbench.default_request))

    async def action_back(self) -> None:
        screen = self.screen
        if screen.maximized is not None:
            screen.minimize()
        elif isinstance(screen, WorkbenchScreen) and screen.widen():
            return
        elif len(self.screen_stack) > 1:
            self.pop_screen()

    def action_help(self) -> None:
        from tui.screens.help.help import HelpScreen

        if not isinstance(self.screen, HelpScreen):
            keymap = dict(self.workbench.settings.keymap)
            self.push_screen(HelpScreen(self.screen.name or "app", keymap))

    def action_jump(self) -> None:
        from tui.screens.jump.jump import jump

        jump(self)

    def action_zoom(self) -> None:
        if self.screen.maximized is not None:
            self.screen.minimize()
        elif self.screen.focused is not None:
            self.screen.maximize(self.screen.focused)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        return commands_on(screen, self, self.workbench.settings.keymap, self.memory)

    # -- text out --------------------------------------------------------------------------------

    async def action_copy(self) -> None:
        from tui import focused_text

        await focused_text.copy(self.screen, self._exports)

    async def action_export(self) -> None:
        from tui import focused_text

        await focused_text.export(self.screen, self._exports)

    async def action_edit(self) -> None:
        from tui import focused_text

        await focused_text.edit(self.screen)

    def action_share(self) -> None:
        from tui.screens.share.sharing import share

        run_id = self.screen.shown_run if isinstance(self.screen, WorkbenchScreen) else None
        if run_id is None:
            self.notify("First open a run, or select one in the list of runs.")
        else:
            share(self, run_id, self.workbench.store_path)

    @property
    def _exports(self) -> Path:
        return self.workbench.store_path.parent / "exports"

    # -- leaving ---------------------------------------------------------------------------------

    async def action_quit(self) -> None:
        """Leave; first ask where that would cost somebody something."""
        from tui.leaving import leave

        leave(self, self.engines)

    def action_suspend_process(self) -> None:
        if self._driver is None or not self._driver.can_suspend:
            self.notify("This terminal cannot suspend the workbench.")
            return
        super().action_suspend_process()

    async def on_unmount(self) -> None:
        if self._left:
            return
        self._left = True
        self.engines.leave_runs()
        await self.jobs.aclose()
        await self.records.aclose()
        await self.workbench.aclose()


if TYPE_CHECKING:

    def _navigation(app: WorkbenchApp) -> Navigation:
        """Has the type checker hold the app to what the screens ask of it."""
        return app
