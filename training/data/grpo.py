"""Problems to learn from by trying: what a rollout and its reward may use, and nothing else.

A row is built from a positive list of fields. The tests of the split `test`, reference solutions and whatever
else a benchmark's record holds are not on it. `val` is: it is what rewards are computed on. The answer of a
mathematical problem or a question is its only reward, so it stays.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from training.data.candidates import Candidate, KindOfData, Reading, Row, first_of_each, key

COLUMNS = {
    "problem": ("string", "the problem as JSON, for `engine.problems.parse_problem`"),
    "id": ("string", "its id"),
    "benchmark": ("string", "its benchmark, null for a problem of your own"),
    "reward_by": ("string", "what a reward is computed on: val, visible (there is no val) or answer"),
}
_FIELDS = ("id", "prompt", "entry_point", "kind")
_METADATA = ("benchmark", "prelude", "image", "mode", "tolerance", "metric")
_SPLITS = ("visible", "val")


def find(reading: Reading) -> Iterator[Candidate]:
    """The problem of one run, whatever became of the run; none where nothing could be rewarded."""
    problem = reading.problem
    allowed = _allowed(problem)
    reward_by = _reward_by(allowed)
    if reward_by is None:
        reading.dropped["no-reward"] += 1
        return
    row = {
        "problem": json.dumps(allowed, ensure_ascii=False, sort_keys=True),
        "id": str(problem.get("id", "")),
        "benchmark": reading.benchmark,
        "reward_by": reward_by,
    }
    words = " ".join(str(problem.get("prompt", "")).lower().split())
    yield Candidate(row, key(words))


def _allowed(problem: dict[str, Any]) -> dict[str, Any]:
    tests, metadata = problem.get("tests") or {}, problem.get("metadata") or {}
    may_see: dict[str, Any] = {split: list(tests.get(split) or ()) for split in _SPLITS}
    if tests.get("written_by") == "model":
        may_see["written_by"] = "model"
    return {
        **{name: problem.get(name) for name in _FIELDS},
        "tests": may_see,
        "answer": problem.get("answer") if problem.get("kind") in ("math", "qa") else None,
        "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
    }


def _reward_by(problem: dict[str, Any]) -> str | None:
    if problem.get("kind") in ("math", "qa"):
        return "answer" if problem.get("answer") is not None else None
    return next((split for split in ("val", "visible") if problem["tests"][split]), None)


def _texts(row: Row) -> list[str]:
    problem = json.loads(row["problem"])
    return [problem["prompt"], *(test for split in _SPLITS for test in problem["tests"][split])]


def _no_answers(row: Row) -> list[Row]:
    return []


GRPO = KindOfData(
    COLUMNS,
    find,
    first_of_each,
    _texts,
    _no_answers,
    hidden=("test",),
    problem="id",
    nothing="no problem in them has something to reward",
)
