"""Every HumanEval reference in every style of reply, read as an answer is and judged by all of its tests.

    FLOWREASONER_DATA=… python -m tests.benchmarks.replies

Prints a line a style: how many of the 164 pass, the modes of their verdicts, and which do not.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from pathlib import Path

from engine.benchmarks import load_benchmark
from engine.guest_modules import guest_modules
from engine.judging import limits_of_tests
from engine.plain import answer_text
from engine.problems import SPLITS, Problem
from sandbox.pool import Pool, open_sandbox
from sandbox.types import Verdict
from tests.support.reply_styles import STYLES, Style

CONCURRENCY = 8


async def judged(sandbox: Pool, problem: Problem, style: Style) -> Verdict:
    """The verdict on the problem's reference, written down in this style."""
    assert problem.entry_point is not None
    body = problem.metadata["reference"][len(problem.prompt) :]
    answer = answer_text(style(problem.prompt, body, problem.entry_point), problem)
    return await sandbox.check(
        answer or "",
        [test for split in SPLITS for test in getattr(problem.tests, split)],
        entry_point=problem.entry_point,
        prelude=problem.prelude,
        limits=limits_of_tests(problem),
        mode=problem.mode,
    )


async def main() -> None:
    problems = load_benchmark("humaneval", Path(os.environ["FLOWREASONER_DATA"]))
    slots = asyncio.Semaphore(CONCURRENCY)
    async with open_sandbox(guest_modules=guest_modules()) as sandbox:

        async def one(problem: Problem, style: Style) -> Verdict:
            async with slots:
                return await judged(sandbox, problem, style)

        for name, style in STYLES.items():
            started = time.perf_counter()
            verdicts = await asyncio.gather(*(one(problem, style) for problem in problems))
            modes = dict(Counter(verdict.mode for verdict in verdicts))
            wrong = [
                f"{p.id} {v.message[:60]}"
                for p, v in zip(problems, verdicts, strict=True)
                if v.status != "passed"
            ]
            took = time.perf_counter() - started
            print(
                f"{name}: {len(problems) - len(wrong)} of {len(problems)}, {modes}, {took:.0f} s", flush=True
            )
            for line in wrong[:5]:
                print(f"    {line}")


if __name__ == "__main__":
    asyncio.run(main())
