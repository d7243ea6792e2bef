"""Divisions of problems by name: the papers' sizes, the same on every machine, parts that never mix."""

from __future__ import annotations

import random

import pytest

from engine.benchmarks import load_benchmark
from engine.benchmarks.splits import DIVISIONS, divide, split
from engine.problems import Problem, ProblemError


def problems(benchmark: str, count: int, **metadata: object) -> list[Problem]:
    data = {"benchmark": benchmark, **metadata}
    return [Problem(f"{benchmark}/{n}", "?", kind="qa", answer="1", metadata=data) for n in range(count)]


@pytest.mark.parametrize(
    ("benchmark", "count", "val", "test"),
    [
        ("humaneval", 164, 33, 131),
        ("mbpp-sanitized", 427, 86, 341),
        ("gsm8k", 1319, 264, 1055),
        ("math", 617, 119, 486),
        ("hotpotqa", 1000, 200, 800),
        ("drop", 9536, 200, 800),
        ("drop", 10, 2, 8),  # too few for the papers' sizes
        ("mine", 11, 3, 8),
    ],
)
def test_aflow_sizes(benchmark: str, count: int, val: int, test: int) -> None:
    everything = problems(benchmark, count)
    parts = divide(everything, "aflow-1:4")
    assert (len(parts.val), len(parts.test)) == (val, test)
    assert not {p.id for p in parts.val} & {p.id for p in parts.test}
    assert len(split(everything, "aflow-1:4/val")) == val
    assert len(split(everything, "aflow-1:4")) == val + test


def test_the_parts_follow_from_seed_and_ids_alone() -> None:
    everything = problems("humaneval", 164)
    shuffled = random.Random(1).sample(everything, len(everything))
    ids = [p.id for p in split(everything, "aflow-1:4/val", 7)]
    assert sorted(ids) == sorted(p.id for p in split(shuffled, "aflow-1:4/val", 7))
    assert ids != [p.id for p in split(everything, "aflow-1:4/val", 8)]
    assert ids == sorted(ids, key=[p.id for p in everything].index)  # the benchmark's order
    # Written down: another platform or version must not move a problem from one part to the other.
    assert ids[:5] == ["humaneval/0", "humaneval/4", "humaneval/5", "humaneval/6", "humaneval/15"]


def test_math_takes_level_5_of_four_subjects() -> None:
    wanted = problems("math", 605, level="Level 5", type="Number Theory")
    other = [
        Problem(f"other/{p.id}", "?", metadata=p.metadata) for p in problems("math", 50, level="Level 4")
    ]
    algebra = problems("math", 50, level="Level 5", type="Algebra")
    algebra = [Problem(f"algebra/{p.id}", "?", metadata=p.metadata) for p in algebra]
    assert {p.id for p in split([*other, *wanted, *algebra], "aflow-1:4")} == {p.id for p in wanted}


def test_flowreasoner_sizes() -> None:
    assert len(split(problems("bigcodebench-complete", 1140), "flowreasoner/test")) == 300
    assert len(split(problems("humaneval", 164), "flowreasoner/test")) == 131
    with pytest.raises(ProblemError, match="flowreasoner/val is empty for bigcodebench-complete"):
        split(problems("bigcodebench-complete", 1140), "flowreasoner/val")
    with pytest.raises(ProblemError, match="does not use gsm8k"):
        split(problems("gsm8k", 5), "flowreasoner")


def test_official_is_mbpps_own_test_part() -> None:
    everything = [
        Problem(f"mbpp/{n}", "?", metadata={"benchmark": "mbpp", "task_id": n}) for n in range(1, 975)
    ]
    assert len(split(everything, "official/test")) == 500
    assert len(split(problems("humaneval", 164), "official/test")) == 164


def test_all_and_unknown_names() -> None:
    everything = problems("drop", 5)
    assert split(everything, "all") == everything
    with pytest.raises(ProblemError, match="no split 'aflow'; there are " + ", ".join(DIVISIONS)):
        split(everything, "aflow")
    with pytest.raises(ProblemError, match="no part 'dev' of all"):
        split(everything, "all/dev")


def test_pocket_has_parts_of_its_own_that_share_nothing() -> None:
    everything = load_benchmark("pocket")
    parts = {part: {p.id for p in split(everything, f"official/{part}")} for part in ("train", "val", "test")}
    assert {part: len(ids) for part, ids in parts.items()} == {"train": 8, "val": 8, "test": 25}
    assert (
        set.union(*parts.values())
        == {p.id for p in everything}
        == {p.id for p in split(everything, "official")}
    )
    again = divide([*reversed(everything)], "official")
    assert {p.id for p in again.train} == parts["train"] and {p.id for p in again.val} == parts["val"]
    with pytest.raises(ProblemError, match="all/train is empty for pocket"):
        split(everything, "all/train")
