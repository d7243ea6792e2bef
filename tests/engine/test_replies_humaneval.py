"""HumanEval's references in many styles of reply: right ones pass, wrong ones do not.

Each problem takes its turn at the styles; `python -m tests.benchmarks.replies` tries all of them on all.
"""

from __future__ import annotations

import asyncio
import os
from itertools import cycle
from pathlib import Path

import pytest

from engine.benchmarks import load_benchmark
from engine.plain import answer_text
from engine.problems import SPLITS, Problem
from sandbox.pool import Pool
from sandbox.types import Verdict
from tests.support.reply_styles import STYLES, Style

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def problems() -> list[Problem]:
    folder = os.environ.get("FLOWREASONER_DATA")
    if not folder or not (Path(folder) / "HumanEval.jsonl").is_file():
        pytest.skip("HumanEval.jsonl is not here; set FLOWREASONER_DATA to its folder")
    return load_benchmark("humaneval", Path(folder))


async def judged(sandbox: Pool, problem: Problem, style: Style, body: str) -> Verdict:
    assert problem.entry_point is not None
    answer = answer_text(style(problem.prompt, body, problem.entry_point), problem)
    tests = [test for split in SPLITS for test in getattr(problem.tests, split)]
    entry, prelude = problem.entry_point, problem.prelude
    return await sandbox.check(answer or "", tests, entry_point=entry, prelude=prelude)


@pytest.mark.parametrize("right", [True, False], ids=["references", "return None"])
async def test_every_style_is_read(sandbox: Pool, problems: list[Problem], right: bool) -> None:
    turns = list(zip(problems, cycle(STYLES.items()), strict=False))
    bodies = [p.metadata["reference"][len(p.prompt) :] if right else "    return None\n" for p, _ in turns]
    verdicts = await asyncio.gather(
        *(judged(sandbox, p, style, body) for (p, (_, style)), body in zip(turns, bodies, strict=True))
    )
    passed = [(p.id, name) for (p, (name, _)), v in zip(turns, verdicts, strict=True) if v.status == "passed"]
    assert len(turns) == 164
    assert passed == ([(p.id, name) for p, (name, _) in turns] if right else [])
