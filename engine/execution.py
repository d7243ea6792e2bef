"""One workflow executed once on one problem, in a sandbox session of its own."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Literal

from engine.context import RunContext
from engine.events import Notice, WorkflowFinished, WorkflowStarted
from engine.formats.catalog import FORMATS
from engine.ids import derived_seed, new_id
from engine.ledger import BudgetExceededError
from engine.models.base import ModelError
from engine.plain import answer_text
from engine.steps import StepBroker
from engine.workflows import Workflow
from sandbox.guest.schema import Anything, Maybe, Record, SchemaError, Text, Whole
from sandbox.types import Limits, Outcome, SandboxError, Session

Purpose = Literal["val", "test", "answer"]
# The run's own clock limits its time: it stands still while the run is paused, and a container's does not.
WORKFLOW_LIMITS = Limits(wall_s=24 * 3600.0, cpu_s=60.0)
# What a workflow's process gives; anything else is not of our making.
_ANSWERED = Record({"value": Anything()})
_FAILED = Record({"error": Text(WORKFLOW_LIMITS.result_bytes), "line": Maybe(Whole(0, 10_000_000))})


@dataclass(frozen=True)
class Execution:
    """How an execution ended. `answer` is None exactly when `status` is not "ok"."""

    id: str
    status: str
    answer: str | None
    error: str | None


async def execute(
    context: RunContext, workflow: Workflow, *, round_number: int, repeat: int, purpose: Purpose
) -> Execution:
    """Run `workflow` on the context's problem.

    A failing workflow is a result. Raises BudgetExceededError, ModelError (the worker cannot be
    reached) and SandboxError (the container was lost twice), after emitting how the execution ended.
    """
    for attempt in (1, 2):
        try:
            async with context.services.sandbox.session() as session:
                return await _in_session(context, workflow, session, round_number, repeat, purpose)
        except SandboxError as error:
            if attempt == 2:
                raise
            text = f"The sandbox failed ({error}); the execution starts again in a fresh container."
            context.emitter.emit(Notice(level="warning", text=text))
    raise AssertionError("unreachable: the second attempt returns or raises")


async def _in_session(
    context: RunContext,
    workflow: Workflow,
    session: Session,
    round_number: int,
    repeat: int,
    purpose: Purpose,
) -> Execution:
    execution_id = new_id()
    context.emitter.emit(
        WorkflowStarted(
            execution_id=execution_id,
            workflow_id=workflow.id,
            round=round_number,
            repeat=repeat,
            purpose=purpose,
            container_id=session.container_id,
        )
    )
    seed = derived_seed(context.config.seed, purpose, round_number, repeat)
    broker = StepBroker(context, workflow.operators, session, execution_id, seed)
    outcome: Outcome | None = None
    status, answer, error = "cancelled", None, "cancelled"
    try:
        outcome = await _until_done_or_aborted(context, workflow, session, broker, seed)
        if outcome is None:
            status, answer, error = _early(broker, context)
        else:
            status, answer, error = _read(outcome, context)
        return Execution(execution_id, status, answer, error)
    except (BudgetExceededError, ModelError, SandboxError) as failure:
        status = {BudgetExceededError: "budget", SandboxError: "infra"}.get(type(failure), "error")
        error = str(failure)
        raise
    finally:
        context.emitter.emit(
            WorkflowFinished(
                execution_id=execution_id,
                status=status,
                answer=answer,
                error=error,
                stdout=outcome.stdout if outcome else "",
                wall_ms=outcome.usage.wall_ms if outcome else 0.0,
                cpu_ms=outcome.usage.cpu_ms if outcome else 0.0,
            )
        )


async def _until_done_or_aborted(
    context: RunContext, workflow: Workflow, session: Session, broker: StepBroker, seed: int
) -> Outcome | None:
    """The workflow's outcome, None where it was told to finish early, or the error that a step put on
    `broker.aborted`. Raises BudgetExceededError when the run's time is up.
    """
    problem, control = context.problem, context.control
    fmt = FORMATS[workflow.format]
    args = {
        "code": workflow.code,
        "prompts": workflow.prompts,
        "operators": [o.to_guest() for o in workflow.operators.operators],
        "inputs": problem.inputs,
        "seed": seed,
        "entry": fmt.entry,
        "shim": fmt.shim,
        "stops": sorted({b.line for b in control.breakpoints if b.line is not None}),
    }
    call = asyncio.ensure_future(
        session.call(
            "engine.guest.workflow:main",
            args,
            callback=broker.callback,
            limits=WORKFLOW_LIMITS,
        )
    )
    finishing = asyncio.ensure_future(control.finishing.wait())
    try:
        while not (call.done() or broker.aborted.done() or finishing.done()):
            context.ledger.check_wall()
            waited = {call, broker.aborted, finishing}
            left = context.ledger.wall_left_s
            await asyncio.wait(waited, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if broker.aborted.done():
            broker.aborted.result()  # raises what ended the execution
        return await call if call.done() else None
    finally:
        finishing.cancel()
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, SandboxError):
            await call
        await broker.close()
        if broker.aborted.done() and not broker.aborted.cancelled():
            broker.aborted.exception()  # retrieved: it was raised above, or the call had already ended
        broker.aborted.cancel()


def _early(broker: StepBroker, context: RunContext) -> tuple[str, str | None, str | None]:
    """As `_read`, of an execution that a person ended: its last step's output is its answer."""
    answer = answer_text(broker.last_output, context.problem)
    if answer is None:
        return "cancelled", None, "it was ended before a step had given an answer"
    return "ok", answer, None


def _read(outcome: Outcome, context: RunContext) -> tuple[str, str | None, str | None]:
    """Status, answer and error of a finished workflow process."""
    if outcome.status != "passed":
        status = "timeout" if outcome.status.startswith("timeout") else "error"
        return status, None, outcome.message or outcome.reason or outcome.status
    value = outcome.value
    schema = _FAILED if isinstance(value, dict) and "error" in value else _ANSWERED
    try:
        schema.check(value, "what came back")
    except SchemaError as error:
        return "error", None, f"the workflow process was tampered with: {error}"
    if schema is _FAILED:
        where = f" (workflow line {value['line']})" if value["line"] else ""
        return "error", None, f"{value['error']}{where}"
    answer = answer_text(value["value"], context.problem)
    if answer is None:
        kind = type(value["value"]).__name__
        return (
            "error",
            None,
            f"the workflow returned no answer (a {kind}); it must return the solution as a string",
        )
    return "ok", answer, None
