"""The runs and experiments in progress: started, followed and controlled here, shown by the screens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from textual.notifications import SeverityLevel
from textual.worker import Worker, WorkerState

from tui.notices import LONG_S
from tui.ports import Workbench
from tui.safe import one_line
from tui.trace.marks import outcome_words

if TYPE_CHECKING:
    from engine.experiments.standing import Standing
    from tui.service.requests import RunRequest
    from tui.session import RunSession

Act = tuple[str, Mapping[str, Any]]


class Notify(Protocol):
    """Tells the user, as `textual.app.App.notify` does."""

    def __call__(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
    ) -> None: ...


class Engines:
    """What the screens have to do with engines: runs and experiments started, followed and controlled.

    `background` carries work out and reports its end to `worker_changed`, as a Textual app does. `ended` is
    told of each run and experiment that ends, and how many seconds it took. No method raises: the user is
    notified of what goes wrong.
    """

    def __init__(
        self,
        workbench: Workbench,
        clock: Callable[[], float],
        *,
        background: Callable[..., Worker[Any]],
        notify: Notify,
        ended: Callable[[str, float], None] = lambda _text, _seconds: None,
    ) -> None:
        self.sessions: list[RunSession] = []
        self._workbench, self._clock = workbench, clock
        self._background, self._notify, self._ended = background, notify, ended
        self._run_workers: dict[Worker[Any], RunSession] = {}
        self._under_way: set[str] = set()  # experiments
        self._warned: set[str] = set()

    # -- runs ------------------------------------------------------------------------------------

    @property
    def running(self) -> list[RunSession]:
        """Sessions whose run has not ended."""
        return [s for s in self.sessions if not s.state.finished]

    def session_of(self, run_id: str) -> RunSession | None:
        """The session of a run that was started or is followed here."""
        return next((s for s in self.sessions if s.run_id == run_id), None)

    @property
    def under_way(self) -> frozenset[str]:
        """The experiments that were in progress at the last look."""
        return frozenset(self._under_way)

    def begin(self, request: RunRequest, begun: Callable[[], None] | None = None) -> RunSession:
        """Start a run in an engine process; `begun` is called once it has begun."""
        session = self._session(request.title)
        self._track(session, partial(self._begin, session, request, begun))
        return session

    async def _begin(
        self, session: RunSession, request: RunRequest, begun: Callable[[], None] | None
    ) -> None:
        session.breakpoints = list(request.breakpoints)
        session.request = request
        session.run_id = await self._workbench.start(request)
        if begun is not None:
            begun()
        await session.drive(self._workbench.follow(session.run_id))

    def follow(self, run_id: str, title: str) -> RunSession:
        """Follow a run that is in progress in some engine."""
        session = self._session(title)
        session.run_id = run_id
        self._track(session, partial(session.drive, self._workbench.follow(run_id)))
        return session

    def _session(self, title: str) -> RunSession:
        from tui.session import RunSession

        return RunSession(self._clock, live=True, title=title)

    def _track(self, session: RunSession, work: Callable[[], Awaitable[None]]) -> None:
        worker = self._background(work, name="run", group="runs", exit_on_error=False)
        self._run_workers[worker] = session
        self.sessions.append(session)

    async def find_live(self) -> None:
        """Follow the runs that are already in progress on this store, whoever started them."""
        from tui.service.engine_process.sockets import EngineError

        try:
            live = await self._workbench.live()
        except EngineError as error:
            self._notify(one_line(str(error), 300), severity="warning")
            return
        known_ids = {session.run_id for session in self.sessions}
        for run_id in live:
            if run_id not in known_ids:
                self.follow(run_id, run_id)

    def leave_runs(self) -> None:
        """Stop following every run; the runs go on."""
        for worker in self._run_workers:
            worker.cancel()

    def worker_changed(self, worker: Worker[Any], state: WorkerState) -> None:
        """Note the end of a worker: its run has ended, or can no longer be followed."""
        session = self._run_workers.get(worker)
        if session is None or state in (WorkerState.PENDING, WorkerState.RUNNING):
            return
        del self._run_workers[worker]
        if state is WorkerState.ERROR:
            reason = one_line(f"{worker.error}" or type(worker.error).__name__, 300)
            session.state.close("error", reason)
            if session.run_id:  # else the run's own screen says why it could not begin
                self._notify(reason, title="The run stopped", severity="error", timeout=15)
        elif state is WorkerState.SUCCESS:
            session.state.close("interrupted", "The run's events stopped before its end.")
        if state is not WorkerState.CANCELLED:
            words = outcome_words(session.state.status, session.state.score)
            self._ended(f"{session.title}: {words}", session.state.elapsed_ms(0.0) / 1000)

    # -- control ---------------------------------------------------------------------------------

    def act(self, session: RunSession, action: str, **args: Any) -> None:
        """Have a control action carried out; its effect arrives as events of the run."""
        self.act_all(session, [(action, args)])

    def act_all(self, session: RunSession, acts: Sequence[Act]) -> None:
        """As `act`, for several actions, one after the other; the first that is refused ends them."""
        if session.run_id:
            self._background(partial(self._act, session.run_id, acts), group="control", exit_on_error=False)
        else:
            self._notify("The run has not begun yet.")

    async def _act(self, run_id: str, acts: Sequence[Act]) -> dict[str, Any]:
        """How the run stands after the last of them; nothing where one was refused."""
        from tui.service.engine_process.sockets import EngineError

        standing: dict[str, Any] = {}
        try:
            for action, args in acts:
                standing = await self._workbench.act(run_id, action, **args)
        except EngineError as error:
            self._notify(one_line(str(error), 300), severity="warning")
            return {}
        return standing

    async def stop_of(self, session: RunSession) -> Mapping[str, Any] | None:
        """The stop at which the run waits (`Hub.state`); None while it goes on, or where that is unknown."""
        return (await self._act(session.run_id, [("state", {})])).get("stop")

    # -- experiments -----------------------------------------------------------------------------

    async def standings(self) -> list[Standing]:
        """How the experiments in progress stand; the user is told of those that ended since the last call."""
        from tui.service.engine_process.sockets import EngineError

        try:
            standings = await self._workbench.experiments(self._left_out)
        except EngineError as error:
            self._notify(one_line(str(error), 300), severity="warning")
            return []
        live = [now for now in standings if now.status != "ended"]
        for now in standings:
            if now.status == "ended" and now.experiment in self._under_way:
                why = f": {now.stopped}" if now.stopped else ""
                message = (
                    f"{now.experiment} has ended ({now.end}), {now.done} of {now.total} trials done{why}"
                )
                self._notify(
                    one_line(message, 300), severity="information" if now.end == "done" else "warning"
                )
                self._ended(message, LONG_S)
        self._under_way = {now.experiment for now in live}
        return live

    def _left_out(self, sentence: str) -> None:
        if sentence not in self._warned:  # once: the screens ask again and again
            self._warned.add(sentence)
            self._notify(one_line(sentence, 300), severity="warning")
