"""The grid filled: every edit of a step's prompt asked of every model, each cell the step itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.events import (
    EvaluationFinished,
    RoundFinished,
    RoundStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowStarted,
)
from engine.ids import new_id, step_key
from engine.models.base import ChatModel, ModelError
from engine.plain import answer_text, jsonable
from engine.playground.plan import Cell, Plan
from engine.playground.step import PlayedStep
from engine.run.clock import within
from engine.run.context import RunContext
from engine.run.ledger import BudgetExceededError
from engine.run.step_requests import StepCall, StepRequests
from engine.run.steps import STEP_LIMITS, STEP_WALL_S
from engine.runner import Job
from engine.scores.scoring import score_answer
from engine.variants import Result
from sandbox.types import CallbackError, SandboxError, Session

# Cells: enough to hide an endpoint's latency, few enough for its rate limit.
MAX_AT_ONCE = 4


def playground_job(played: PlayedStep, plan: Plan, models: Sequence[ChatModel]) -> Job:
    """The job of filling the grid; `models` are the plan's, in its order."""

    async def job(context: RunContext) -> Result:
        return await _Grid(played, plan, models, context).fill()

    return job


class _Grid:
    def __init__(
        self, played: PlayedStep, plan: Plan, models: Sequence[ChatModel], context: RunContext
    ) -> None:
        self._played, self._plan, self._models, self._context = played, plan, models, context
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._answers: dict[Cell, str] = {}
        self._errors: dict[Cell, Exception] = {}

    async def fill(self) -> Result:
        """Every cell, a row a round. Raises what kept all of them, or the budget some, from an answer."""
        rows = [asyncio.ensure_future(self._row(n)) for n in range(len(self._plan.edits))]
        try:
            await asyncio.gather(*rows)
        finally:
            for row in rows:
                row.cancel()
            await asyncio.gather(*rows, return_exceptions=True)
        spent = next((e for e in self._errors.values() if isinstance(e, BudgetExceededError)), None)
        first = spent or (None if self._answers else next(iter(self._errors.values()), None))
        if isinstance(first, BudgetExceededError | ModelError | SandboxError):
            raise first
        best = self._answers[min(self._answers)] if self._answers else None
        workflow = self._played.record.executions.get(self._played.step.execution_id)
        workflow_id = workflow.workflow_id if workflow else None
        return Result(None, None, best, workflow_id, str(first) if first else None)

    async def _row(self, number: int) -> None:
        emit, edit = self._context.emitter.emit, self._plan.edits[number]
        emit(RoundStarted(round=number + 1))
        repeats = range(1, self._plan.repeats + 1)
        cells = [Cell(number, model, r) for model in range(len(self._models)) for r in repeats]
        work = [asyncio.ensure_future(self._in_turn(cell)) for cell in cells]
        try:
            await asyncio.gather(*work)
        finally:
            for one in work:
                one.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        emit(RoundFinished(round=number + 1, workflow_id=None, score=None, feedback=f"prompt: {edit.name}"))

    async def _in_turn(self, cell: Cell) -> None:
        async with self._slots:
            try:
                await self._cell(cell)
            except (BudgetExceededError, ModelError, SandboxError, _StepFailedError) as error:
                self._errors[cell] = error  # told by the cell's end; the others go on

    async def _cell(self, cell: Cell) -> None:
        async with self._context.services.sandbox.session() as session:
            run = _CellRun(self._played, self._plan, cell, self._models[cell.model], self._context)
            self._answers[cell] = await run.in_session(session)


class _StepFailedError(Exception):
    """The operator itself failed, on what the model answered."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class _CellRun:
    """One cell: the step's operator with one prompt and one model, told as an execution of one step."""

    def __init__(
        self, played: PlayedStep, plan: Plan, cell: Cell, model: ChatModel, context: RunContext
    ) -> None:
        services = replace(context.services, worker=model)
        self._context = replace(context, services=services)
        self._played, self._plan, self._cell, self._model = played, plan, cell, model
        self._execution_id = new_id()
        self._round, self._repeat = plan.place(cell)
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def in_session(self, session: Session) -> str:
        """What the cell gave, as text. Raises what kept it from that, after saying so."""
        context, emit = self._context, self._context.emitter.emit
        execution = self._played.record.executions.get(self._played.step.execution_id)
        emit(
            WorkflowStarted(
                execution_id=self._execution_id,
                workflow_id=execution.workflow_id if execution else "",
                round=self._round,
                repeat=self._repeat,
                purpose="answer",
                container_id=session.container_id,
            )
        )
        started = context.ledger.wall_s
        status, answer, error, cpu_ms = "cancelled", None, "cancelled", 0.0
        try:
            output, cpu_ms = await self._step(session)
            answer = answer_text(output, self._played.problem)
            if self._plan.test:
                await self._test(answer)
            status, error = "ok", None
            return answer or str(output)
        except (BudgetExceededError, ModelError, SandboxError, _StepFailedError) as failure:
            status = _status(failure)
            error = str(failure)
            raise
        finally:
            emit(
                WorkflowFinished(
                    execution_id=self._execution_id,
                    status=status,
                    answer=answer,
                    error=error,
                    stdout="",
                    wall_ms=(context.ledger.wall_s - started) * 1e3,
                    cpu_ms=cpu_ms,
                )
            )

    async def _step(self, session: Session) -> tuple[Any, float]:
        """The operator's output and its CPU time in ms."""
        played, context, emit = self._played, self._context, self._context.emitter.emit
        context.ledger.admit_step()
        sampling, draw = played.sampling, played.draw(self._cell.repeat)
        key = step_key(draw, self._model.name, sampling.to_json())
        step = played.step
        call = StepCall(
            new_id(), self._execution_id, played.operator, step.line, key, draw, sampling, played.inputs
        )
        requests = StepRequests(context, call, self._abort)
        edit = self._plan.edits[self._cell.edit]
        if edit.text is not None or played.was_edited:
            requests.prompt = played.template.fill(edit.text or played.template.text)
        emit(
            StepStarted(
                step_id=call.step_id,
                execution_id=self._execution_id,
                index=0,
                operator=step.operator,
                line=step.line,
                key=key,
                inputs=jsonable(played.inputs),
            )
        )
        started = context.ledger.wall_s
        status, output, error, stdout, cpu_ms = "cancelled", None, "cancelled", "", 0.0
        try:
            work = session.call(
                "engine.guest.operator:main",
                played.operator.to_step(played.inputs),
                callback=requests.callback,
                limits=STEP_LIMITS,
            )
            outcome = await within(context.ledger, STEP_WALL_S, work)
            stdout, cpu_ms = outcome.stdout, outcome.usage.cpu_ms
            if self._ended.done():
                self._ended.result()  # raises why the host ended it
            if outcome.status != "passed" and requests.refused is not None:
                raise requests.refused
            if outcome.status != "passed":
                status = "timeout" if outcome.status.startswith("timeout") else "error"
                raise _StepFailedError(status, outcome.message or outcome.reason or outcome.status)
            status, output, error = "ok", outcome.value, None
            return output, cpu_ms
        except TimeoutError as late:
            status, error = "timeout", str(late)
            raise _StepFailedError(status, error) from None
        except (BudgetExceededError, ModelError, SandboxError, _StepFailedError) as failure:
            error = str(failure)
            status = _status(failure)
            raise
        finally:
            spent = requests.spent
            emit(
                StepFinished(
                    step_id=call.step_id,
                    status=status,
                    output=jsonable(output),
                    error=error,
                    reused=False,
                    wall_ms=(context.ledger.wall_s - started) * 1e3,
                    cpu_ms=cpu_ms,
                    tokens_in=spent.tokens_in,
                    tokens_out=spent.tokens_out,
                    cost_usd=spent.cost_usd,
                    stdout=stdout,
                )
            )

    def _abort(self, error: Exception, kind: str) -> CallbackError:
        """Kept until the operator's process has ended, which may have caught what it was told."""
        if not self._ended.done():
            self._ended.set_exception(error)
            self._ended.exception()  # retrieved: the process may be gone first
        return CallbackError(kind, str(error))

    async def _test(self, answer: str | None) -> None:
        problem, context = self._played.problem, self._context
        if answer is None:
            raise _StepFailedError("error", "the step gave no solution to test")
        score = await score_answer(problem, answer, "visible", context.services.sandbox_for)
        context.emitter.emit(
            EvaluationFinished(
                execution_id=self._execution_id,
                workflow_id=None,
                split="visible",
                repeat=self._repeat,
                score=score.value,
                passed=score.passed,
                total=score.total,
                strict=True,
                tests_written_by=problem.tests.written_by,
                verdict=score.details,
            )
        )


def _status(failure: Exception) -> str:
    """How an execution or a step ended that this kept from its end."""
    if isinstance(failure, _StepFailedError):
        return failure.status
    return {BudgetExceededError: "budget", SandboxError: "infra"}.get(type(failure), "error")
