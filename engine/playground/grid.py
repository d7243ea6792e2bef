"""Filling the grid: every edit of a step's prompt is sent to every model, and each cell runs the whole
step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.events import (
    EvaluationFinished,
    RoundFinished,
    RoundStarted,
    WorkflowFinished,
    WorkflowStarted,
)
from engine.models.base import ChatModel, ModelError
from engine.plain import answer_text
from engine.playground.plan import Cell, GridPlan
from engine.playground.step import PlayedStep
from engine.run.context import RunContext
from engine.run.execution import in_a_session, status_of, until_ended
from engine.run.ledger import BudgetExceededError
from engine.run.steps import StepBroker, StepFailedError
from engine.runner import Job
from engine.scores.scoring import score_answer
from engine.variants import Result
from sandbox.types import SandboxError, Session

# Cells: enough to hide an endpoint's latency, and few enough for its rate limit.
MAX_AT_ONCE = 4


def playground_job(played: PlayedStep, plan: GridPlan, models: Sequence[ChatModel]) -> Job:
    """The job of filling the grid; `models` are the plan's, in its order."""

    async def job(context: RunContext) -> Result:
        return await _Grid(played, plan, models, context).fill()

    return job


class _Grid:
    def __init__(
        self, played: PlayedStep, plan: GridPlan, models: Sequence[ChatModel], context: RunContext
    ) -> None:
        self._played, self._plan, self._models, self._context = played, plan, models, context
        self._slots = asyncio.Semaphore(MAX_AT_ONCE)
        self._answers: dict[Cell, str] = {}
        self._errors: dict[Cell, Exception] = {}

    async def fill(self) -> Result:
        """Run every cell; each row is a round. The result is the answer of the first cell that has one.

        Raises BudgetExceededError where the budget kept a cell from its answer, and ModelError or
        SandboxError where no cell has one.
        """
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
            if self._context.control.finishing.is_set():
                return
            try:
                run = _CellRun(self._played, self._plan, cell, self._models[cell.model], self._context)
                answer = await in_a_session(self._context, run.in_session)
            except (BudgetExceededError, ModelError, SandboxError, StepFailedError) as error:
                self._errors[cell] = error  # the event of the cell's end has it; the other cells go on
            else:
                if answer is not None:
                    self._answers[cell] = answer


class _CellRun:
    """One cell: the step's operator with one prompt and one model, recorded as an execution of one step."""

    def __init__(
        self, played: PlayedStep, plan: GridPlan, cell: Cell, model: ChatModel, context: RunContext
    ) -> None:
        services = replace(context.services, worker=model)
        self._context = replace(context, services=services)
        self._played, self._plan, self._cell = played, plan, cell
        self._round, self._repeat = plan.place(cell)

    async def in_session(self, session: Session, execution_id: str) -> str | None:
        """The cell's answer as text; None where a person ended it first.

        Raises StepFailedError where the operator fails, and BudgetExceededError, ModelError or SandboxError
        where it cannot run; each after the event of the cell's end.
        """
        context, emit, played = self._context, self._context.emitter.emit, self._played
        execution = played.record.executions.get(played.step.execution_id)
        emit(
            WorkflowStarted(
                execution_id=execution_id,
                workflow_id=execution.workflow_id if execution else "",
                round=self._round,
                repeat=self._repeat,
                purpose="answer",
                container_id=session.container_id,
            )
        )
        # No workflow asks for steps here, so neither operators nor seed matter.
        broker = StepBroker(context, context.config.operators, session, execution_id, seed=0)
        started = context.ledger.clock.wall_s
        status, answer, error = "cancelled", None, "cancelled"
        try:
            output = await until_ended(context, broker, self._step(broker))
            if output is None and context.control.finishing.is_set():
                error = "it was ended before the step had given an answer"
                return None
            answer = answer_text(output, played.problem)
            if self._plan.test:
                await self._test(answer, execution_id)
            status, error = "ok", None
            return answer or str(output)
        except StepFailedError as failure:
            status, error = failure.status, str(failure)
            if broker.refused is not None:  # the operator failed because the model refused the call
                raise broker.refused from None
            raise
        except (BudgetExceededError, ModelError, SandboxError) as failure:
            status, error = status_of(failure), str(failure)
            raise
        finally:
            emit(
                WorkflowFinished(
                    execution_id=execution_id,
                    status=status,
                    answer=answer,
                    error=error,
                    stdout="",
                    wall_ms=(context.ledger.clock.wall_s - started) * 1e3,
                    cpu_ms=0.0,  # there is no workflow process; the step's event has the step's time
                )
            )

    async def _step(self, broker: StepBroker) -> Any:
        """The operator's output."""
        played, edit = self._played, self._plan.edits[self._cell.edit]
        is_edited = edit.text is not None or played.was_edited
        return await broker.call(
            played.operator,
            played.inputs,
            line=played.step.line,
            sampling=played.sampling,
            draw=played.draw(self._cell.repeat),
            prompt=played.template.fill(edit.text or played.template.text) if is_edited else None,
        )

    async def _test(self, answer: str | None, execution_id: str) -> None:
        problem, context = self._played.problem, self._context
        if answer is None:
            raise StepFailedError("the step gave no solution to test", "error")
        score = await score_answer(problem, answer, "visible", context.sandbox_for)
        context.emitter.emit(
            EvaluationFinished(
                execution_id=execution_id,
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
