"""Rules about answers that are not code, were trusted without being run, or fit only the visible tests.

Each rule yields a finding for each occurrence. Figures are those of the FlowReasoner paper (arXiv
2504.15257).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from engine.events import EvaluationFinished
from engine.failures.findings import Baseline, Finding, quoted
from engine.failures.special_cases import special_cases
from engine.failures.trace import Execution, Trace, TracedStep
from engine.source import parse

_CODE_LINE = re.compile(
    r"\s*(?:(?:async\s+)?def|class|import|from|return|if|elif|else|for|while|try|except|finally|with|raise"
    r"|yield|assert|pass|break|continue|print|@)(?:\b|\()|.*[=()\[\]{}]|\s*$"
)
_WORDS = re.compile(r"[^\W\d_]{2,}")
_MAX_LINES = 400


def prose_as_code(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The answer to a code problem does not parse and reads as prose, or is nothing but words (Figure 10
    returns an essay). Evidence: its first line of prose.
    """
    if not trace.is_code:
        return
    for execution in trace.failing:
        line = _first_prose(execution.answer) if execution.answer else None
        if line is not None and execution.finished is not None:
            text = "the answer reads as prose (the line is the answer's)"
            assert execution.answer is not None
            quote = quoted(execution.answer.split("\n")[line - 1])
            yield Finding("prose-as-code", text, execution.finished.seq, line=line, quote=quote)


def verdict_not_understood(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """An operator could not read a worker's verdict, not even after asking again, so that a review came to
    nothing or an ensemble fell back. Evidence: the step and the words of the reply.
    """
    for execution in trace.failing:
        for step in execution.steps:
            for note in step.finished.notes if step.finished else ():
                if note.get("code") == "not-understood" and step.finished is not None:
                    text = f"{step.started.operator} did not understand the worker's verdict"
                    at = (step.finished.seq, step.started.step_id, step.started.line)
                    yield Finding("verdict-not-understood", text, *at, quoted(note.get("text", "")))


def string_verdict(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The workflow looks for a verdict in a worker's words, which said that all is well, and the hidden tests
    failed. Evidence: the worker's step and words, and the line that reads them.
    """
    for proposal in trace.deciding_proposals:
        lines = {d.get("line") for d in proposal.diagnostics if d.get("code") == "string-verdict"}
        tree = parse(proposal.code).tree if lines else None
        if tree is None:
            continue
        reads = [r for r in (_reading(node) for node in ast.walk(tree)) if r is not None and r[0] in lines]
        for execution in trace.failing:
            if not _contradicted(execution):
                continue
            for line, word, lowered in reads:
                step = _judge(execution, line)
                words = _words_of(step)
                if step is None or words is None or not _praises(words, word, lowered):
                    continue
                text = f"{step.started.operator} was believed, and the tests failed"
                yield Finding(
                    "string-verdict", text, step.started.seq, step.started.step_id, line, quoted(words)
                )


def special_cased_inputs(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The answer compares its arguments with the literals of visible tests and returns their outputs
    (`engine.failures.special_cases`). Evidence: the line of the answer.
    """
    for execution in trace.deciding:
        judged_on_visible = any(e.split == "visible" for e in execution.evaluations)
        if execution.answer is None or execution.finished is None:
            continue
        if not (execution.failing or judged_on_visible):
            continue
        for case in special_cases(execution.answer, trace.entry_point, trace.visible):
            text = (
                f"the answer returns a constant for the visible input {case.input} (the line is the answer's)"
            )
            yield Finding(
                "special-cased-inputs",
                quoted(text),
                execution.finished.seq,
                line=case.line,
                quote=quoted(case.source),
            )


def tampering(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The sandbox caught code tampering with what judges it. Evidence: the verdict's message."""
    for execution in trace.deciding:
        for evaluation in execution.evaluations:
            if _is(evaluation.verdict, "tampered"):
                text = f"tampered with while being judged on the {evaluation.split} tests"
                yield Finding("tampering", text, evaluation.seq, quote=_message(evaluation.verdict))
        for step in execution.steps:
            for code in step.code:
                if _is(code.verdict, "tampered"):
                    at = (code.seq, step.started.step_id, step.started.line)
                    yield Finding(
                        "tampering", f"tampered with in {code.purpose}", *at, _message(code.verdict)
                    )


def val_test_gap(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The search ended with every val test passed, and the hidden test split fails. Evidence: both
    scores and the first failing evaluation.
    """
    searched = any(e.split == "val" for execution in trace.executions for e in execution.evaluations)
    if not searched or trace.end is None or trace.end.val_score != 1.0:
        return
    for execution in trace.failing:
        for evaluation in _refuted(execution, "test"):
            text = f"val 100 %, test {evaluation.passed} of {evaluation.total}"
            yield Finding("val-test-gap", text, evaluation.seq, quote=_message(evaluation.verdict))


def visible_test_gap(trace: Trace, _: Baseline | None) -> Iterator[Finding]:
    """The same code as the answer passed the visible tests in a step, and fails the hidden ones. Evidence:
    the step, and the failing evaluation's count.
    """
    for execution in trace.failing:
        passed = [
            step
            for step in execution.steps
            for code in step.code
            if code.purpose == "visible-tests"
            and code.code == execution.answer
            and _is(code.verdict, "passed")
        ]
        for evaluation in _refuted(execution, "val", "test"):
            for step in passed[:1]:
                text = f"visible tests pass, {evaluation.split} {evaluation.passed} of {evaluation.total}"
                at = (evaluation.seq, step.started.step_id, step.started.line)
                yield Finding("visible-test-gap", text, *at, _message(evaluation.verdict))


def _first_prose(answer: str) -> int | None:
    """The number of the first line of prose in an answer that is prose, None where it is code."""
    tree = parse(answer, what="answer").tree
    lines = answer.split("\n")[:_MAX_LINES]
    if tree is not None:
        # "Yes", or "the answer": words that happen to be Python.
        words = tree.body and all(
            isinstance(n, ast.Expr) and isinstance(n.value, ast.Name) for n in tree.body
        )
        return 1 if words else None
    prose = [n for n, line in enumerate(lines, 1) if _is_prose(line)]
    code = sum(bool(_CODE_LINE.match(line)) and bool(line.strip()) for line in lines)
    return prose[0] if prose and len(prose) >= code else None


def _is_prose(line: str) -> bool:
    return not _CODE_LINE.match(line) and len(_WORDS.findall(line)) >= 3


def _reading(node: ast.AST) -> tuple[int, str, bool] | None:
    """(line, word, whether case is ignored) of a comparison of a text with a word; `engine.workflows.results`
    recognises the same ones.
    """
    match node:
        case ast.Compare(
            left=ast.Constant(value=str(word)), ops=[ast.In() | ast.NotIn()], comparators=[reply]
        ):
            pass
        case ast.Compare(
            left=reply, ops=[ast.Eq() | ast.NotEq()], comparators=[ast.Constant(value=str(word))]
        ):
            pass
        case ast.Call(
            func=ast.Attribute(value=reply, attr="startswith" | "endswith"),
            args=[ast.Constant(value=str(word))],
        ):
            pass
        case _:
            return None
    lowered = any(isinstance(n, ast.Attribute) and n.attr in ("lower", "upper") for n in ast.walk(reply))
    return node.lineno, word, lowered


_BAD_WORDS = ("fail", "wrong", "error", "incorrect", "invalid", "false", "not ")


def _praises(words: str, word: str, lowered: bool) -> bool:
    """Whether the words are good news: they hold a good word, or lack a bad one. How the branch is written
    does not matter, because it can only follow the words.
    """
    text, searched = (words.lower(), word.lower()) if lowered else (words, word)
    bad = word.lower().strip() == "no" or any(b in word.lower() for b in _BAD_WORDS)
    return (searched in text) != bad


def _judge(execution: Execution, line: int) -> TracedStep | None:
    """The step whose words the comparison at `line` last read: the nearest call above it."""
    above = [s for s in execution.steps if s.started.line is not None and s.started.line <= line]
    nearest = max((s.started.line or 0 for s in above), default=0)
    return next((s for s in reversed(above) if s.started.line == nearest), None)


def _words_of(step: TracedStep | None) -> str | None:
    output = step.finished.output if step and step.finished else None
    if isinstance(output, dict):
        output = next((v for v in output.values() if isinstance(v, str)), None)
    return output if isinstance(output, str) else None


def _contradicted(execution: Execution) -> bool:
    """Whether an answer was judged, and is wrong."""
    wrong = (e for e in execution.evaluations if e.score is not None and e.score < 1.0)
    return execution.answer is not None and any(e.verdict.get("status", "failed") == "failed" for e in wrong)


def _refuted(execution: Execution, *splits: str) -> list[EvaluationFinished]:
    """Evaluations on these splits that the answer failed, by its own fault."""
    return [e for e in execution.evaluations if e.split in splits and _is(e.verdict, "failed")]


def _is(verdict: dict[str, object], status: str) -> bool:
    return verdict.get("status") == status


def _message(verdict: dict[str, object]) -> str:
    return quoted(str(verdict.get("message") or verdict.get("reason") or ""))
