"""Problems that an experiment reports on although a search or a reward elsewhere has seen them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.problems import Problem
from store.compare.comparison import compare
from store.db import open_writer, write
from store.leaks import asked_of, leaks
from store.reader import Reader
from tests.support.trials import PASS, store_experiment, store_run

PROBLEMS = [Problem(f"p{n}", f"Solve p{n}.") for n in range(5)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def plan(spec: str, **settings: Any) -> dict[str, Any]:
    plain = {"benchmark": "bench", "found": None, "meta_agent": "meta", "worker": "w"}
    return plain | {"variants": {"v": spec}, "problems": [p.id for p in PROBLEMS]} | settings


def told(path: Path, data: dict[str, Any], **facts: bool) -> list[str]:
    with Reader(path) as reader:
        return leaks(reader, data, "v", asked_of(PROBLEMS), **({"searches": True, "asks_meta": True} | facts))


def test_a_search_elsewhere_may_have_seen_what_is_reported_here(path: Path) -> None:
    seen = ["p4", "p3", "p2", "p1", "other"]
    store_experiment(path, "e", {"aflow": {"p9": [PASS]}}, search_problems=seen)
    (sentence,) = told(path, plan("aflow", found="e"))
    assert sentence == (
        "the search of e, whose result is used, may have seen"
        " 4 of the 5 problems that are reported on (p1, p2, p3, …)"
    )
    assert told(path, plan("aflow", found="e:aflow")) == [sentence]
    assert told(path, plan("vanilla", found="e"), searches=False) == []
    assert told(path, plan("aflow", found="e", problems=["p0"])) == []
    assert told(path, plan("aflow", found="e", benchmark="another")) == []
    assert told(path, plan("aflow", found="gone")) == []
    assert told(path, plan("aflow")) == []


def reward(path: Path, job: str, problem: str) -> None:
    store_run(path, f"{job}-{problem}", PASS, problem=problem, origin={"job": job, "step": 1})


def began(path: Path, job: str, base: str) -> None:
    db = open_writer(path)
    with write(db):
        db.execute(
            "INSERT INTO jobs(id, kind, name, host, base, created_at, attempt, read_bytes, damaged)"
            " VALUES (?, 'grpo', ?, 'local', ?, 1, 1, 0, 0)",
            (job, job, base),
        )
    db.close()


@pytest.mark.parametrize(
    ("spec", "settings"),
    [
        ("flowreasoner", {"meta_agent": "job:j1"}),
        ("flowreasoner", {"meta_agent": "job:j1@40"}),
        ("flowreasoner,meta_agent=job:j1@40", {}),
        ("flowreasoner,rounds=2,meta-agent = job:j1", {"meta_agent": "job:j2"}),
        ("flowreasoner,meta_agent=hf:jobs/j1/checkpoints/step-000040", {}),
        ("vanilla", {"worker": "job:j1"}),
        ("vanilla,worker=job:j1", {}),
        ("maas,controller=job:j1@3", {}),
    ],
)
def test_rewards_of_the_training_that_a_model_comes_from(
    path: Path, spec: str, settings: dict[str, Any]
) -> None:
    reward(path, "j1", "p1")
    reward(path, "j1", "elsewhere")
    assert told(path, plan(spec, **settings)) == [
        "the training of job:j1 was rewarded on 1 of the 5 problems that are reported on (p1)"
    ]


def test_other_models_and_a_meta_agent_that_is_not_asked_are_no_leak(path: Path) -> None:
    reward(path, "j1", "p1")
    assert told(path, plan("vanilla", meta_agent="job:j1"), asks_meta=False) == []
    assert told(path, plan("flowreasoner,meta_agent=other", meta_agent="job:j1")) == []
    assert told(path, plan("flowreasoner", meta_agent="jobs/j1")) == []
    assert told(path, plan("flowreasoner", meta_agent="job:j2")) == []
    assert told(path, plan("flowreasoner", meta_agent="hf:/models/j1/checkpoints")) == []
    with Reader(path) as reader:
        others = asked_of([Problem("p1", "Another question of this id.")])
        data = plan("flowreasoner", meta_agent="job:j1")
        assert leaks(reader, data, "v", others, searches=False, asks_meta=True) == []


def test_a_job_that_began_with_another_one_s_weights_has_seen_what_that_saw(path: Path) -> None:
    reward(path, "j1", "p1")
    began(path, "j2", base="job:j1@10")
    began(path, "j3", base="hf:/home/someone/jobs/j2/checkpoints/step-000040")
    assert told(path, plan("flowreasoner", meta_agent="job:j3")) == [
        "the training of job:j3 was rewarded on 1 of the 5 problems that are reported on (p1)"
    ]


def test_a_comparison_says_which_side_has_seen_its_problems(path: Path) -> None:
    store_experiment(path, "e", {"aflow": {"p9": [PASS]}}, search_problems=["p1"])
    origin = {"experiment": "e", "trial": '["search", "aflow"]', "stage": "search"}
    store_run(path, "search", PASS, origin=origin)
    trials = {label: {"p0": [PASS], "p1": [PASS]} for label in ("aflow", "vanilla")}
    store_experiment(path, "f", trials, found="e")
    with Reader(path) as reader:
        warnings = compare(reader, ["f"]).warnings
    sentence = (
        "the search of e, whose result is used, may have seen 1 of the 2 problems that are reported on (p1)"
    )
    assert [warning for warning in warnings if "seen" in warning] == [f"A: {sentence}"]
