"""Rules of last resort: what went wrong, in the plainest words, where no other rule says why."""

from __future__ import annotations

from collections.abc import Iterator

from engine.failures.diagnosis import CODE, META, WORKER, WORKFLOW, Diagnosis
from engine.failures.findings import Finding, quoted
from engine.failures.trace import Trace

# These labels describe the circumstances of a failure and not the failure itself.
CIRCUMSTANCES = frozenset(
    {"over-complex", "val-test-gap", "visible-test-gap", "string-verdict", "verdict-not-understood"}
)
_OF_FLAW = {
    "syntax": "syntax-error",
    "missing": "missing-function",
    "raised": "answer-error",
    "memory": "answer-error",
    "wrong-value": "wrong-value",
    "wrong-answer": "wrong-value",
    "timeout": "timeout",
    "tampered": "tampering",
    "no-verdict": "infra",
}


def basic(trace: Trace, diagnosis: Diagnosis) -> Iterator[Finding]:
    """One label for what the diagnosis says, or none where it says nothing more than the run's end. Evidence:
    the worst execution, its step, and the first test that failed.
    """
    end, flaw, step = trace.end, diagnosis.flaw, diagnosis.step
    assert end is not None
    execution = diagnosis.execution
    ended = execution.finished if execution is not None else None
    seq = ended.seq if ended is not None else end.seq
    at = (step.started.step_id, None) if step is not None else (None, None)
    if flaw is not None and diagnosis.who in (CODE, WORKER):
        times = f" on {flaw.times} tests" if flaw.times > 1 else ""
        line = " (the line is the answer's)" if flaw.line else ""
        text = f"{diagnosis.what}{times}{line}"
        quote = "" if flaw.error else f"{flaw.call} == {flaw.expected}, got {flaw.got}"
        lines = (execution.answer or "").split("\n") if execution is not None else []
        if flaw.line and flaw.line <= len(lines):
            quote = lines[flaw.line - 1]
        yield Finding(_OF_FLAW[flaw.kind], quoted(text), seq, at[0], flaw.line, quoted(quote))
    elif diagnosis.what == "nothing returned":
        yield Finding("nothing-returned", "the workflow ended without an answer", seq)
    elif diagnosis.who == META:
        yield Finding("no-workflow", quoted(diagnosis.what), end.seq)
    elif diagnosis.who == WORKFLOW or step is not None:
        line_of = step.started.line if step is not None else None
        yield Finding(
            "workflow-error", f"raised in {diagnosis.who}", seq, at[0], line_of, quoted(diagnosis.what)
        )
