"""Rules about workflows that cannot run as written, or that are more complex than the problem needs.

Each rule yields a finding for each occurrence. Figures are those of the FlowReasoner paper (arXiv
2504.15257).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from engine.events import WorkflowProposed
from engine.failures.findings import Baseline, Finding, quoted
from engine.failures.trace import Execution, Trace

# Codes of diagnostics of `engine.workflows.lint` and of the readers of formats.
_NO_WORKFLOW = frozenset({"graph-missing", "graph-empty", "no-workflow", "no-call", "completion-too-large"})
_SYNTAX = frozenset(
    {"graph-syntax", "prompt-syntax", "graph-nul", "prompt-nul", "graph-too-deep", "prompt-too-deep"}
    | {"graph-too-large", "prompt-too-large", "graph-unclosed", "two-calls", "nested-call"}
)
_NAMES = frozenset({"undefined-name", "undefined-prompt", "unknown-attribute"})
_CALLS = frozenset(
    {"unknown-operator", "unknown-argument", "missing-argument", "too-many-arguments"}
    | {"repeated-argument", "missing-await", "result-key", "result-attribute"}
)
_SYNTAX_RAISED = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")
_NAME_RAISED = re.compile(r"(?:NameError|UnboundLocalError)\b")
_PROMPT_RAISED = re.compile(r"AttributeError: module 'prompt_custom'")
# Errors that a wrong call of an operator raises in the workflow's process (`engine.guest.workflow`).
_CALL_RAISED = re.compile(
    r"TypeError: \w+\(\) (?:takes \d+ arguments|got |knows |is missing)"
    r"|AttributeError: (?:operator\.|'Workflow' object)|TypeError: object .* can't be used in 'await'"
)
_LINE = re.compile(r"\(workflow line (\d+)\)$")
# A workflow is over-complex from this many times vanilla's complexity on. Our choice, not the paper's.
INVOLVED = 3


def no_workflow(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The meta-agent's reply has no graph, no class Workflow or no method to call. Evidence: the
    diagnostic, and the beginning of the reply.
    """
    yield from _diagnosed(trace, "no-workflow", _NO_WORKFLOW)


def workflow_syntax(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The workflow or its prompts do not parse, or have a second header inside the first (the paper's
    Figure 10). Evidence: the diagnostic with its line, or what was raised when it was loaded.
    """
    yield from _diagnosed(trace, "workflow-syntax", _SYNTAX)
    yield from _raised(trace, "workflow-syntax", _SYNTAX_RAISED)


def undefined_name(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A name, an attribute or a prompt that nothing defines (Figures 6 and 10). Evidence: the diagnostic
    with its line, or the NameError.
    """
    yield from _diagnosed(trace, "undefined-name", _NAMES)
    yield from _raised(trace, "undefined-name", _NAME_RAISED, _PROMPT_RAISED)


def wrong_operator_call(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """A call of an operator that does not exist, with arguments that it does not take (`context=` in Figures
    9 and 11) or without await, or the use of a key that its result does not have. Evidence: the diagnostic
    with its line, the error that the call raised, or the one that the operator raised about its inputs.
    """
    yield from _diagnosed(trace, "wrong-operator-call", _CALLS)
    yield from _raised(trace, "wrong-operator-call", _CALL_RAISED)
    for execution in trace.failing:
        for step in execution.steps:
            ended = step.finished
            if (
                ended
                and ended.status == "error"
                and re.match(r"(?:TypeError|AttributeError)\b", ended.error or "")
            ):
                text = f"{step.started.operator} could not work with what it was given"
                at = (ended.seq, step.started.step_id, step.started.line)
                yield Finding("wrong-operator-call", text, *at, quoted(ended.error or ""))


def over_complex(trace: Trace, baseline: Baseline | None) -> Iterator[Finding]:
    """The scored workflow is at least three times as complex as vanilla's, and vanilla passed the same
    problem with the same worker. Evidence: both complexities and vanilla's run.
    """
    end = trace.end
    if baseline is None or end is None or end.status in ("infra", "interrupted"):
        return
    for proposal in trace.deciding_proposals:
        if proposal.workflow_id and proposal.complexity >= INVOLVED * max(baseline.complexity, 1):
            text = (
                f"complexity {proposal.complexity}, against {baseline.complexity} of vanilla, "
                f"which solved the problem in run {baseline.run_id}"
            )
            yield Finding("over-complex", text, proposal.seq)


def _diagnosed(trace: Trace, label: str, codes: frozenset[str]) -> Iterator[Finding]:
    for proposal in trace.deciding_proposals:
        for diagnostic in proposal.diagnostics:
            if diagnostic.get("code") not in codes or diagnostic.get("severity") != "error":
                continue
            line = diagnostic.get("line")
            line = line if isinstance(line, int) else None
            mended = " (repaired before it ran)" if proposal.workflow_id else ""
            text = f"{diagnostic.get('message')}{mended}"
            yield Finding(label, text, proposal.seq, line=line, quote=_source_line(proposal, diagnostic))


def _source_line(proposal: WorkflowProposed, diagnostic: dict[str, object]) -> str:
    """The line that the diagnostic is about; the first line of the source where it names none."""
    line = diagnostic.get("line")
    in_prompts = str(diagnostic.get("code")).startswith("prompt-")
    lines = (proposal.prompts if in_prompts else proposal.code).split("\n")
    if isinstance(line, int) and 1 <= line <= len(lines):
        return quoted(lines[line - 1])
    return quoted(lines[0])


def _raised(trace: Trace, label: str, *patterns: re.Pattern[str]) -> Iterator[Finding]:
    for execution in trace.failing:
        error = _error_of(execution)
        if any(pattern.match(error) for pattern in patterns):
            match = _LINE.search(error)
            line = int(match[1]) if match else None
            assert execution.finished is not None  # it has an error
            yield Finding(label, "raised when it ran", execution.finished.seq, line=line, quote=quoted(error))


def _error_of(execution: Execution) -> str:
    ended = execution.finished
    return ended.error or "" if ended is not None and ended.status == "error" else ""
