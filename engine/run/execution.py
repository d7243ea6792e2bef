"""One execution: a workflow, or a single step of one, carried out once in a sandbox session of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from engine.events import Notice, WorkflowFinished, WorkflowStarted
from engine.formats.catalog import FORMATS
from engine.guest.syntax import MAX_CHARS
from engine.ids import derived_seed, new_id
from engine.models.base import ModelError
from engine.operators.solutions import is_repaired
from engine.plain import answer_text
from engine.run.clock import MIN_WAIT_S
from engine.run.context import RunContext
from engine.run.ledger import BudgetExceededError
from engine.run.limits import ExecutionLimitError
from engine.run.steps import StepBroker
from engine.workflows import Workflow
from sandbox.guest.schema import Anything, Maybe, Record, SchemaError, Text, Whole
from sandbox.types import CallbackError, Limits, Outcome, SandboxError, Session

Purpose = Literal["val", "test", "answer"]
T = TypeVar("T")
# The run's own clock limits its time: it stands still while the run is paused, and a container's does not.
WORKFLOW_LIMITS = Limits(wall_s=24 * 3600.0, cpu_s=60.0)
# What a workflow's process gives; anything else is not of our making.
_ANSWERED = Record({"value": Anything()})
_FAILED = Record({"error": Text(WORKFLOW_LIMITS.result_bytes), "line": Maybe(Whole(0, 10_000_000))})


@dataclass(frozen=True)
class Execution:
    """How an execution ended: `status` is "ok", "error", "timeout" or "cancelled". `answer` is None exactly
    when `status` is not "ok".

    `refused` is the refusal of a model that left the execution without an answer.
    """

    id: str
    status: str
    answer: str | None
    error: str | None
    refused: ModelError | None = None

    def raise_refusal(self) -> None:
        """Raises ModelError where a model's refusal kept the execution from an answer."""
        if self.refused is not None:
            raise self.refused


async def execute(
    context: RunContext, workflow: Workflow, *, round_number: int, repeat: int, purpose: Purpose
) -> Execution:
    """Run `workflow` on the context's problem.

    A failing workflow is a result, and so is one that reaches the execution's own limits. Raises
    BudgetExceededError, ModelError where the worker cannot be reached, and SandboxError where the container
    was lost twice; each only after the event of how the execution ended.
    """

    async def once(session: Session, execution_id: str) -> Execution:
        return await _in_session(context, workflow, session, execution_id, round_number, repeat, purpose)

    return await in_a_session(context, once)


async def in_a_session(context: RunContext, work: Callable[[Session, str], Awaitable[T]]) -> T:
    """What `work` returns in a session of its own, as an execution with the ID that it is given. Where the
    sandbox fails, `work` is done once more in a fresh session, with a notice and with the answers that its
    models have given; raises SandboxError where that fails too.
    """
    for attempt in (1, 2):
        try:
            async with contextlib.AsyncExitStack() as stack:
                with context.ledger.clock.waiting():
                    session = await stack.enter_async_context(context.services.sandbox.session())
                execution_id = new_id()
                stack.enter_context(context.gateway.keeping(execution_id))
                return await work(session, execution_id)
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
    execution_id: str,
    round_number: int,
    repeat: int,
    purpose: Purpose,
) -> Execution:
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
    seed = derived_seed(context.config.draws_from, purpose, round_number, repeat)
    separator = FORMATS[workflow.format].separator
    broker = StepBroker(context, workflow.operators, session, execution_id, seed, separator)
    outcome: Outcome | None = None
    status, answer, error = "cancelled", None, "cancelled"
    clock = context.ledger.clock  # which stands still where the run does; the sandbox's goes on
    started = clock.wall_s
    try:
        call = session.call(
            "engine.guest.workflow:main",
            _arguments(context, workflow, seed),
            callback=broker.callback,
            limits=WORKFLOW_LIMITS,
        )
        outcome = await until_ended(context, broker, call)
        if outcome is None:
            status, answer, error = _early(broker, context)
        else:
            status, answer, error = _read(outcome, context)
        _remark(context, answer)
        return Execution(execution_id, status, answer, error, broker.refused if answer is None else None)
    except ExecutionLimitError as limit:
        status, error = "timeout", str(limit)
        return Execution(execution_id, status, None, error)
    except (BudgetExceededError, ModelError, SandboxError) as failure:
        status, error = status_of(failure), str(failure)
        raise
    finally:
        context.emitter.emit(
            WorkflowFinished(
                execution_id=execution_id,
                status=status,
                answer=answer,
                error=error,
                stdout=outcome.stdout if outcome else "",
                wall_ms=(clock.wall_s - started) * 1e3,
                cpu_ms=outcome.usage.cpu_ms if outcome else 0.0,
            )
        )


def _arguments(context: RunContext, workflow: Workflow, seed: int) -> dict[str, Any]:
    """What the workflow's process is given."""
    fmt = FORMATS[workflow.format]
    return {
        "code": workflow.code,
        "prompts": workflow.prompts,
        "operators": [o.to_guest() for o in workflow.operators.operators],
        "inputs": context.problem.inputs,
        "seed": seed,
        "kind": context.problem.kind,
        "entry": fmt.entry,
        "shim": fmt.shim,
        "stops": sorted({b.line for b in context.control.breakpoints if b.line is not None}),
    }


def status_of(failure: BudgetExceededError | ModelError | SandboxError) -> str:
    """The status of an execution or a run that `failure` cut short: "budget", "infra" where the set-up is at
    fault (the sandbox, an endpoint, a model), which is no verdict, or "error" where a model refused the call.
    """
    if isinstance(failure, BudgetExceededError):
        return "budget"
    return "infra" if isinstance(failure, SandboxError) or failure.is_of_set_up else "error"


async def until_ended(context: RunContext, broker: StepBroker, work: Coroutine[Any, Any, T]) -> T | None:
    """What an execution's `work` returns; None where a person ended it early. `work` and the steps still in
    progress are cancelled before this returns or raises.

    Raises the error that a step put on `broker.aborted`, BudgetExceededError when the run's time is up, and
    ExecutionLimitError when the execution's is.
    """
    control = context.control
    call = asyncio.ensure_future(work)
    finishing = asyncio.ensure_future(control.finishing.wait())
    try:
        while not (call.done() or broker.aborted.done() or finishing.done()):
            context.ledger.check_wall()
            broker.allowance.check_seconds()
            ends = {call, broker.aborted, finishing}
            left = [s for s in (context.ledger.wall_left_s, broker.allowance.seconds_left) if s is not None]
            wait_s = max(MIN_WAIT_S, min(left)) if left else None
            await asyncio.wait(ends, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        if broker.aborted.done():
            broker.aborted.result()  # raises what ended the execution
        return await call if call.done() else None
    finally:
        finishing.cancel()
        call.cancel()
        with contextlib.suppress(asyncio.CancelledError, CallbackError, SandboxError):
            await call
        await broker.close()
        if broker.aborted.done() and not broker.aborted.cancelled():
            broker.aborted.exception()  # retrieved: it was raised above, or the call had already ended
        broker.aborted.cancel()


def _remark(context: RunContext, answer: str | None) -> None:
    """Say what an answer's score would not: that it was repaired, or is too long to be read as code."""
    if answer is None or context.problem.kind != "code":
        return
    if is_repaired(answer):
        text = f"The answer has {context.problem.entry_point} as a method of a class; it was made a function."
        context.emitter.emit(Notice(level="info", text=text))
    if len(answer) > MAX_CHARS:
        text = (
            f"The answer has {len(answer):,} characters. More than {MAX_CHARS:,} are not read as Python, "
            "so it is judged as it is."
        )
        context.emitter.emit(Notice(level="warning", text=text))


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
