"""What screens ask of the app they are in, as a protocol: they know it, and never the app itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from tui.engines import Engines
    from tui.memory import Memory
    from tui.ports import Workbench
    from tui.service.jobs.jobs import Jobs
    from tui.service.records import Records
    from tui.service.requests import NewRun, RunRequest
    from tui.session import RunSession
    from tui.stalls import Stalls


class Navigation(Protocol):
    """The ways to other screens, and what all screens share."""

    workbench: Workbench
    records: Records
    jobs: Jobs
    engines: Engines
    stalls: Stalls
    memory: Memory
    clock: Callable[[], float]
    tick: float  # seconds between two looks at what moves

    def open_after(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that opens something at its end; what is typed meanwhile is meant for that."""
        ...

    def hold_keys(self) -> Callable[[], None]:
        """Keep what is typed until the function that this returns is called, a second at most."""
        ...

    def start_run(
        self, request: RunRequest, *, show: bool = True, begun: Callable[[], None] | None = None
    ) -> RunSession:
        """Start a run, and show it; `begun` is called once it has begun."""
        ...

    def choose_columns(
        self, titles: Sequence[str], chosen: Sequence[str], then: Callable[[list[str] | None], None]
    ) -> None:
        """Have some of the columns of a table chosen; `then` gets them, or None."""
        ...

    def show_row(self, cells: Sequence[tuple[str, str]]) -> None:
        """Show a row of a table, its titles and texts, uncut."""
        ...

    def open_form(self, request: NewRun) -> None:
        """Open the form that starts a run, filled in with a request."""
        ...

    def open_session(self, session: RunSession) -> None:
        """Show a run that was started or is followed here."""
        ...

    def open_trace(self, run_id: str) -> None:
        """Show a run of the store; one that runs here is shown live."""
        ...

    def open_run(self, run_id: str) -> None:
        """Show a run of the store that may be in progress elsewhere; then it is followed."""
        ...

    def open_comparison(self, names: Sequence[str]) -> None:
        """Compare two to four experiments, variants or runs (`store.compare.sides`)."""
        ...

    def open_experiments(self, selected: str | None = None) -> None:
        """Show all experiments, with the cursor on `selected`."""
        ...

    def open_new_experiment(self, variants: Sequence[str]) -> None:
        """Fill in an experiment of these variants, and show it once it is started."""
        ...

    def open_job(self, job_id: str, beside: Sequence[str] = ()) -> None:
        """Show a training job, with the curves of the jobs `beside` behind its own."""
        ...

    def open_launch(self, *, parent: str | None = None) -> None:
        """Fill in a training job, or one that changes the recipe of the job `parent`."""
        ...

    def open_dataset(self, *, wanted: str, kind: str) -> None:
        """Build a data set of the runs that are `wanted`, then fill in a job on it."""
        ...
