"""What an operator may ask the host for while it runs: a model, tests of a solution, a program's run."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from engine.events import CodeExecuted, ValueEdited
from engine.ids import derived_seed
from engine.judging import judge
from engine.models.base import Message, ModelError, Sampling, Spent
from engine.operators.specs import OperatorSpec
from engine.plain import jsonable, written
from engine.program_tests import as_program_test
from engine.run.clock import Clock
from engine.run.context import RunContext
from engine.run.control import Crossing, Where
from engine.run.ledger import BudgetExceededError
from engine.run.limits import Allowance, ExecutionLimitError
from sandbox.types import CallbackError, Limits, SandboxError, TestResult, Verdict

MAX_NOTES = 20
MAX_NOTE_CHARS = 400
_NOTE_CODE = re.compile(r"[a-z][a-z0-9-]{0,39}")
PROGRAM_LIMITS = Limits(wall_s=30.0, cpu_s=20.0)

# Ends the execution for this reason; returns the error to raise in the guest.
Abort = Callable[[Exception, str], CallbackError]


@dataclass(frozen=True)
class StepCall:
    """One admitted call of an operator.

    `line` is the workflow's line it comes from, `key` its content address, `draw` what the seeds of its model
    calls are derived from. `prompt` replaces the user's message of its first model call, where a person
    edited that. `notes` are those on how it was called.
    """

    step_id: str
    execution_id: str
    operator: OperatorSpec
    line: int | None
    key: str
    draw: str
    sampling: Sampling
    kwargs: dict[str, Any]
    prompt: str | None = None
    notes: tuple[dict[str, str], ...] = ()


class StepRequests:
    """Answers the requests of one step. Limits that are reached and sandboxes or models that are lost end the
    execution, through `abort`; a call that the model refuses does not.
    """

    def __init__(self, context: RunContext, call: StepCall, allowance: Allowance, abort: Abort) -> None:
        self.spent = Spent()  # on its model calls
        self.calls = 0
        self.notes: list[dict[str, str]] = list(call.notes)
        self.prompt = call.prompt  # a fork may want another one
        self.clock = Clock()  # of the operator itself: it stands still while a request is answered
        # The last refusal of a model. The operator and the workflow may go on without that reply.
        self.refused: ModelError | None = None
        self._context, self._call, self._allowance, self._abort = context, call, allowance, abort
        self._started = context.ledger.clock.wall_s

    def at(self, where: Where, value: Any = None, **more: Any) -> Crossing:
        """This step's arrival at a crossing; `more` are further fields of Crossing."""
        spent = self.spent
        return Crossing(
            where=where,
            execution_id=self._call.execution_id,
            step_id=self._call.step_id,
            operator=self._call.operator.attribute,
            line=self._call.line,
            value=value,
            tokens=spent.tokens_in + spent.tokens_out,
            cost_usd=spent.cost_usd,
            latency_s=self._context.ledger.clock.wall_s - self._started,
            **more,
        )

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """While there is no room for the step's process: neither its time nor the run's own."""
        self.clock.pause()
        try:
            with self._context.ledger.clock.waiting():
                yield
        finally:
            self.clock.resume()

    async def callback(self, method: str, args: dict[str, Any]) -> Any:
        """The answer to one request, as plain data.

        "model" gives {text, finish, flags}, "tests" {result, feedback, passed, total}, "program" {ok, output}
        and "note" None. Raises CallbackError where the request is malformed or unknown, the model refuses it,
        or it ends the execution.
        """
        self.clock.pause()
        try:
            match method:
                case "model":
                    return await self._model(args)
                case "tests":
                    return await self._tests(args)
                case "program":
                    return await self._program(args)
                case "note":
                    return self._note(args)
            raise CallbackError("usage", f"an operator cannot call {method!r}")
        finally:
            self.clock.resume()

    async def _model(self, args: dict[str, Any]) -> dict[str, Any]:
        messages, call = _messages(args.get("messages")), self._call
        number, self.calls = self.calls, self.calls + 1
        sampling = replace(call.sampling, seed=derived_seed(call.draw, number))
        if number == 0 and self.prompt is not None:
            messages = _with_prompt(messages, self.prompt)
            edited = [dict(m) for m in messages]
            self._context.emitter.emit(ValueEdited(step_id=call.step_id, what="messages", value=edited))
        try:
            self._allowance.admit_call()
            completion = await self._context.gateway.call(
                self._context.services.worker, messages, sampling, role="worker", at=self.at("model")
            )
        except (BudgetExceededError, ExecutionLimitError) as error:
            raise self._abort(error, "budget") from None
        except ModelError as error:
            self.spent += error.spent
            if not error.is_of_set_up:  # only this call failed: the workflow may go on
                self.refused = error
                raise CallbackError("model", str(error)) from None
            raise self._abort(error, "model") from None
        self._allowance.charge(completion.tokens_in + completion.tokens_out)
        self.spent += Spent(completion.tokens_in, completion.tokens_out, completion.cost_usd)
        return {"text": completion.text, "finish": completion.finish, "flags": list(completion.flags)}

    def _note(self, args: dict[str, Any]) -> None:
        code, text = args.get("code"), args.get("text")
        if not isinstance(code, str) or not isinstance(text, str) or not _NOTE_CODE.fullmatch(code):
            raise CallbackError("usage", "a note is a code (small letters and dashes) and a text")
        if len(self.notes) < MAX_NOTES:
            self.notes.append({"code": code, "text": text[:MAX_NOTE_CHARS]})

    async def _tests(self, args: dict[str, Any]) -> dict[str, Any]:
        problem = self._context.problem
        test_cases = args.get("test_cases")
        tests = (
            [written(t) for t in test_cases]
            if isinstance(test_cases, list | tuple) and test_cases
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
        entry_point = args.get("entry_point")
        try:
            sandbox = await self._context.sandbox_for(problem.image)
            named = entry_point if isinstance(entry_point, str) else None
            verdict = await judge(sandbox, problem, solution, tests, entry_point=named)
        except SandboxError as failure:
            raise self._abort(failure, "infra") from None
        self._context.ledger.clock.leave_out(verdict.usage.queue_ms / 1000)
        self._context.emitter.emit(
            CodeExecuted(
                step_id=self._call.step_id, purpose="visible-tests", code=solution, verdict=verdict.to_json()
            )
        )
        await self._context.control.cross(self.at("verdict", status=verdict.status))
        return {
            "result": verdict.status == "passed",
            "feedback": feedback_text(verdict, tests),
            "passed": verdict.passed,
            "total": len(tests),
        }

    async def _program(self, args: dict[str, Any]) -> dict[str, Any]:
        code, entry = args.get("code"), args.get("entry")
        if not isinstance(code, str) or not isinstance(entry, str | None):
            raise CallbackError("usage", "a program is source code and the name of its function")
        try:
            sandbox = await self._context.sandbox_for(self._context.problem.image)
            outcome = await sandbox.run_program(code, entry=entry, limits=PROGRAM_LIMITS, collect=("*",))
        except SandboxError as failure:
            raise self._abort(failure, "infra") from None
        self._context.ledger.clock.leave_out(outcome.usage.queue_ms / 1000)
        self._context.emitter.emit(
            CodeExecuted(
                step_id=self._call.step_id,
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
        return {"ok": True, "output": outcome.stdout if entry is None else written(outcome.value)}


def feedback_text(verdict: Verdict, tests: list[str], limit: int = 3) -> str:
    """What a worker reads about visible tests: the count of failures, then up to `limit` of them, one a
    line.
    """
    if verdict.status == "passed":
        return "All tests passed."
    failed = [t for t in verdict.tests if t.status != "passed"]
    if not failed or verdict.reason == "load":
        return f"The solution could not be tested: {verdict.message or verdict.reason or verdict.status}"
    lines = [f"{len(failed)} of {len(tests)} tests failed:"]
    lines += [_failure(tests[t.index], t) for t in failed[:limit]]
    return "\n".join(lines)


def _failure(test: str, result: TestResult) -> str:
    """`assert f(3) == 6  # got 4`: a comparison's message already quotes the test, as that of a program's
    test does.
    """
    message = result.message or result.reason or result.status
    if as_program_test(test) is not None:
        return message
    return f"assert {message}" if "  # got " in message else f"{test.strip()}  # {message}"


def _messages(value: Any) -> list[Message]:
    roles = ("system", "user", "assistant")
    well_formed = isinstance(value, list | tuple) and all(
        isinstance(m, dict) and m.get("role") in roles and isinstance(m.get("content"), str) for m in value
    )
    if not well_formed or not value:
        raise CallbackError("usage", "messages must be a list of {role, content}")
    return [Message(role=m["role"], content=m["content"]) for m in value]


def _with_prompt(messages: list[Message], prompt: str) -> list[Message]:
    """The messages with `prompt` in place of the last message of the user's."""
    last = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=None)
    user = Message(role="user", content=prompt)
    return [*messages, user] if last is None else [*messages[:last], user, *messages[last + 1 :]]
