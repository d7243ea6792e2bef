"""Whether a benchmark can be trusted on this machine: its reference solutions must pass its own tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from engine.judging import judge
from engine.problems import SPLITS, Problem
from engine.scores.math_answers import Open
from engine.scores.scoring import score_answer
from sandbox.types import SandboxError

Status = Literal["passed", "failed", "infra", "unchecked"]
CONCURRENCY = 16  # the pool has fewer containers; the rest wait there


@dataclass(frozen=True)
class Check:
    """One problem's reference against all of its tests. `tests` counts them, `mode` is how they were judged
    (None for answers). `message` is one line that says why a check failed, had no verdict or could not be
    made.
    """

    id: str
    status: Status
    tests: int
    mode: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Report:
    """All checks, in the order of the problems."""

    checks: tuple[Check, ...] = field(default_factory=tuple)

    def count(self, status: Status) -> int:
        """How many problems have this status."""
        return sum(check.status == status for check in self.checks)

    @property
    def sound(self) -> bool:
        """Whether every reference that could be checked passed."""
        return self.count("failed") == self.count("infra") == 0

    def to_json(self) -> dict[str, Any]:
        """{sound, passed, failed, infra, unchecked, checks}: the counts, and the fields of each `Check`."""
        names: tuple[Status, ...] = ("passed", "failed", "infra", "unchecked")
        counts = {name: self.count(name) for name in names}
        return {"sound": self.sound, **counts, "checks": [asdict(check) for check in self.checks]}


async def verify(
    problems: Sequence[Problem], open_sandbox: Open, progress: Callable[[Check], None] | None = None
) -> Report:
    """Run each problem's reference solution against all its tests, as a run would score it.

    `open_sandbox` opens the sandbox of an image (`Sandboxes.open`). Where a sandbox fails, that check is
    "infra" and the others go on; nothing is raised. `progress` is called with each check as it ends.
    """
    slots = asyncio.Semaphore(CONCURRENCY)

    async def one(problem: Problem) -> Check:
        async with slots:
            try:
                check = await _check(problem, open_sandbox)
            except SandboxError as error:
                check = Check(problem.id, "infra", _count(problem), None, str(error))
        if progress is not None:
            progress(check)
        return check

    return Report(tuple(await asyncio.gather(*(one(problem) for problem in problems))))


async def _check(problem: Problem, open_sandbox: Open) -> Check:
    reference = problem.metadata.get("reference")
    if not isinstance(reference, str) or not reference.strip():
        return Check(problem.id, "unchecked", _count(problem), None, "it has no reference solution")
    if problem.kind == "code":
        return await _check_code(problem, reference, open_sandbox)
    if problem.answer is None:
        return Check(problem.id, "unchecked", 0, None, "it has no reference answer")
    score = await score_answer(problem, reference, "test", open_sandbox)
    return Check(problem.id, "passed" if score.value == 1.0 else "failed", 1, None, score.reason)


async def _check_code(problem: Problem, reference: str, open_sandbox: Open) -> Check:
    tests = [test for split in SPLITS for test in getattr(problem.tests, split)]
    if not tests:
        return Check(problem.id, "failed", 0, None, "it has no tests: nothing could pass or fail")
    sandbox = await open_sandbox(problem.image)
    verdict = await judge(sandbox, problem, reference, tests)
    if verdict.status == "passed":
        return Check(problem.id, "passed", len(tests), verdict.mode)
    wrong = next((t for t in verdict.tests if t.status != "passed"), None)
    message = (wrong.message or wrong.reason or wrong.status) if wrong else verdict.message
    message = f"{verdict.passed} of {len(tests)} tests pass; {verdict.status}: {message}"
    return Check(problem.id, "failed", len(tests), verdict.mode, message)


def _count(problem: Problem) -> int:
    return sum(len(getattr(problem.tests, split)) for split in SPLITS)
