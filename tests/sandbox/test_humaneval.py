"""HumanEval through the split check: every reference passes, no empty body does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox import Pool, Verdict

pytestmark = pytest.mark.asyncio(loop_scope="session")


def _load(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


async def _check(pool: Pool, problem: dict[str, Any], body: str) -> Verdict:
    return await pool.check(
        problem["prompt"] + body,
        [problem["test"]],
        entry_point=problem["entry_point"],
        prelude=problem["prompt"],
    )


@pytest.mark.parametrize("right", [True, False], ids=["references", "return None"])
async def test_all_problems(sandbox: Pool, human_eval: Path, right: bool) -> None:
    problems = _load(human_eval)
    bodies = [problem["canonical_solution"] if right else "    return None\n" for problem in problems]
    pairs = zip(problems, bodies, strict=True)
    verdicts = await asyncio.gather(*(_check(sandbox, problem, body) for problem, body in pairs))
    assert {verdict.mode for verdict in verdicts} == {"split"}
    passed = [p["task_id"] for p, v in zip(problems, verdicts, strict=True) if v.status == "passed"]
    assert len(problems) == 164
    assert len(passed) == (164 if right else 0), [v for v in verdicts if (v.status == "passed") != right][:3]
