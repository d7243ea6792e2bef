"""One problem, one variant: a run as a stream of events that always ends in RunFinished."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from typing import Any

from engine.events import Event, Notice, RunFinished, RunStarted, Split
from engine.forks import Fork
from engine.forks.replies import Replies, Reply
from engine.formats.catalog import FORMATS, NATIVE
from engine.ids import new_id
from engine.models.base import Loads, ModelError
from engine.problems import Problem
from engine.run.context import Origin, RunConfig, RunContext, Services
from engine.run.control import Control
from engine.run.emitter import Emitter
from engine.run.execution import status_of
from engine.run.gateway import Gateway
from engine.run.ledger import BudgetExceededError, Ledger
from engine.scores.made_tests import with_made_tests
from engine.search import SearchError
from engine.variants import Result, load_variant, options_of
from engine.variants.final import final_split, finish, finish_on
from engine.variants.proposal import emit_proposal
from engine.workflows import Workflow
from sandbox.types import SandboxError

Job = Callable[[RunContext], Awaitable[Result]]


class Run:
    """A run of one problem. Iterate `events()` once; `cancel()` ends it, with an event that says so."""

    def __init__(
        self,
        problem: Problem,
        config: RunConfig,
        services: Services,
        *,
        job: Job | None = None,
        found: Mapping[str, Any] | None = None,
        origin: Origin = Origin(),  # noqa: B008  immutable
        fork: Fork | None = None,
        replies: Sequence[Reply] = (),
    ) -> None:
        """`job` is what the run does, by default the variant's `solve`; `found` is the result of the
        variant's search, where it has one. Steps and calls that `fork` has a record of are served from it;
        `replies` are what an unfinished attempt at the same was answered.

        Raises UnknownVariantError where there is no such variant, and OptionError where its options are
        wrong.
        """
        if job is None:
            variant = load_variant(config.variant)
            options_of(variant.options, config.options)
            job = variant.solve
        self.id = new_id()
        self.origin = origin
        self._job = job
        emitter, ledger = Emitter(self.id), Ledger(config.budget)
        # To pause, step and edit the run while it is in progress.
        self.control = Control(emitter, ledger)
        fork = fork or Fork()
        self._recorded = len(replies)
        gateway = Gateway(emitter, ledger, self.control, fork, Replies(replies), deltas=config.deltas)
        self._context = RunContext(
            problem, config, services, emitter, ledger, gateway, self.control, found, fork
        )
        self._task: asyncio.Task[None] | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """Start, and yield every event as it happens, RunFinished last. Leaving the iteration early cancels
        the run.

        Failures of models, sandboxes and budgets are ends of the run. Only a bug of the variant is raised,
        after the last event.
        """
        self._task = asyncio.create_task(self._drive())
        try:
            async for event in self._context.emitter.events():
                yield event
        finally:
            self.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def cancel(self) -> None:
        """Stop the run: its containers are freed, and its last event says "cancelled". Does nothing
        before it starts.
        """
        if self._task is not None:
            self._task.cancel()

    async def _drive(self) -> None:
        """Run the job and emit its end, whatever that is."""
        context = self._context
        status, result = "error", Result(None, None, None, None, "the run ended unexpectedly")
        loading: asyncio.Task[bool] | None = None
        try:
            self._start()
            worker = context.services.worker
            # While the meta-agent writes. What goes on from an earlier run may need no model at all.
            if isinstance(worker, Loads) and not worker.is_loaded and self.origin.parent is None:
                loading = asyncio.create_task(worker.load())
            if context.config.make_tests and not context.problem.tests:
                context.problem = await with_made_tests(context)
            result = await self._job(context)
            status = _status(result, context)
        except asyncio.CancelledError:
            status, result = "cancelled", Result(None, None, None, None, "cancelled")
        except (BudgetExceededError, ModelError, SandboxError) as error:
            status, result = status_of(error), Result(None, None, None, None, str(error))
        except SearchError as error:
            status, result = "error", Result(None, None, None, None, str(error))
        except Exception as error:
            text = f"a bug ended the run ({type(error).__name__}: {error})"
            result = Result(None, None, None, None, text)
            raise
        finally:
            if loading is not None:
                loading.cancel()
            self._finish(status, result)

    def _start(self) -> None:
        context, services = self._context, self._context.services
        context.emitter.emit(
            RunStarted(
                problem=context.problem.to_json(),
                variant=context.config.variant,
                meta_agent=services.meta_agent.name,
                worker=services.worker.name,
                seed=context.config.seed,
                sandbox=services.sandbox.name,
                config=context.config.to_json(),
                origin=self.origin.to_json(),
                weights=_weights(services),
            )
        )
        if services.sandbox.name != "docker":
            context.emitter.emit(Notice(level="warning", text=services.sandbox.description))
        if self._recorded:
            text = (
                f"Goes on from run {self.origin.parent}, which did not end: where the same is asked,"
                f" {self._recorded} recorded answers are used again."
            )
            context.emitter.emit(Notice(level="info", text=text))

    def _finish(self, status: str, result: Result) -> None:
        ledger = self._context.ledger
        self._context.emitter.emit(
            RunFinished(
                status=status,
                score=result.score,
                val_score=result.val_score,
                answer=result.answer,
                workflow_id=result.workflow_id,
                error=result.error,
                tokens_in=ledger.tokens_in,
                tokens_out=ledger.tokens_out,
                cost_usd=ledger.cost_usd,
                model_calls=ledger.model_calls,
                steps=ledger.steps,
                wall_ms=ledger.clock.wall_s * 1e3,
            )
        )


def workflow_job(workflow: Workflow, split: Split | None = None) -> Job:
    """The job of executing this workflow and scoring it on `test`, or on `split` where one is named: training
    never looks at `test`.
    """

    async def job(context: RunContext) -> Result:
        emit_proposal(context, workflow, round_number=1)
        if workflow.format != NATIVE.name:
            title, operators = FORMATS[workflow.format].title, workflow.operators.name
            text = f"The workflow is read as {title}, with the operators {operators}."
            context.emitter.emit(Notice(level="info", text=text))
        if split is not None:
            return await finish_on(context, workflow, split)
        return await finish(context, workflow, round_number=1, val_score=None)

    return job


def _status(result: Result, context: RunContext) -> str:
    """The status of a run that came to a result: where there is a score, it decides."""
    if result.workflow_id is None and result.answer is None:
        scorable = final_split(context.problem) is not None or not context.config.final
        return "failed" if scorable else "error"
    if result.score is not None:
        return "passed" if result.score == 1.0 else "failed"
    # A search without a final scoring has a workflow as its result, and no answer.
    return "answered" if result.answer is not None or not context.config.final else "failed"


def _weights(services: Services) -> dict[str, str]:
    """The hashes of the weights by role, of models that know them: those in this process."""
    models = {"meta_agent": services.meta_agent, "worker": services.worker}
    hashes = {role: getattr(model, "weights", "") for role, model in models.items()}
    return {role: weights for role, weights in hashes.items() if weights}
