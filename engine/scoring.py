"""Scores: an answer against the tests of one split, or against the reference answer.

Code is scored in the sandbox on tests its workflow never saw (invariant I6). Answers are compared
here as text and numbers; nothing of them is executed.
"""

from __future__ import annotations

import re
import string
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from engine.context import RunContext
from engine.events import EvaluationFinished, Split
from engine.execution import Execution
from engine.problems import Problem
from engine.steps import TEST_LIMITS
from engine.workflows import Workflow
from sandbox.types import SandboxError, Verdict


@dataclass(frozen=True)
class Score:
    """`value` is passed/total in [0, 1], or None when the sandbox rather than the answer failed.

    `reason` says in a few words why it is not 1; it never quotes a test.
    """

    value: float | None
    passed: int
    total: int
    reason: str = ""


def tests_of(problem: Problem, split: Split) -> tuple[str, ...]:
    """The tests of one split."""
    return getattr(problem.tests, split)


async def evaluate(
    context: RunContext, execution: Execution, workflow: Workflow, split: Split, repeat: int
) -> Score:
    """Score one execution on one split, and emit the evaluation.

    Raises SandboxError when the sandbox could not give a verdict twice.
    """
    problem = context.problem
    tests = tests_of(problem, split)
    total = len(tests) if problem.kind == "code" else 1
    verdict: dict[str, Any] = {}
    if execution.answer is None:
        score = Score(0.0, 0, total, execution.error or execution.status)
    elif problem.kind == "code":
        try:
            sandbox = await context.services.sandbox_for(problem.image)
            result = await sandbox.check(
                execution.answer,
                tests,
                entry_point=problem.entry_point,
                prelude=problem.prelude,
                limits=TEST_LIMITS,
            )
        except SandboxError as error:
            _emit(context, execution, workflow, split, repeat, Score(None, 0, total, str(error)), {})
            raise
        verdict = result.to_json()
        score = Score(result.passed / total if total else None, result.passed, total, _why(result))
    else:
        right = answers_match(execution.answer, problem.answer or "", problem.kind)
        score = Score(float(right), int(right), 1, "" if right else "the answer differs from the reference")
    _emit(context, execution, workflow, split, repeat, score, verdict)
    return score


def _emit(
    context: RunContext,
    execution: Execution,
    workflow: Workflow,
    split: Split,
    repeat: int,
    score: Score,
    verdict: dict[str, Any],
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
            strict=workflow.strict_ok,
            tests_written_by=context.problem.tests.written_by if split == "visible" else "author",
            verdict=verdict,
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
    return kinds.get(verdict.reason or "", verdict.reason or "failed")


_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_BOXED = re.compile(r"\\boxed\{((?:[^{}]|\{[^{}]*\})*)\}")


def answers_match(answer: str, reference: str, kind: str) -> bool:
    """Whether an answer gives the reference.

    Text is compared as SQuAD does: lower case, no punctuation, no articles. For `math`, the last
    boxed expression or else the last number of the answer counts, exactly (fractions and decimals).
    """
    if kind == "math":
        boxed = _BOXED.findall(answer)
        wanted = _BOXED.findall(reference)
        answer = boxed[-1] if boxed else answer
        reference = wanted[-1] if wanted else reference
        numbers, target = _NUMBER.findall(answer), _number(reference)
        if target is not None and numbers:
            return _number(numbers[-1]) == target
        return "".join(answer.split()) == "".join(reference.split())
    return _normalised(answer) == _normalised(reference)


def _number(text: str) -> Fraction | None:
    try:
        return Fraction(text.strip().strip("$").replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return None


def _normalised(text: str) -> str:
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(w for w in kept.split() if w not in ("a", "an", "the"))
