"""Scores: an answer against the tests of one split, or against the reference answer.

Code is scored in the sandbox on tests its workflow never saw (invariant I6). Answers are compared as text
and numbers here, and as mathematics in the sandbox; nothing of them is executed on the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from engine.events import EvaluationFinished, Split
from engine.judging import judge, remedy
from engine.operators.solutions import is_repaired
from engine.problems import Problem
from engine.run.context import RunContext
from engine.run.execution import Execution
from engine.scores.drop_f1 import drop_scores
from engine.scores.math_answers import Open, compare
from engine.scores.metrics import alternatives, exact_match, same_last_number, token_f1
from engine.workflows import Workflow
from sandbox.types import SandboxError, Verdict

MAX_ANSWER_CHARS = 20_000  # the end of a longer text is what is compared: half a second at worst


@dataclass(frozen=True)
class Score:
    """`value` is in [0, 1]: passed/total for tests, F1 for that metric; None where there is no verdict.

    `passed` of `total` counts tests; without tests `total` is 1. `reason` says in a few words why the value
    is not 1; it never quotes a test. `details` names the `metric` and holds the sandbox's verdict, or `f1`
    and `exact_match`.
    """

    value: float | None
    passed: int
    total: int
    reason: str = ""
    details: dict[str, Any] = field(default_factory=dict)


def tests_of(problem: Problem, split: Split) -> tuple[str, ...]:
    """The tests of one split, each the source of one or several `assert` statements."""
    return getattr(problem.tests, split)


async def evaluate(
    context: RunContext, execution: Execution, workflow: Workflow, split: Split, repeat: int
) -> Score:
    """Score one execution on one split, and emit the evaluation. An execution without an answer scores 0.

    Raises SandboxError where the sandbox failed to give a verdict twice; the evaluation is emitted all the
    same, without a score.
    """
    problem = context.problem
    total = len(tests_of(problem, split)) if problem.kind == "code" else 1
    if execution.answer is None:
        score = Score(0.0, 0, total, execution.error or execution.status)
    else:
        try:
            score = await score_answer(problem, execution.answer, split, context.sandbox_for)
        except SandboxError as error:
            _emit(context, execution, workflow, split, repeat, Score(None, 0, total, str(error)))
            raise
        context.ledger.clock.leave_out(score.details.get("usage", {}).get("queue_ms", 0.0) / 1000)
    _emit(context, execution, workflow, split, repeat, score)
    return score


async def score_answer(problem: Problem, answer: str, split: Split, open_sandbox: Open) -> Score:
    """The score of an answer by its problem's metric: against one split's tests, or the reference answer.

    Raises SandboxError where the sandbox failed to give a verdict twice, or that of the problem's image
    cannot be opened.
    """
    metric = problem.metric
    if metric == "tests":
        return await _score_code(problem, answer, tests_of(problem, split), open_sandbox)
    answer = answer[-MAX_ANSWER_CHARS:]
    reference = problem.answer or ""
    if metric == "math":
        comparison = await compare(answer, reference, open_sandbox)
        return _right_or_wrong(comparison.equal, metric, comparison.reason)
    if metric == "last-number":
        return _right_or_wrong(same_last_number(answer, reference), metric, "another last number")
    if metric == "drop-f1":
        f1, exact = drop_scores(answer, [one.splitlines() for one in alternatives(reference)])
    else:
        exact = exact_match(answer, reference)
        f1 = token_f1(answer, reference)
    if metric == "exact-match":
        return _right_or_wrong(exact, metric, "the answer differs from the reference")
    reason = "" if f1 == 1.0 else "the answer differs from the reference"
    details = {"metric": metric, "f1": f1, "exact_match": exact}
    return Score(f1, int(f1 == 1.0), 1, reason, details)


async def _score_code(problem: Problem, code: str, tests: tuple[str, ...], open_sandbox: Open) -> Score:
    if not tests:
        return Score(None, 0, 0, "there are no tests")
    sandbox = await open_sandbox(problem.image)
    verdict = await judge(sandbox, problem, code, tests)
    details = {"metric": "tests", **verdict.to_json()}
    return Score(verdict.passed / len(tests), verdict.passed, len(tests), _why(verdict), details)


def _right_or_wrong(right: bool, metric: str, reason: str) -> Score:
    return Score(float(right), int(right), 1, "" if right else reason, {"metric": metric})


def _emit(
    context: RunContext,
    execution: Execution,
    workflow: Workflow,
    split: Split,
    repeat: int,
    score: Score,
) -> None:
    context.emitter.emit(
        EvaluationFinished(
            execution_id=execution.id,
            workflow_id=workflow.id,
            split=split,
            repeat=repeat,
            score=score.value,
            passed=score.passed,
            total=score.total,
            strict=workflow.strict_ok and not is_repaired(execution.answer or ""),
            tests_written_by=context.problem.tests.written_by if split == "visible" else "author",
            verdict=score.details,
        )
    )


def _why(verdict: Verdict) -> str:
    """Why a verdict is not a pass, without quoting a test: it may be one of `val`."""
    if verdict.status == "passed":
        return ""
    if verdict.status != "failed":
        return verdict.status
    kinds = {
        "assert": "wrong result",
        "exception": "raised an exception",
        "load": "the solution does not load",
        "signal": "the process died",
        "not-plain-data": "returned something that is not plain data",
        "too-big": "returned too much",
        "no-verdict": "ended before its tests did",
    }
    reason = kinds.get(verdict.reason or "", verdict.reason or "failed")
    return f"{reason}; {more}" if (more := remedy(verdict.to_json())) else reason
