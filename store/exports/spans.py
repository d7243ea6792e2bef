"""From events to spans, one event at a time: open spans are in memory, ended ones are handed on.

Attribute names are those of OpenTelemetry's semantic conventions for generative AI; what they have no name
for is under `flowreasoner.`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from engine import events as ev
from store.texts import plain

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan, Span, Tracer

_SERVICE = "flowreasoner"
_LIMITS = (
    *("max_events", "max_span_attributes", "max_event_attributes"),
    *("max_attribute_length", "max_span_attribute_length"),
)


class SpanBuilder:
    """The spans of one run. `take` is given each span once it has ended."""

    def __init__(self, take: Callable[[ReadableSpan], None]) -> None:
        self._take = take
        self._open: dict[str, Span] = {}
        self._round: str = ""
        self._last_ns = 0
        self._tracer: Tracer | None = None
        self._next_id = _Ids()

    def add(self, event: ev.Event) -> None:
        """Bring the spans up to date with the next event of the run."""
        self._last_ns = max(self._last_ns, _ns(event.at))
        if handler := _HANDLERS.get(event.kind):
            handler(self, event)

    def close(self) -> None:
        """End what is still open, at the time of the last event: the run was interrupted."""
        for name in reversed(list(self._open)):
            self._end(name, self._last_ns, error="interrupted")

    # -- the tree --------------------------------------------------------------------------------

    def _run_started(self, event: ev.RunStarted) -> None:
        self._next_id.trace = _id(16, event.run_id)
        self._tracer = _tracer(self._next_id)
        problem_id, query = str(event.problem.get("id", "")), str(event.problem.get("prompt", ""))
        self._start("run", event, f"invoke_agent {event.variant}", None, {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": event.variant,
            "gen_ai.agent.id": event.run_id,
            "gen_ai.conversation.id": event.run_id,
            "gen_ai.provider.name": _SERVICE,
            "gen_ai.input.messages": _messages([{"role": "user", "content": query}]),
            "flowreasoner.problem.id": problem_id,
            "flowreasoner.meta_agent": event.meta_agent,
            "flowreasoner.worker": event.worker,
            "flowreasoner.seed": event.seed,
            "flowreasoner.sandbox": event.sandbox,
        })  # fmt: skip

    def _run_finished(self, event: ev.RunFinished) -> None:
        for name in reversed([name for name in self._open if name != "run"]):
            self._end(name, _ns(event.at), error="interrupted")
        self._set("run", {
            "gen_ai.output.messages": _answer(event.answer) if event.answer is not None else None,
            "gen_ai.usage.input_tokens": event.tokens_in,
            "gen_ai.usage.output_tokens": event.tokens_out,
            "flowreasoner.cost_usd": event.cost_usd,
            "flowreasoner.status": event.status,
            "flowreasoner.score": event.score,
            "flowreasoner.val_score": event.val_score,
            "flowreasoner.model_calls": event.model_calls,
            "flowreasoner.steps": event.steps,
        })  # fmt: skip
        fine = event.status in ("passed", "failed", "answered")
        self._end(
            "run", _ns(event.at), error=None if fine else event.error or event.status, type=event.status
        )

    def _round_started(self, event: ev.RoundStarted) -> None:
        self._round = f"round:{event.round}"
        attributes = {"flowreasoner.round": event.round}
        self._start(self._round, event, f"round {event.round}", "run", attributes)

    def _round_finished(self, event: ev.RoundFinished) -> None:
        name = f"round:{event.round}"
        self._set(name, {
            "flowreasoner.score": event.score,
            "flowreasoner.workflow.id": event.workflow_id,
            "flowreasoner.feedback": event.feedback,
        })  # fmt: skip
        self._end(name, _ns(event.at))
        self._round = ""

    def _workflow_proposed(self, event: ev.WorkflowProposed) -> None:
        self._event(self._round or "run", event, "flowreasoner.workflow.proposed", {
            "flowreasoner.workflow.id": event.workflow_id,
            "flowreasoner.workflow.code": event.code,
            "flowreasoner.workflow.prompts": event.prompts,
            "flowreasoner.workflow.strict_ok": event.strict_ok,
            "flowreasoner.workflow.complexity": event.complexity,
        })  # fmt: skip

    def _workflow_started(self, event: ev.WorkflowStarted) -> None:
        name = f"invoke_workflow {event.workflow_id[:8]}"
        self._start(f"execution:{event.execution_id}", event, name, self._round or "run", {
            "gen_ai.operation.name": "invoke_workflow",
            "gen_ai.workflow.name": event.workflow_id,
            "gen_ai.conversation.id": event.run_id,
            "flowreasoner.purpose": event.purpose,
            "flowreasoner.repeat": event.repeat,
        })  # fmt: skip

    def _workflow_finished(self, event: ev.WorkflowFinished) -> None:
        name = f"execution:{event.execution_id}"
        self._set(name, {
            "gen_ai.output.messages": _answer(event.answer) if event.answer is not None else None,
            "flowreasoner.stdout": event.stdout or None,
            "flowreasoner.cpu_ms": event.cpu_ms,
            "flowreasoner.status": event.status,
        })  # fmt: skip
        failed = None if event.status == "ok" else event.error or event.status
        self._end(name, _ns(event.at), error=failed, type=event.status)

    def _step_started(self, event: ev.StepStarted) -> None:
        parent = f"execution:{event.execution_id}"
        self._start(f"step:{event.step_id}", event, f"execute_tool {event.operator}", parent, {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": event.operator,
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": event.step_id,
            "gen_ai.tool.call.arguments": _json(event.inputs),
            "gen_ai.conversation.id": event.run_id,
            "flowreasoner.step.index": event.index,
            "flowreasoner.step.line": event.line,
            "flowreasoner.step.key": event.key,
        })  # fmt: skip

    def _step_finished(self, event: ev.StepFinished) -> None:
        name = f"step:{event.step_id}"
        self._set(name, {
            "gen_ai.tool.call.result": _json(event.output),
            "gen_ai.usage.input_tokens": event.tokens_in,
            "gen_ai.usage.output_tokens": event.tokens_out,
            "flowreasoner.cost_usd": event.cost_usd,
            "flowreasoner.cpu_ms": event.cpu_ms,
            "flowreasoner.step.reused": event.reused,
            "flowreasoner.stdout": event.stdout or None,
            "flowreasoner.status": event.status,
        })  # fmt: skip
        failed = None if event.status == "ok" else event.error or event.status
        self._end(name, _ns(event.at), error=failed, type=event.status)

    def _code_executed(self, event: ev.CodeExecuted) -> None:
        self._event(f"step:{event.step_id}", event, "flowreasoner.code.executed", {
            "flowreasoner.purpose": event.purpose,
            "flowreasoner.code": event.code,
            "flowreasoner.verdict": _json(event.verdict),
        })  # fmt: skip

    def _evaluated(self, event: ev.EvaluationFinished) -> None:
        self._event(self._round or "run", event, "gen_ai.evaluation.result", {
            "gen_ai.evaluation.name": event.split,
            "gen_ai.evaluation.score.value": event.score,
            "gen_ai.evaluation.score.label": str(event.verdict.get("status", "")),
            "gen_ai.evaluation.explanation": f"{event.passed} of {event.total} tests passed",
            "flowreasoner.workflow.id": event.workflow_id,
            "flowreasoner.strict": event.strict,
        })  # fmt: skip

    # -- model calls -----------------------------------------------------------------------------

    def _call_started(self, event: ev.ModelCallStarted) -> None:
        parent = f"step:{event.step_id}" if event.step_id else self._round or "run"
        params = event.params
        provider, slash, _ = event.model.partition("/")
        self._start(f"call:{event.call_id}", event, f"chat {event.model}", parent, {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": provider if slash else _SERVICE,
            "gen_ai.request.model": event.model,
            "gen_ai.request.temperature": params.get("temperature"),
            "gen_ai.request.top_p": params.get("top_p"),
            "gen_ai.request.max_tokens": params.get("max_tokens"),
            "gen_ai.request.seed": params.get("seed"),
            "gen_ai.request.stop_sequences": params.get("stop"),
            "gen_ai.conversation.id": event.run_id,
            "gen_ai.input.messages": _messages(event.messages),
            "flowreasoner.role": event.role,
        }, is_client=True)  # fmt: skip

    def _call_retried(self, event: ev.ModelRetry) -> None:
        values = {"flowreasoner.attempt": event.attempt, "flowreasoner.reason": event.reason}
        self._event(f"call:{event.call_id}", event, "flowreasoner.retry", values)

    def _call_finished(self, event: ev.ModelCallFinished) -> None:
        name = f"call:{event.call_id}"
        self._set(name, {
            "gen_ai.response.finish_reasons": [event.finish],
            "gen_ai.usage.input_tokens": event.tokens_in,
            "gen_ai.usage.output_tokens": event.tokens_out,
            "gen_ai.response.time_to_first_chunk": None if event.ttft_ms is None else event.ttft_ms / 1000,
            "gen_ai.output.messages": _answer(event.text, event.reasoning, event.finish),
            "flowreasoner.cost_usd": event.cost_usd,
            "flowreasoner.flags": list(event.flags) or None,
        })  # fmt: skip
        self._end(name, _ns(event.at), error=event.error)

    # -- spans -----------------------------------------------------------------------------------

    def _start(
        self,
        name: str,
        event: ev.Event,
        title: str,
        parent: str | None,
        attributes: Mapping[str, Any],
        *,
        is_client: bool = False,
    ) -> None:
        from opentelemetry.context import Context
        from opentelemetry.sdk.trace import Span
        from opentelemetry.trace import SpanKind, set_span_in_context

        if self._tracer is None or name in self._open:
            return
        above = self._open.get(parent or "") or self._open.get("run")
        context = set_span_in_context(above, Context()) if above else Context()
        self._next_id.span = _id(8, event.run_id, name)
        span = self._tracer.start_span(
            plain(title, 200),
            context,
            kind=SpanKind.CLIENT if is_client else SpanKind.INTERNAL,
            attributes=_attributes(attributes),
            start_time=_ns(event.at),
        )
        assert isinstance(span, Span)
        self._open[name] = span

    def _set(self, name: str, attributes: Mapping[str, Any]) -> None:
        if span := self._open.get(name):
            span.set_attributes(_attributes(attributes))

    def _event(self, name: str, event: ev.Event, title: str, attributes: Mapping[str, Any]) -> None:
        if span := self._open.get(name) or self._open.get("run"):
            span.add_event(title, _attributes(attributes), timestamp=_ns(event.at))

    def _end(self, name: str, at_ns: int, *, error: str | None = None, type: str = "error") -> None:
        from opentelemetry.trace import StatusCode

        span = self._open.pop(name, None)
        if span is None:
            return
        if error is not None:
            span.set_attribute("error.type", type)
            span.set_status(StatusCode.ERROR, plain(error, 500))
        span.end(end_time=max(at_ns, span.start_time or 0))
        self._take(span)


_HANDLERS: dict[str, Callable[[SpanBuilder, Any], None]] = {
    ev.RunStarted.kind: SpanBuilder._run_started,
    ev.RunFinished.kind: SpanBuilder._run_finished,
    ev.RoundStarted.kind: SpanBuilder._round_started,
    ev.RoundFinished.kind: SpanBuilder._round_finished,
    ev.WorkflowProposed.kind: SpanBuilder._workflow_proposed,
    ev.WorkflowStarted.kind: SpanBuilder._workflow_started,
    ev.WorkflowFinished.kind: SpanBuilder._workflow_finished,
    ev.StepStarted.kind: SpanBuilder._step_started,
    ev.StepFinished.kind: SpanBuilder._step_finished,
    ev.CodeExecuted.kind: SpanBuilder._code_executed,
    ev.EvaluationFinished.kind: SpanBuilder._evaluated,
    ev.ModelCallStarted.kind: SpanBuilder._call_started,
    ev.ModelRetry.kind: SpanBuilder._call_retried,
    ev.ModelCallFinished.kind: SpanBuilder._call_finished,
}


class _Ids:
    """OpenTelemetry's source of ids: the ones set here."""

    def __init__(self) -> None:
        self.trace = self.span = 0

    def generate_trace_id(self) -> int:
        return self.trace

    def generate_span_id(self) -> int:
        return self.span

    def is_trace_id_random(self) -> bool:
        return False


def _tracer(ids: _Ids) -> Any:
    """A tracer that takes nothing from the environment: no resource, sampler or limits set there."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    provider = TracerProvider(
        sampler=ALWAYS_ON,
        resource=Resource({"service.name": _SERVICE}),
        shutdown_on_exit=False,
        id_generator=ids,  # pyright: ignore[reportArgumentType]  it has what an IdGenerator has
        span_limits=SpanLimits(**dict.fromkeys(_LIMITS, SpanLimits.UNSET)),
    )
    return provider.get_tracer(_SERVICE)


def _ns(at: float) -> int:
    return int(at * 1e9)


def _id(size: int, *parts: str) -> int:
    """An id that depends on nothing but `parts`, never 0, which means none."""
    digest = hashlib.blake2b("\0".join(parts).encode("utf-8", "replace"), digest_size=size).digest()
    return int.from_bytes(digest) or 1


def _attributes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values OpenTelemetry takes: without None, and with texts that UTF-8 takes."""
    attributes: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, str):
            attributes[name] = plain(value)
        elif isinstance(value, list | tuple):
            attributes[name] = [plain(str(item)) for item in value]
        elif value is not None:
            attributes[name] = value
    return attributes


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=repr)


def _messages(messages: Any) -> str:
    """Messages in the form the conventions prescribe."""
    return _json(
        [
            {"role": m.get("role", "user"), "parts": [{"type": "text", "content": m.get("content", "")}]}
            for m in messages
        ]
    )


def _answer(text: str, reasoning: str = "", finish: str = "stop") -> str:
    parts = [{"type": "reasoning", "content": reasoning}] if reasoning else []
    parts.append({"type": "text", "content": text})
    return _json([{"role": "assistant", "parts": parts, "finish_reason": finish}])
