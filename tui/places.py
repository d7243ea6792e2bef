"""The places of the workbench, each on a digit, and the ways to what is in them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from textual.app import App

if TYPE_CHECKING:
    from tui.engines import Engines
    from tui.memory import Memory
    from tui.service.records import Records
    from tui.session import RunSession


class Places(App[None]):
    """An app whose screens lie on Home: a place has Home below it, and what is opened there comes on top.

    Screens are imported when somebody goes there.
    """

    engines: Engines
    records: Records
    memory: Memory

    def open_after(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do work that opens something at its end; what is typed meanwhile is meant for that."""
        raise NotImplementedError

    def open_session(self, session: RunSession) -> None:
        """Show a run that was started or is followed here."""
        from tui.screens.run.run import RunScreen

        self._to_home()
        self.push_screen(RunScreen(session))

    def _to_home(self) -> None:
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def action_home(self) -> None:
        self._to_home()

    def action_runs(self) -> None:
        from tui.screens.runs.runs import RunsScreen

        if isinstance(self.screen, RunsScreen):
            return
        self._to_home()
        if not self.is_screen_installed("runs"):
            self.install_screen(RunsScreen(), "runs")
        self.push_screen("runs")

    def open_comparison(self, names: Sequence[str]) -> None:
        """Compare two to four experiments, variants or runs (`store.compare.sides`)."""
        from tui.screens.compare.compare import CompareScreen

        self.push_screen(CompareScreen(names))

    def action_experiments(self) -> None:
        self.open_experiments()

    def open_experiments(self, selected: str | None = None) -> None:
        """Show all experiments, with the cursor on `selected`."""
        from tui.screens.experiments.experiments import ExperimentsScreen

        if not isinstance(self.screen, ExperimentsScreen):
            self._to_home()
            self.push_screen(ExperimentsScreen(selected))

    def open_new_experiment(self, variants: Sequence[str]) -> None:
        """Fill in an experiment of these variants, and show it once it is started."""
        from tui.screens.experiments.experiments import ExperimentsScreen

        self._to_home()
        screen = ExperimentsScreen()
        self.push_screen(screen)
        screen.fill_in(variants)

    def action_training(self) -> None:
        self.open_training()

    def open_training(self, selected: str | None = None) -> None:
        """Show all training jobs, with the cursor on `selected`."""
        from tui.screens.training.training import TrainingScreen

        if isinstance(self.screen, TrainingScreen):
            self.screen.select(selected)
            return
        self._to_home()
        self.push_screen(TrainingScreen(selected))

    def open_job(self, job_id: str, beside: Sequence[str] = ()) -> None:
        """Show a training job, with the curves of the jobs `beside` behind its own."""
        from tui.screens.training.job import JobScreen

        self.push_screen(JobScreen(job_id, beside))

    def action_compare(self) -> None:
        from tui.screens.compare.choose import ChooseScreen

        if not isinstance(self.screen, ChooseScreen):
            self._to_home()
            self.push_screen(ChooseScreen())

    def action_playground(self) -> None:
        from tui.screens.run.run import RunScreen

        if isinstance(self.screen, RunScreen):
            self.screen.action_playground()
        else:
            self.open_after(self._open_playground)

    async def _open_playground(self) -> None:
        from tui.screens.playground.place import open_playground

        await open_playground(self)

    def action_failures(self) -> None:
        from tui.screens.failures.failures import FailuresScreen

        if not isinstance(self.screen, FailuresScreen):
            self._to_home()
            self.push_screen(FailuresScreen())

    def action_hosts(self) -> None:
        from tui.screens.hosts.hosts import HostsScreen

        if not isinstance(self.screen, HostsScreen):
            self._to_home()
            self.push_screen(HostsScreen())

    def action_live(self) -> None:
        latest = next(iter(self.engines.running or self.engines.sessions[-1:]), None)
        if latest is None:
            self.notify("No run has been started here yet; press r to start one.")
        else:
            self.open_session(latest)
