"""What the workbench has to do with engines: runs are started, followed and controlled there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.worker import Worker, WorkerState

from tui.ports import RunRequest, Workbench
from tui.safe import one_line
from tui.session import RunSession

if TYPE_CHECKING:
    from engine.experiments.standing import Standing


class EnginesApp(App[None]):
    """The part of the app that knows the runs and experiments in progress, and shows none of them."""

    def __init__(self, workbench: Workbench, clock: Callable[[], float]) -> None:
        super().__init__()
        self.workbench = workbench
        self.clock = clock
        self.sessions: list[RunSession] = []
        self._run_workers: dict[Worker[Any], RunSession] = {}
        self._under_way: set[str] = set()  # experiments

    @property
    def running(self) -> list[RunSession]:
        """Sessions whose run has not ended."""
        return [s for s in self.sessions if not s.state.finished]

    def begin(self, request: RunRequest) -> RunSession:
        """Start a run in an engine of its own."""
        session = RunSession(self.clock, live=True, title=request.problem.id)
        self._track(session, partial(self._begin, session, request))
        return session

    async def _begin(self, session: RunSession, request: RunRequest) -> None:
        session.breakpoints = list(request.breakpoints)
        session.run_id = await self.workbench.start(request)
        await session.drive(self.workbench.follow(session.run_id))

    def _track(self, session: RunSession, work: Callable[[], Awaitable[None]]) -> None:
        worker = self.run_worker(work, name="run", group="runs", exit_on_error=False)
        self._run_workers[worker] = session
        self.sessions.append(session)

    def follow(self, run_id: str, title: str) -> RunSession:
        """Follow a run that is in progress in some engine."""
        session = RunSession(self.clock, live=True, title=title)
        session.run_id = run_id
        self._track(session, partial(session.drive, self.workbench.follow(run_id)))
        return session

    async def find_live(self) -> None:
        """Follow what runs already: of an earlier screen, another terminal, or a colleague's."""
        from tui.service.engine_process.sockets import EngineError

        try:
            live = await self.workbench.live()
        except EngineError as error:
            self.notify(one_line(str(error), 300), severity="warning")
            return
        here = {session.run_id for session in self.sessions}
        for run_id in live:
            if run_id not in here:
                self.follow(run_id, run_id)

    def leave_runs(self) -> None:
        """Follow none any more; they go on."""
        for worker in self._run_workers:
            worker.cancel()

    def cancel_run(self, session: RunSession) -> None:
        self.act(session, "cancel")

    def act(self, session: RunSession, action: str, **args: Any) -> None:
        """Have a control action carried out; what comes of it comes as events."""
        self.act_all(session, [(action, args)])

    def act_all(self, session: RunSession, acts: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """As `act`, of several, one after the other."""
        if session.run_id:
            self.run_worker(partial(self._act, session.run_id, acts), group="control", exit_on_error=False)
        else:
            self.notify("The run has not begun yet.")

    async def _act(self, run_id: str, acts: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        from tui.service.engine_process.sockets import EngineError

        try:
            for action, args in acts:
                await self.workbench.act(run_id, action, **args)
        except EngineError as error:
            self.notify(one_line(str(error), 300), severity="warning")

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        session = self._run_workers.get(event.worker)
        if session is None or event.state in (WorkerState.PENDING, WorkerState.RUNNING):
            return
        del self._run_workers[event.worker]
        if event.state is WorkerState.ERROR:
            reason = one_line(f"{event.worker.error}" or type(event.worker.error).__name__, 300)
            session.state.close("error", reason)
            self.notify(reason, title="The run stopped", severity="error", timeout=15)
        elif event.state is WorkerState.SUCCESS:
            session.state.close("interrupted", "The run's events stopped before its end.")

    async def standings(self) -> list[Standing]:
        """How the experiments in progress stand; the user is told of those that have ended meanwhile."""
        from tui.service.engine_process.sockets import EngineError

        try:
            found = await self.workbench.experiments()
        except EngineError as error:
            self.notify(one_line(str(error), 300), severity="warning")
            return []
        live = [now for now in found if now.status != "ended"]
        for now in found:
            if now.status == "ended" and now.experiment in self._under_way:
                why = f": {now.stopped}" if now.stopped else ""
                told = f"{now.experiment} has ended ({now.end}), {now.done} of {now.total} trials done{why}"
                self.notify(one_line(told, 300), severity="information" if now.end == "done" else "warning")
        self._under_way = {now.experiment for now in live}
        return live
