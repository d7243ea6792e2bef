"""What can be done with a job from a screen: asked where it matters, and told why where it cannot be done."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.errors import ExpectedError
from tui.format import plural
from tui.safe import one_line
from tui.screens.confirm.confirm import ConfirmScreen

if TYPE_CHECKING:
    from textual.dom import DOMNode

    from store.experiment_reader import ExperimentRow
    from training.jobs.directory import Checkpoint
    from tui.screens.base import WorkbenchScreen
    from tui.service.jobs.standing import JobStanding


class JobControl:
    """The actions of `screen` on a job; `done` is called when one has been carried out."""

    def __init__(self, screen: WorkbenchScreen[Any], done: Callable[[], object]) -> None:
        self._screen, self._done = screen, done
        self._jobs = screen.navigation.jobs

    def stop(self, job: JobStanding) -> None:
        """Ask, then have it stop."""
        name = one_line(job.row.name, 60)
        if not job.is_going_on:
            self._screen.notify(f"{name} has ended already.")
            return
        question = f"Stop {name}? It writes a checkpoint first and can be resumed."
        self._confirm(
            question, "Stop it", "Keep it running", self._jobs.stop, job, "The job has been asked to stop."
        )

    def resume(self, job: JobStanding) -> None:
        """Have it go on."""
        self._do(self._jobs.resume(job.row.id), "The job continues from its newest checkpoint.")

    def fetch(self, job: JobStanding) -> None:
        """Bring its checkpoints here."""

        async def fetch() -> None:
            count = await self._jobs.fetch(job.row.id)
            self._screen.notify(f"{plural(count, 'checkpoint')} of {one_line(job.row.name, 60)} fetched.")

        self._do(fetch())

    def remove(self, job: JobStanding) -> None:
        """Ask, then delete it."""
        name = one_line(job.row.name, 60)
        if job.is_going_on:
            self._screen.notify(f"{name} is {job.state}; stop it first (X).")
            return
        question = f"Remove {name} with its checkpoints and log? Its runs are kept."
        self._confirm(question, "Remove it", "Keep it", self._jobs.remove, job, "The job is removed.")

    async def evaluate(self, job: JobStanding, step: int) -> None:
        """Fill in an experiment of the checkpoint against its base."""
        from tui.service.jobs.evaluation import contestants

        folder = self._jobs.folder_of(job.row.id)
        self._screen.navigation.open_new_experiment(contestants(folder, step, job.row.base or "pocket-meta"))

    def serve(self, job: JobStanding, step: int) -> None:
        """Serve the checkpoint on this machine."""
        from tui.service.jobs.evaluation import model_name

        async def serve() -> None:
            self._screen.notify("Starting a server; a notice will say when it answers.")
            name = await self._jobs.serve(model_name(job.row.id, step))
            self._screen.notify(f"The model {name} is ready to use; its job is in the list (8).", timeout=15)

        # The app's, because it takes minutes: nobody has to stay on this screen.
        self._do(serve(), worker_of=self._screen.app)

    async def compare(self, job: JobStanding, step: int) -> None:
        """Open the comparison of the checkpoint with its base."""
        experiments = await self._screen.navigation.records.experiments()
        if found := self.comparison(job, step, experiments, await self._jobs.checkpoints(job.row.id)):
            self._screen.navigation.open_comparison(found)
        else:
            self._screen.notify(f"No experiment compares checkpoint {step} with its base yet; E starts one.")

    @staticmethod
    def comparison(
        job: JobStanding, step: int, experiments: Sequence[ExperimentRow], checkpoints: Sequence[Checkpoint]
    ) -> list[str]:
        """The names of the experiments that compare the checkpoint with its base; [] where none does."""
        from tui.service.jobs.evaluation import compared_in

        made = {one.step: one.made_at for one in checkpoints}
        return compared_in(experiments, job.row.id, step, job.row.base or "pocket-meta", made)

    def _confirm(
        self,
        question: str,
        yes: str,
        no: str,
        act: Callable[[str], Coroutine[Any, Any, None]],
        job: JobStanding,
        told: str,
    ) -> None:
        def answered(agreed: bool | None) -> None:
            if agreed:
                self._do(act(job.row.id), told)

        self._screen.app.push_screen(ConfirmScreen(question, yes, no), answered)

    def _do(
        self, work: Coroutine[Any, Any, None], told: str = "", *, worker_of: DOMNode | None = None
    ) -> None:
        async def do() -> None:
            try:
                await work
                if told:
                    self._screen.notify(told)
            except ExpectedError as error:
                self._screen.notify(one_line(str(error), 300), severity="warning", timeout=10)
            if self._screen.is_current:
                self._done()

        (worker_of or self._screen).run_worker(do, group="control", exit_on_error=False)
