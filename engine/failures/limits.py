"""Rules about what a run ran out of or could not reach: context, replies, money, time, models, a sandbox.

Each rule yields a finding for each occurrence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.failures.findings import Baseline, Finding, quoted
from engine.failures.trace import Call, Trace
from engine.models.faults import is_context_overflow


def context_overflow(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A call was refused because its prompt was longer than the model's context. Evidence: the step and
    the refusal.
    """
    for call in trace.calls:
        error = _error_of(call)
        if error and is_context_overflow(error):
            yield _about(call, "context-overflow", f"the prompt did not fit {_whose(call)}", error)


def model_error(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A call failed for good for any other reason, such as an endpoint that is down or refuses the key or
    request. Evidence: the step and the endpoint's words.
    """
    for call in dict.fromkeys([*trace.meta_calls, *trace.calls]):
        error = _error_of(call)
        if error and not is_context_overflow(error):
            yield _about(call, "model-error", f"{_whose(call)} gave no reply", error)


def empty_completion(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A reply without text, often of a reasoning model that reached its limit while thinking. Evidence: the
    step, and the end of its reasoning.
    """
    for call in trace.calls:
        if call.finished and "empty" in call.finished.flags:
            text = f"{_whose(call)} returned no text (it ended with {call.finished.finish})"
            yield _about(call, "empty-completion", text, call.finished.reasoning[-200:])


def truncated_completion(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A reply that was cut off by a limit of tokens, or whose stream broke off. Evidence: the step and the
    end of the reply.
    """
    for call in trace.calls:
        if call.finished and "truncated" in call.finished.flags and "empty" not in call.finished.flags:
            text = f"the reply of {_whose(call)} was cut off after {call.finished.tokens_out} tokens"
            yield _about(call, "truncated-completion", text, call.finished.text[-200:])


def budget(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The run ended because it reached a limit of its budget. Evidence: which limit."""
    if trace.end and trace.end.status == "budget":
        yield Finding("budget", "the run was ended", trace.end.seq, quote=quoted(trace.end.error or ""))


def interrupted(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The process that carried out the run ended before the run did. Evidence: the reason, as far as it
    is known.
    """
    if trace.end and trace.end.status == "interrupted":
        yield Finding("interrupted", "it was cut off", trace.end.seq, quote=quoted(trace.end.error or ""))


def timeout(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A workflow, a step or a test reached its time limit. Evidence: which one, and the sandbox's message."""
    for execution in trace.failing:
        ended = execution.finished
        for step in execution.steps:
            if step.finished and step.finished.status == "timeout":
                at = (step.finished.seq, step.started.step_id, step.started.line)
                text = f"{step.started.operator} took too long"
                yield Finding("timeout", text, *at, quoted(step.finished.error or ""))
        if ended and ended.status == "timeout":
            yield Finding("timeout", "the workflow took too long", ended.seq, quote=quoted(ended.error or ""))
        for evaluation in execution.evaluations:
            slow = sum(_timed_out(t) for t in _tests(evaluation.verdict))
            if slow or _timed_out(evaluation.verdict):
                what = f"{slow} of {evaluation.total} {evaluation.split} tests timed out"
                text = what if slow else f"the answer timed out on the {evaluation.split} tests"
                message = str(evaluation.verdict.get("message") or "")
                yield Finding("timeout", text, evaluation.seq, quote=quoted(message))


def infra(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The sandbox or a model failed, so that there is no verdict. Evidence: its own message."""
    if trace.end and trace.end.status == "infra":
        yield Finding("infra", "the run was ended", trace.end.seq, quote=quoted(trace.end.error or ""))
        return
    for execution in trace.failing:
        ended = execution.finished
        if ended and ended.status == "infra":
            yield Finding("infra", "an execution was lost", ended.seq, quote=quoted(ended.error or ""))
        for evaluation in execution.evaluations:
            if evaluation.score is None and evaluation.total:
                yield Finding("infra", f"no verdict on the {evaluation.split} tests", evaluation.seq)


def _timed_out(result: dict[str, Any]) -> bool:
    return str(result.get("status", "")).startswith("timeout")


def _tests(verdict: dict[str, Any]) -> list[dict[str, Any]]:
    tests = verdict.get("tests")
    return [t for t in tests if isinstance(t, dict)] if isinstance(tests, list | tuple) else []


def _error_of(call: Call) -> str | None:
    error = call.finished.error if call.finished else None
    return None if error == "cancelled" else error


def _whose(call: Call) -> str:
    return f"{'the meta-agent' if call.started.role == 'meta' else 'worker'} {call.started.model}"


def _about(call: Call, label: str, text: str, quote: str) -> Finding:
    seq = call.finished.seq if call.finished else call.started.seq
    return Finding(label, text, seq, call.started.step_id, quote=quoted(quote))
