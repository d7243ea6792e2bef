"""The step mechanism: every operator call crosses the host here, a workflow's and a playground's alike.

One place decides what happens to a call: is it within budget, does someone want to look at it or change it,
is its result recorded, and if it is to run, in which process with which seed. Tracing, budgets, breakpoints,
edits, cancellation, replay and forks are properties of this crossing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from engine.events import StepFinished, StepStarted, ValueEdited
from engine.forks import RecordedStep
from engine.ids import content_key, new_id, step_key
from engine.models.base import ModelError, Sampling
from engine.operators.specs import OperatorSet, OperatorSpec
from engine.plain import jsonable
from engine.run.clock import within
from engine.run.context import RunContext
from engine.run.control import Crossing, ReadLocals
from engine.run.ledger import BudgetExceededError
from engine.run.limits import Allowance, ExecutionLimitError
from engine.run.step_process import StepProcesses
from engine.run.step_requests import StepCall, StepRequests
from sandbox.guest.schema import Anything, Items, Maybe, Names, Record, SchemaError, Text, Whole
from sandbox.types import CallbackError, Outcome, SandboxError, Session

STEP_WALL_S = 1800.0  # of an operator's own time, without what it waits for: that has limits of its own
MAX_CONCURRENT_STEPS = 16
# What a workflow's process may ask for. Generated code runs there, so nothing it sends is trusted.
_LINE = Maybe(Whole(0, 10_000_000))
_REQUESTS = {
    "step": Record(
        {"operator": Text(200), "kwargs": Names(100)},
        {"line": _LINE, "temperature": Anything(), "others": Items(Text(200), 100)},
    ),
    "line": Record({}, {"line": _LINE}),
    "variables": Record({"token": Text(100), "variables": Anything()}),
}
# A workflow's process answers at once, unless what runs in it holds it up.
_LOCALS_S = 2.0


class _Request:
    """One request of the workflow's process. Before it is answered the process can be asked, once, for the
    variables it was made with.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.work: asyncio.Future[Any] = loop.create_future()
        self.asked: asyncio.Future[None] = loop.create_future()
        self.locals: asyncio.Future[Any] = loop.create_future()

    async def read_locals(self) -> Any:
        """The workflow's variables; None where its process does not give them."""
        if not self.asked.done():
            self.asked.set_result(None)
        with suppress(TimeoutError):
            return await asyncio.wait_for(asyncio.shield(self.locals), _LOCALS_S)
        return None


@dataclass(frozen=True)
class _Ended:
    """What came of a step: `status` is "ok", "error" or "timeout"."""

    value: Any = None
    status: str = "ok"
    error: str | None = None
    stdout: str = ""
    cpu_ms: float = 0.0
    reused: bool = False
    notes: tuple[dict[str, str], ...] = ()


class StepFailedError(CallbackError):
    """An operator failed, and nobody gave an output in its place; `status` is "error" or "timeout"."""

    def __init__(self, message: str, status: str) -> None:
        super().__init__("operator", message)
        self.status = status


class StepBroker:
    """Answers the requests of one execution of a workflow.

    A spent budget or `allowance` (the execution's own limits), a model that cannot be reached and a lost
    sandbox end the execution: the error is put on `aborted`, so that a workflow which catches every exception
    cannot go on regardless. `last_output` is the output of the last step that succeeded, `refused` the last
    refusal of a model, which does not end the execution. `separator` is that of the workflow's format.
    """

    def __init__(
        self,
        context: RunContext,
        operators: OperatorSet,
        session: Session,
        execution_id: str,
        seed: int,
        separator: str | None = None,
    ) -> None:
        self._context = context
        self._operators = operators
        self._processes = StepProcesses(session)
        self._execution_id = execution_id
        self._seed = seed
        self._separator = separator
        self._seen: Counter[str] = Counter()
        self._index = 0
        self._slots = asyncio.Semaphore(MAX_CONCURRENT_STEPS)
        self._requests: dict[str, _Request] = {}
        self._working: set[asyncio.Future[Any]] = set()
        self.allowance = Allowance(context.config.execution_limits, context.ledger)
        self.last_output: Any = None
        self.refused: ModelError | None = None
        self.aborted: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def callback(self, method: str, args: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the workflow's process: a step, a line it was to stop at, or its variables.

        Returns {"value": …}, or {"inspect": token} where the process has to send its variables first, with
        that token. Raises CallbackError where the request is malformed or unknown, the step fails, or the
        execution is being ended.
        """
        if method not in _REQUESTS:
            raise CallbackError("usage", f"a workflow cannot call {method!r}")
        try:
            _REQUESTS[method].check(args, method)
        except SchemaError as error:
            raise CallbackError("usage", str(error)) from None
        if method == "variables":
            request = self._requests.pop(args["token"], None)
            if request is None:
                raise CallbackError("usage", "nobody asked for variables")
            if not request.locals.done():
                request.locals.set_result(jsonable(args["variables"]))
        else:
            request = _Request()
            request.work = work = asyncio.ensure_future(self._carry_out(method, args, request))
            self._working.add(work)
            work.add_done_callback(self._working.discard)
        return await self._answer(request)

    async def call(
        self,
        spec: OperatorSpec,
        kwargs: dict[str, Any],
        *,
        line: int | None,
        sampling: Sampling,
        draw: str,
        prompt: str | None = None,
    ) -> Any:
        """The output of a step that no workflow's process asks for, as in a playground. `draw` is what its
        seeds are derived from, `prompt` replaces the user's message of its first model call.

        Raises StepFailedError where the operator itself fails, and CallbackError where the execution ends.
        """
        call = self._admit(spec, kwargs, line, sampling, draw, prompt)
        self.last_output = output = await self._finish(call, None, None)
        return output

    async def close(self) -> None:
        """Cancel the steps in progress and wait for them, so that their ends are emitted before that of their
        execution.
        """
        self._context.fork.depart(self._seed)
        working = set(self._working)
        for work in working:
            work.cancel()
        if working:
            await asyncio.wait(working)
        await self._processes.close()

    async def _answer(self, request: _Request) -> dict[str, Any]:
        ends = {request.work} if request.asked.done() else {request.work, request.asked}
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            request.work.cancel()
            raise
        if request.work.done():
            return {"value": request.work.result()}
        token = new_id()
        self._requests[token] = request
        return {"inspect": token}

    async def _carry_out(self, method: str, args: dict[str, Any], request: _Request) -> Any:
        line = args.get("line")
        if method == "line":
            crossing = Crossing(where="line", execution_id=self._execution_id, line=line)
            await self._context.control.cross(crossing, request.read_locals)
            return None
        spec = self._operators.get(args["operator"])
        if spec is None:
            raise CallbackError("usage", f"unknown operator {args['operator']!r}")
        # What the run gives is not the workflow's to choose.
        kwargs = {**args["kwargs"], **{name: self._context.problem.inputs[name] for name in spec.bound}}
        if spec.joins and self._separator is not None:
            kwargs["separator"] = self._separator
        sampling, notes = self._sampling(args.get("temperature")), _other_names(spec, args.get("others", ()))
        return await self._step(spec, kwargs, line, sampling, request, notes)

    async def _step(
        self,
        spec: OperatorSpec,
        kwargs: dict[str, Any],
        line: int | None,
        sampling: Sampling,
        request: _Request,
        notes: tuple[dict[str, str], ...],
    ) -> Any:
        """A step the workflow asks for: find it in the record, admit it, and carry it out."""
        identity = content_key(spec.identity, jsonable(kwargs))
        occurrence = self._seen[identity]
        self._seen[identity] += 1
        # Seeds follow from what is asked, not from who is asked: two workers, or a worker and its
        # replay, meet the same draws.
        draw = content_key(identity, self._seed, occurrence)
        fork = self._context.fork
        recorded = fork.find(draw, self._context.services.worker.name, sampling)
        if recorded is None:
            fork.depart(self._seed)
        else:
            await fork.order.turn(recorded, "start", self._is_paused)
        call = replace(self._admit(spec, kwargs, line, sampling, draw), notes=notes)
        if recorded is not None:
            fork.order.passed(recorded, "start")
        self.last_output = output = await self._finish(call, recorded, request.read_locals)
        return output

    def _admit(
        self,
        spec: OperatorSpec,
        kwargs: dict[str, Any],
        line: int | None,
        sampling: Sampling,
        draw: str,
        prompt: str | None = None,
    ) -> StepCall:
        """Count the step and announce it. Raises CallbackError where the run may take no more."""
        try:
            self.allowance.admit_step()
            self._context.ledger.admit_step()
        except (BudgetExceededError, ExecutionLimitError) as error:
            raise self._abort(error, "budget") from None
        key = step_key(draw, self._context.services.worker.name, sampling.to_json())
        call = StepCall(new_id(), self._execution_id, spec, line, key, draw, sampling, kwargs, prompt)
        index, self._index = self._index, self._index + 1
        self._context.emitter.emit(
            StepStarted(
                step_id=call.step_id,
                execution_id=self._execution_id,
                index=index,
                operator=spec.attribute,
                line=line,
                key=key,
                inputs=jsonable(kwargs),
            )
        )
        return call

    def _is_paused(self) -> bool:
        return self._context.control.stop is not None

    def _sampling(self, temperature: object) -> Sampling:
        """The run's sampling, at the temperature the workflow wants for this step where it names one."""
        sampling = self._context.config.worker_sampling
        if not isinstance(temperature, int | float) or not 0.0 <= temperature <= 2.0:
            return sampling
        return replace(sampling, temperature=float(temperature))

    async def _finish(
        self, call: StepCall, recorded: RecordedStep | None, read_locals: ReadLocals | None
    ) -> Any:
        """Serve or run the step, and emit exactly one StepFinished whatever happens."""
        ledger, control = self._context.ledger, self._context.control
        started = ledger.clock.wall_s
        requests = StepRequests(self._context, call, self.allowance, self._abort)
        status, output, error, ended = "cancelled", None, "cancelled", _Ended()
        try:
            kwargs, edited = self._edited(call, recorded, requests)
            go = await control.cross(requests.at("before", jsonable(kwargs)), read_locals)
            if go.skipped:
                self._context.fork.depart(self._seed)
                output = go.value
            else:
                kwargs, edited = (go.value, True) if go.edited else (kwargs, edited)
                ended = await self._carried_out(call, kwargs, None if edited else recorded, requests)
                output = ended.value
                if ended.status != "ok":
                    status, error = ended.status, ended.error or ended.status
                    # An execution that is being ended has nobody left to look at.
                    if self.aborted.done():
                        raise StepFailedError(error, status)
                    go = await control.cross(requests.at("error", error=error), read_locals)
                    if not go.edited:
                        raise StepFailedError(error, status)
                    output = go.value
            go = await control.cross(requests.at("after", jsonable(output)), read_locals)
            output = go.value if go.edited else output
            status, error = "ok", None
            return output
        except SandboxError as failure:
            status, error = "infra", str(failure)
            raise self._abort(failure, "infra") from None
        finally:
            if self.aborted.done() and status == "error":
                status = "cancelled"
            self.refused = requests.refused or self.refused
            spent = requests.spent
            self._context.emitter.emit(
                StepFinished(
                    step_id=call.step_id,
                    status=status,
                    output=jsonable(output),
                    error=error,
                    reused=ended.reused,
                    wall_ms=(ledger.clock.wall_s - started) * 1e3,
                    cpu_ms=ended.cpu_ms,
                    tokens_in=spent.tokens_in,
                    tokens_out=spent.tokens_out,
                    cost_usd=spent.cost_usd,
                    stdout=ended.stdout,
                    notes=ended.notes or tuple(requests.notes),
                )
            )
            if recorded is not None:
                self._context.fork.order.passed(recorded, "finish")

    def _edited(
        self, call: StepCall, recorded: RecordedStep | None, requests: StepRequests
    ) -> tuple[dict[str, Any], bool]:
        """The arguments, edited where the fork leaves its parent at this step, and whether it does."""
        edit = self._context.fork.edit_of(call.operator.attribute, jsonable(call.kwargs), recorded)
        requests.prompt = edit.prompt if edit.prompt is not None else call.prompt
        if edit.inputs is None:
            return call.kwargs, bool(edit)
        self._context.emitter.emit(ValueEdited(step_id=call.step_id, what="inputs", value=edit.inputs))
        return edit.inputs, True

    async def _carried_out(
        self,
        call: StepCall,
        kwargs: dict[str, Any],
        recorded: RecordedStep | None,
        requests: StepRequests,
    ) -> _Ended:
        """The step's result, from the record or from a process in the sandbox."""
        fork = self._context.fork
        if recorded is not None and fork.serves(recorded):
            await fork.order.turn(recorded, "finish", self._is_paused)
            return _Ended(
                recorded.output,
                recorded.status,
                recorded.error,
                recorded.stdout,
                reused=True,
                notes=recorded.notes,
            )
        fork.depart(self._seed)
        outcome = await self._run(call, kwargs, requests)
        passed = outcome.status == "passed"
        error = None if passed else outcome.message or outcome.reason or outcome.status
        status = "ok" if passed else _status(outcome)
        return _Ended(outcome.value, status, error, outcome.stdout, outcome.usage.cpu_ms)

    async def _run(self, call: StepCall, kwargs: dict[str, Any], requests: StepRequests) -> Outcome:
        """One operator in its process."""
        async with self._slots:
            work = self._processes.run(call.operator, kwargs, requests.callback, requests.waiting)
            try:
                return await within(requests.clock, STEP_WALL_S, work)
            except TimeoutError as error:
                return Outcome(status="timeout-wall", message=str(error))

    def _abort(self, error: Exception, kind: str) -> CallbackError:
        if not self.aborted.done():
            self.aborted.set_exception(error)
        return CallbackError(kind, str(error))


def _status(outcome: Outcome) -> str:
    return "timeout" if outcome.status in ("timeout-wall", "timeout-cpu") else "error"


def _other_names(spec: OperatorSpec, used: Sequence[str]) -> tuple[dict[str, str], ...]:
    """A note for each second name that a call used, of the operator or of a parameter."""
    texts = [f"self.{name} is read as self.{spec.attribute}" for name in used if name in spec.also]
    texts += [f"{n} is read as {spec.other_names[n]}" for n in used if n in spec.other_names]
    return tuple({"code": "other-name", "text": text} for text in texts)
