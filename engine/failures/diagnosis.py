"""What failed in a run, and how: its worst execution, in words that are the same for similar failures."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.failures.flaws import Flaw, flaws
from engine.failures.trace import Call, Execution, Trace, TracedStep

META, WORKFLOW, CODE, WORKER = "meta-agent", "workflow", "worker's code", "worker"
SANDBOX, ENDPOINT, JUDGE, RUN = "sandbox", "endpoint", "judge", "run"
_AT_LINE = re.compile(r"\s*\(workflow line \d+\)\s*$")
_MOST_SHOWN = 1_000
_WORDS = {
    "syntax": "",
    "missing": "",
    "raised": "",
    "timeout": "timeout",
    "memory": "out of memory",
    "tampered": "tampered with the checker",
    "no-verdict": "no verdict",
    "wrong-answer": "wrong answer",
}


@dataclass(frozen=True)
class Diagnosis:
    """What failed. `who` is the meta-agent (its text), the workflow, an operator by name, the worker's code,
    the sandbox, an endpoint, the judge, or the run (its budget, or its end). `what` is an error's class and
    message, "wrong value", "timeout" or "nothing returned"; the store takes numbers and quotes out of it to
    find clusters.

    `execution` is the worst one; `step` the step that failed or that wrote the answer; `flaw` what is wrong
    with the answer.
    """

    who: str
    what: str
    execution: Execution | None = None
    step: TracedStep | None = None
    flaw: Flaw | None = None


def diagnose(trace: Trace) -> Diagnosis | None:
    """What failed in the run; None for a run that did not fail."""
    end = trace.end
    if end is None or not trace.failed:
        return None
    if end.status == "infra":
        calls = [*trace.meta_calls, *(call for one in trace.executions for call in one.calls)]
        return Diagnosis(_away(calls, end.error), end.error or end.status, worst(trace))
    if end.status in ("budget", "interrupted"):
        return Diagnosis(RUN, end.error or end.status, worst(trace))
    execution = worst(trace)
    if execution is None:
        return _no_workflow(trace)
    return _of_execution(trace, execution)


def worst(trace: Trace) -> Execution | None:
    """The worst execution: one without an answer, else the one with the lowest score; None where none
    failed.
    """
    return min(trace.failing, key=_badness, default=None)


def _badness(execution: Execution) -> tuple[bool, float]:
    ended = execution.finished
    answered = ended is not None and ended.status == "ok"
    return answered, min((e.score or 0.0 for e in execution.evaluations), default=0.0)


def _no_workflow(trace: Trace) -> Diagnosis:
    for call in trace.meta_calls:
        if call.finished is not None and call.finished.error not in (None, "cancelled"):
            return Diagnosis(ENDPOINT, call.finished.error or "")
    for proposal in trace.deciding_proposals:
        for diagnostic in proposal.diagnostics:
            if diagnostic.get("severity") == "error":
                return Diagnosis(META, str(diagnostic.get("message")))
    error = trace.end.error if trace.end else None
    return Diagnosis(META if trace.proposals else RUN, error or "no workflow")


def _of_execution(trace: Trace, execution: Execution) -> Diagnosis:
    ended = execution.finished
    if ended is None:
        return Diagnosis(RUN, "interrupted", execution)
    if ended.status != "ok":
        return _stopped(execution, ended.status, _AT_LINE.sub("", ended.error or ended.status))
    if not (execution.answer or "").strip():
        return Diagnosis(WORKFLOW, "nothing returned", execution)
    failed = [e for e in execution.evaluations if e.score is None or e.score < 1.0]
    if not failed:
        return Diagnosis(JUDGE, "no verdict", execution)
    verdict = min(failed, key=lambda e: e.score if e.score is not None else -1.0).verdict
    ranked = flaws(verdict)
    if not ranked or ranked[0].kind == "no-verdict":
        message = str(verdict.get("message") or "no verdict")
        return Diagnosis(JUDGE, message, execution, _author(execution), ranked[0] if ranked else None)
    flaw = ranked[0]
    if flaw.kind == "wrong-answer":
        expected, got = trace.problem.get("answer"), (execution.answer or "").strip()
        flaw = replace(flaw, expected=str(expected or ""), got=got[-_MOST_SHOWN:])
    return Diagnosis(CODE if trace.is_code else WORKER, _words(flaw), execution, _author(execution), flaw)


def _stopped(execution: Execution, status: str, error: str) -> Diagnosis:
    """An execution that gave no answer: the step it broke in, or else the workflow's own code."""
    if status == "infra":
        return Diagnosis(_away(execution.calls, error), error, execution)
    broken = [s for s in execution.steps if s.finished and s.finished.status not in ("ok", "cancelled")]
    if not broken:
        return Diagnosis(WORKFLOW, "timeout" if status == "timeout" else error, execution)
    step = broken[-1]
    assert step.finished is not None
    what = "timeout" if step.finished.status == "timeout" else step.finished.error or error
    for call in step.calls:
        if call.finished is not None and call.finished.error not in (None, "cancelled"):
            return Diagnosis(ENDPOINT, call.finished.error or what, execution, step)
    return Diagnosis(step.started.operator, what, execution, step)


def _away(calls: Iterable[Call], error: str | None) -> str:
    """Who kept a run or an execution from its verdict: an endpoint, where one of its calls ended in the same
    error, else the sandbox.
    """
    failed = (call.finished.error for call in calls if call.finished is not None)
    return ENDPOINT if error and error in failed else SANDBOX


def _words(flaw: Flaw) -> str:
    """A flaw in words that similar failures share. A wrong value is described by its kind, since values
    differ from run to run.
    """
    if flaw.kind != "wrong-value":
        return _WORDS[flaw.kind] or flaw.error
    expected, got = _shape(flaw.expected), _shape(flaw.got)
    if expected and got and expected != got:
        return f"wrong value: {got} where {expected} is expected"
    return f"wrong value: {expected}" if expected else "wrong value"


def _shape(value: str) -> str:
    """The type of a literal, by how it begins; nothing is evaluated."""
    value = value.strip()
    if value in ("None", "True", "False"):
        return "None" if value == "None" else "bool"
    if re.match(r"-?\d+$", value):
        return "int"
    if re.match(r"-?[\d.]+(?:e[+-]?\d+)?$", value):
        return "float"
    kinds = {"[": "list", "(": "tuple", "{": "dict or set", "'": "str", '"': "str"}
    return kinds.get(value[:1], "")


def _author(execution: Execution) -> TracedStep | None:
    """The step that wrote the answer: the last one whose output it is, else the last one."""
    answer = (execution.answer or "").strip()
    for step in reversed(execution.steps):
        output = step.finished.output if step.finished else None
        values = output.values() if isinstance(output, dict) else [output]
        if any(
            isinstance(v, str) and v.strip() and v.strip() in (answer, *answer.split("```")) for v in values
        ):
            return step
    return execution.steps[-1] if execution.steps else None
