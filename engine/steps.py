"""The step mechanism: every operator call of a workflow crosses the host here.

One place decides what happens to a call: is it within budget, is its result recorded, and if it is
to run, in which process with which seed. Tracing, budgets, cancellation and replay are properties of
this crossing; breakpoints, edits and forks belong here too.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from engine.context import RunContext
from engine.events import CodeExecuted, StepFinished, StepStarted
from engine.ids import content_key, derived_seed, new_id
from engine.ledger import BudgetExceededError
from engine.models.base import Message, ModelError, Sampling
from engine.operators.specs import OperatorSet
from engine.plain import jsonable
from sandbox.types import CallbackError, Limits, Outcome, SandboxError, Session, TestResult, Verdict

# An operator waits for models, so its wall limit is generous; its own CPU use is not.
STEP_LIMITS = Limits(wall_s=1800.0, cpu_s=20.0)
TEST_LIMITS = Limits(wall_s=25.0, cpu_s=5.0)
PROGRAM_LIMITS = Limits(wall_s=30.0, cpu_s=20.0)
MAX_CONCURRENT_STEPS = 16


@dataclass(frozen=True)
class _Call:
    """One admitted call: its content address, the seed and sampling of its draws, and what to run."""

    step_id: str
    key: str
    draw: str
    sampling: Sampling
    args: dict[str, Any]


@dataclass
class _Spent:
    """What one step's model calls cost."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    calls: int = 0


class StepBroker:
    """Answers the `step` requests of one execution of a workflow.

    A budget that is spent, a model that cannot be reached and a lost sandbox end the execution: they
    are put on `aborted`, so that a workflow which catches every exception cannot go on regardless.
    """

    def __init__(
        self, context: RunContext, operators: OperatorSet, session: Session, execution_id: str, seed: int
    ) -> None:
        self._context = context
        self._operators = operators
        self._session = session
        self._execution_id = execution_id
        self._seed = seed
        self._seen: Counter[str] = Counter()
        self._index = 0
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_STEPS)
        self.aborted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def callback(self, method: str, args: dict[str, Any]) -> Any:
        """The workflow process's only request to the host. Raises CallbackError."""
        if method != "step":
            raise CallbackError("usage", f"a workflow cannot call {method!r}")
        operator, kwargs = args.get("operator"), args.get("kwargs")
        spec = self._operators.get(operator) if isinstance(operator, str) else None
        if spec is None or not isinstance(kwargs, dict):
            raise CallbackError("usage", f"unknown operator {operator!r}")
        line = args.get("line") if isinstance(args.get("line"), int) else None
        # What the run gives is not the workflow's to choose.
        kwargs = {**kwargs, **{name: self._context.problem.inputs[name] for name in spec.bound}}
        inputs = jsonable(kwargs)
        identity = content_key(spec.identity, inputs)
        occurrence = self._seen[identity]
        self._seen[identity] += 1
        # Seeds follow from what is asked, not from who is asked: two workers, or a worker and its
        # replay, meet the same draws.
        draw = content_key(identity, self._seed, occurrence)
        services, sampling = self._context.services, self._sampling(args.get("temperature"))
        key = content_key(draw, services.worker.name, sampling.to_json())
        try:
            self._context.ledger.admit_step()
        except BudgetExceededError as error:
            raise self._abort(error, "budget") from None
        step_id = new_id()
        index, self._index = self._index, self._index + 1
        self._context.emitter.emit(
            StepStarted(
                step_id=step_id,
                execution_id=self._execution_id,
                index=index,
                operator=spec.attribute,
                line=line,
                key=key,
                inputs=inputs,
            )
        )
        return await self._finish(_Call(step_id, key, draw, sampling, spec.to_step(kwargs)))

    def _sampling(self, temperature: object) -> Sampling:
        """The run's sampling, at the temperature the workflow wants for this step where it names one."""
        sampling = self._context.config.worker_sampling
        if isinstance(temperature, int | float) and 0.0 <= temperature <= 2.0:
            return replace(sampling, temperature=float(temperature))
        return sampling

    async def _finish(self, call: _Call) -> Any:
        """Serve or run the step, and emit exactly one StepFinished whatever happens."""
        started = time.monotonic()
        spent = _Spent()
        status, output, error, cpu_ms, stdout = "cancelled", None, "cancelled", 0.0, ""
        recorded = self._context.services.recorded.get(call.key)
        try:
            if recorded:
                status, output, error = "ok", recorded[0], None
                return output
            outcome = await self._run(call, spent)
            cpu_ms, stdout = outcome.usage.cpu_ms, outcome.stdout
            if outcome.status != "passed":
                status, error = _step_status(outcome), outcome.message or outcome.reason or outcome.status
                raise CallbackError("operator", error)
            status, output, error = "ok", outcome.value, None
            return output
        except SandboxError as failure:
            status, error = "infra", str(failure)
            raise self._abort(failure, "infra") from None
        finally:
            if self.aborted.done() and status == "error":
                status = "cancelled"
            self._context.emitter.emit(
                StepFinished(
                    step_id=call.step_id,
                    status=status,
                    output=jsonable(output),
                    error=error,
                    reused=bool(recorded),
                    wall_ms=(time.monotonic() - started) * 1e3,
                    cpu_ms=cpu_ms,
                    tokens_in=spent.tokens_in,
                    tokens_out=spent.tokens_out,
                    cost_usd=spent.cost_usd,
                    stdout=stdout,
                )
            )

    async def _run(self, call: _Call, spent: _Spent) -> Outcome:
        """One operator in a process of its own, with the three things it may ask the host for."""

        async def callback(method: str, args: dict[str, Any]) -> Any:
            if method == "model":
                return await self._model(args, call, spent)
            if method == "tests":
                return await self._tests(args, call.step_id)
            if method == "program":
                return await self._program(args, call.step_id)
            raise CallbackError("usage", f"an operator cannot call {method!r}")

        async with self._slots:
            return await self._session.call(
                "engine.guest.operator:main",
                call.args,
                callback=callback,
                limits=STEP_LIMITS,
            )

    async def _model(self, args: dict[str, Any], call: _Call, spent: _Spent) -> dict[str, Any]:
        messages = _messages(args.get("messages"))
        number, spent.calls = spent.calls, spent.calls + 1
        sampling = replace(call.sampling, seed=derived_seed(call.draw, number))
        try:
            completion = await self._context.gateway.call(
                self._context.services.worker, messages, sampling, role="worker", step_id=call.step_id
            )
        except BudgetExceededError as error:
            raise self._abort(error, "budget") from None
        except ModelError as error:
            if error.kind in ("context-length", "refused"):  # this call's fault: the workflow may go on
                raise CallbackError("model", str(error)) from None
            raise self._abort(error, "model") from None
        spent.tokens_in += completion.tokens_in
        spent.tokens_out += completion.tokens_out
        unknown = completion.cost_usd is None or spent.cost_usd is None
        spent.cost_usd = None if unknown else (spent.cost_usd or 0.0) + (completion.cost_usd or 0.0)
        return {"text": completion.text, "finish": completion.finish, "flags": list(completion.flags)}

    async def _tests(self, args: dict[str, Any], step_id: str) -> dict[str, Any]:
        problem = self._context.problem
        given = args.get("test_cases")
        tests = (
            [str(t) for t in given]
            if isinstance(given, list | tuple) and given
            else list(problem.tests.visible)
        )
        solution = args.get("solution")
        if not isinstance(solution, str):
            raise CallbackError(
                "usage", f"the solution to test is a {type(solution).__name__}, not source code"
            )
        if not tests:
            text = "There are no visible tests for this problem, so nothing was run."
            return {"result": False, "feedback": text, "passed": 0, "total": 0}
        entry_point = problem.entry_point or args.get("entry_point")
        try:
            sandbox = await self._context.services.sandbox_for(problem.image)
            verdict = await sandbox.check(
                solution,
                tests,
                entry_point=entry_point if isinstance(entry_point, str) else None,
                prelude=problem.prelude,
                limits=TEST_LIMITS,
                mode=problem.mode,
            )
        except SandboxError as failure:
            raise self._abort(failure, "infra") from None
        self._context.emitter.emit(
            CodeExecuted(step_id=step_id, purpose="visible-tests", code=solution, verdict=verdict.to_json())
        )
        return {
            "result": verdict.status == "passed",
            "feedback": feedback_text(verdict, tests),
            "passed": verdict.passed,
            "total": len(tests),
        }

    async def _program(self, args: dict[str, Any], step_id: str) -> dict[str, Any]:
        code, entry = args.get("code"), args.get("entry")
        if not isinstance(code, str) or not isinstance(entry, str | None):
            raise CallbackError("usage", "a program is source code and the name of its function")
        try:
            sandbox = await self._context.services.sandbox_for(self._context.problem.image)
            outcome = await sandbox.run_program(code, entry=entry, limits=PROGRAM_LIMITS, collect=("*",))
        except SandboxError as failure:
            raise self._abort(failure, "infra") from None
        self._context.emitter.emit(
            CodeExecuted(
                step_id=step_id,
                purpose="program",
                code=code,
                verdict={**outcome.to_json(), "value": jsonable(outcome.value)},
                files=tuple(
                    {"name": f.name, "base64": base64.b64encode(f.data).decode()} for f in outcome.files
                ),
            )
        )
        if outcome.status != "passed":
            return {"ok": False, "output": outcome.message or outcome.status}
        return {"ok": True, "output": outcome.stdout if entry is None else str(outcome.value)}

    def _abort(self, error: Exception, kind: str) -> CallbackError:
        if not self.aborted.done():
            self.aborted.set_exception(error)
        return CallbackError(kind, str(error))


def feedback_text(verdict: Verdict, tests: list[str], limit: int = 3) -> str:
    """What a worker is told about visible tests: the count, then up to `limit` failures, one a line."""
    if verdict.status == "passed":
        return "All tests passed."
    failed = [t for t in verdict.tests if t.status != "passed"]
    if not failed or verdict.reason == "load":
        return f"The solution could not be tested: {verdict.message or verdict.reason or verdict.status}"
    lines = [f"{len(failed)} of {len(tests)} tests failed:"]
    lines += [_failure(tests[t.index], t) for t in failed[:limit]]
    return "\n".join(lines)


def _failure(test: str, result: TestResult) -> str:
    """`assert f(3) == 6  # got 4`: a comparison's message already quotes the test."""
    message = result.message or result.reason or result.status
    return f"assert {message}" if "  # got " in message else f"{test.strip()}  # {message}"


def _step_status(outcome: Outcome) -> str:
    if outcome.status in ("timeout-wall", "timeout-cpu"):
        return "timeout"
    return "error"


def _messages(value: Any) -> list[Message]:
    roles = ("system", "user", "assistant")
    good = isinstance(value, list | tuple) and all(
        isinstance(m, dict) and m.get("role") in roles and isinstance(m.get("content"), str) for m in value
    )
    if not good or not value:
        raise CallbackError("usage", "messages must be a list of {role, content}")
    return [Message(role=m["role"], content=m["content"]) for m in value]
