"""Forks and replay on the run screen: leave the record at a step, see where a run is from, play it again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from typing import TYPE_CHECKING

from sandbox.errors import ExpectedError
from tui.headless.replay import Pace, paced
from tui.safe import one_line
from tui.screens.run.live import LiveControl
from tui.session import RunSession
from tui.trace.nodes import CallNode, StepNode

if TYPE_CHECKING:
    from engine.events import Event
    from tui.screens.fork.fork import Changes
    from tui.service.requests import NewFork


class ForkControl(LiveControl):
    """The actions of a run that is in the store."""

    def on_mount(self) -> None:
        if self.session.pace is not None:
            self.run_worker(partial(self._play, self.session.pace), group="replay")

    def _can(self, action: str) -> bool:
        # What is played from the store is not a run that could be stopped.
        return self.session.pace is None and super()._can(action)

    def crumb(self) -> str:
        """What the title says: the kind of run, its problem, and the run it is from."""
        pace = self.session.pace
        if pace is not None:
            kind = f"Replay ×{pace.speed:g}" + (" paused" if pace.paused else "")
        else:
            kind = "Live run" if self.session.live else "Trace"
        parent = self.session.state.origin.get("parent")
        origin = f"  ›  from {one_line(str(parent), 20)}" if parent else ""
        return f"{kind}  ›  {one_line(self.session.title, 60)}{origin}"

    # -- forks -----------------------------------------------------------------------------------

    def action_fork(self) -> None:
        from tui.screens.fork.fork import ForkScreen

        state, step = self.session.state, self._selected_step()
        if not state.finished:
            self.notify("The run is still in progress; fork it when it has ended.")
        elif step is None:
            self.notify("First select the step to fork at.")
        else:
            self.app.push_screen(
                ForkScreen(step, self._prompt_of(step), state.worker), lambda c: self._fork(step, c)
            )

    def _fork(self, step: StepNode, changes: Changes | None) -> None:
        if changes is not None:
            self.run_worker(partial(self._start_fork, step, changes), group="fork", exclusive=True)

    async def _start_fork(self, step: StepNode, changes: Changes) -> None:

        try:
            request = await asyncio.to_thread(self._request, step.key[1], changes)
        except ExpectedError as error:
            self.notify(one_line(str(error), 300), severity="error")
            return
        self.workbench_app.start_run(request)

    def _request(self, step_id: str, changes: Changes) -> NewFork:
        from tui.service.asked.fork import check_fork, read_record
        from tui.service.requests import NewFork

        record = read_record(self.workbench_app.workbench.store_path, self.session.state.run_id)
        request = NewFork(
            parent=record.run_id,
            at=step_id,
            inputs=changes.inputs,
            prompt=changes.prompt,
            everywhere=changes.everywhere,
            worker=changes.worker,
        )
        check_fork(record, request)
        return request

    def _prompt_of(self, step: StepNode) -> str | None:
        """The user's message of the step's first model call, None where it made none or was served."""
        children = (self.session.state.nodes[key] for key in step.children)
        call = next((c for c in children if isinstance(c, CallNode)), None)
        texts = [m["content"] for m in call.messages if m["role"] == "user"] if call else []
        return texts[-1] if texts else None

    def action_parent(self) -> None:
        parent = self.session.state.origin.get("parent")
        if parent:
            self.workbench_app.open_trace(str(parent))
        else:
            self.notify("This run was not forked from another one.")

    # -- replay ----------------------------------------------------------------------------------

    def action_replay(self) -> None:
        pace, state = self.session.pace, self.session.state
        if pace is not None and not state.finished:
            pace.toggle()
            self._show_pace()
        elif not state.finished:
            self.notify("The run is still in progress; replay it when it has ended.")
        else:
            from tui.screens.run.run import RunScreen

            session = RunSession(self.workbench_app.clock, live=True, title=self.session.title)
            session.run_id, session.pace = state.run_id, Pace(pace.speed if pace else 1.0)
            if pace is None:
                self.app.push_screen(RunScreen(session))
            else:
                self.app.switch_screen(RunScreen(session))

    def action_faster(self) -> None:
        self._change_pace(faster=True)

    def action_slower(self) -> None:
        self._change_pace(faster=False)

    def _change_pace(self, *, faster: bool) -> None:
        pace = self.session.pace
        if pace is None:
            self.notify("Only a replay has a speed; R starts one.")
            return
        pace.faster() if faster else pace.slower()
        self._show_pace()

    def _show_pace(self) -> None:
        from tui.widgets.title_bar import TitleBar

        self.query_one(TitleBar).crumb = self.crumb()

    async def _play(self, pace: Pace) -> None:
        """Take the run's events from the store, each when it is due."""
        from store.errors import StoreError

        session = self.session

        async def stored() -> AsyncGenerator[Event, None]:
            async for chunk in self.workbench_app.records.events(session.run_id):
                for event in chunk:
                    yield event

        try:
            await session.drive(paced(stored(), pace))
        except StoreError as error:
            self.notify(one_line(str(error), 300), severity="error")
        session.state.close("interrupted", "The record stops before the run's end.")
