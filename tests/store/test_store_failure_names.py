"""What a failed run is called after, which runs share a name, and what is shown of one first."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.events import (
    EvaluationFinished,
    Event,
    RoundFinished,
    RoundStarted,
    RunFinished,
    StepFinished,
    StepStarted,
    WorkflowProposed,
)
from store.db import open_writer
from store.interrupted import mark_interrupted
from store.reader import Reader
from tests.store.samples import finished, store, whole_run


def run_of(events: Sequence[Event], run_id: str = "r1", at: float = 1000.0) -> list[Event]:
    """The events as one run, numbered anew."""
    return [
        dataclasses.replace(e, run_id=run_id, seq=n, at=at + n, mono=float(n)) for n, e in enumerate(events)
    ]


def step(step_id: str, operator: str) -> StepStarted:
    return StepStarted(
        step_id=step_id, execution_id="e1", index=0, operator=operator, line=3, key=step_id, inputs={}
    )


def ended(step_id: str, status: str, error: str | None) -> StepFinished:
    return StepFinished(
        step_id=step_id,
        status=status,
        output=None,
        error=error,
        reused=False,
        wall_ms=1.0,
        cpu_ms=1.0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=0.0,
    )


def evaluation(split: str, score: float | None, *, strict: bool = True) -> EvaluationFinished:
    return EvaluationFinished(
        execution_id="e1",
        workflow_id="wf1",
        split=split,  # type: ignore[arg-type]
        repeat=1,
        score=score,
        passed=0,
        total=1,
        strict=strict,
        tests_written_by="author",
        verdict={"status": "failed", "message": f"on {split}"},
    )


HEAD = [
    e
    for e in whole_run(end=False)
    if not isinstance(e, StepFinished | StepStarted | EvaluationFinished | RoundFinished)
    and e.kind != "code_executed"
]
STEPS = [step("s1", "Custom"), step("s2", "Revise"), step("s3", "Test")]


@pytest.mark.parametrize(
    ("ends", "named"),
    [
        # They began in the order Custom, Revise, Test.
        ([("s1", "error"), ("s2", "error"), ("s3", "ok")], "Revise"),
        ([("s2", "error"), ("s3", "ok"), ("s1", "error")], "Custom"),
        ([("s3", "timeout"), ("s1", "ok"), ("s2", "ok")], "Test"),
        # What went down with a step that failed is not what failed.
        ([("s2", "error"), ("s1", "cancelled"), ("s3", "cancelled")], "Revise"),
        ([("s1", "cancelled"), ("s2", "ok"), ("s3", "ok")], "Custom"),
        ([("s1", "ok"), ("s2", "ok"), ("s3", "ok")], "run"),
    ],
)
def test_the_step_that_failed_last_names_the_failure(
    tmp_path: Path, ends: list[tuple[str, str]], named: str
) -> None:
    finishes = [ended(s, status, None if status == "ok" else "KeyError: 'a'") for s, status in ends]
    events = [*HEAD, *STEPS, *finishes, finished(status="failed", score=0.0, error="KeyError: 'a'")]
    store(tmp_path / "store.db", run_of(events))
    with Reader(tmp_path / "store.db") as reader:
        assert reader.run("r1").error_sig == f"{named}: KeyError: <text>"
        shown = [e for e in reader.failures.peek("r1").step if isinstance(e, StepFinished)]
        blamed = [e.step_id for e in STEPS if e.operator == named]
        cancelled_only = {status for _, status in ends} <= {"ok", "cancelled"}
        assert [e.step_id for e in shown] == ([] if cancelled_only else blamed)


def test_the_last_evaluation_names_a_failure_without_an_error(tmp_path: Path) -> None:
    events = [*HEAD, evaluation("val", 0.5), evaluation("test", 0.5), finished(status="failed", score=0.5)]
    store(tmp_path / "store.db", run_of(events))
    with Reader(tmp_path / "store.db") as reader:
        assert reader.run("r1").error_sig == "evaluation: test tests failed"


def test_the_verdict_on_test_is_shown_before_any_other(tmp_path: Path) -> None:
    """And it says whether the scored workflow ran as it was written."""
    evaluations = [
        evaluation("visible", 0.0, strict=True),
        evaluation("test", 0.0, strict=False),
        evaluation("val", 0.0, strict=True),
    ]
    store(tmp_path / "store.db", run_of([*HEAD, *evaluations, finished(status="failed", score=0.0)]))
    with Reader(tmp_path / "store.db") as reader:
        found = reader.failures.peek("r1").evaluation
        assert isinstance(found, EvaluationFinished)
        assert found.split == "test"
        assert reader.run("r1").strict is False


def test_an_interrupted_run_is_of_the_first_of_its_equally_good_rounds(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    proposal = next(e for e in HEAD if isinstance(e, WorkflowProposed))
    body = [e for e in HEAD if not isinstance(e, RoundStarted | WorkflowProposed)]
    for number, score in ((1, 0.25), (2, 0.5), (3, 0.5), (4, None)):
        workflow_id = f"wf{number}"
        body.append(RoundStarted(round=number))
        body.append(dataclasses.replace(proposal, round=number, workflow_id=workflow_id))
        body.append(RoundFinished(round=number, workflow_id=workflow_id, score=score, feedback=""))
    store(path, run_of(body))
    db = open_writer(path)
    db.execute("UPDATE runs SET owner_start = owner_start + 1")
    assert mark_interrupted(db) == ["r1"]
    db.close()
    with Reader(path) as reader:
        *_, end = reader.events("r1")
    assert isinstance(end, RunFinished)
    assert (end.workflow_id, end.val_score) == ("wf2", 0.5)


OPERATORS = ("Custom", "Custom2", "Custom-2", "CustomCodeGenerate", "Custom 2", "Cust", "custom", "Custom_")


def test_an_operator_whose_name_begins_like_anothers_has_a_cluster_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for number, operator in enumerate(OPERATORS):
        for copy in range(number + 1):
            events = [
                *HEAD,
                step("s1", operator),
                ended("s1", "error", "KeyError: 'a'"),
                finished(status="failed", score=0.0, error="KeyError: 'a'"),
            ]
            store(path, run_of(events, f"{number}-{copy}", at=1000.0 + number))
    with Reader(path) as reader:
        found = {c.key: c.runs for c in reader.failures.clusters(by="operator").clusters}
        assert found == {operator: number + 1 for number, operator in enumerate(OPERATORS)}
        for operator, runs in found.items():
            rows = reader.runs(cluster=("operator", operator)).rows
            assert {row.id.partition("-")[0] for row in rows} == {str(OPERATORS.index(operator))}
            assert len(rows) == runs


def test_clusters_of_a_size_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for number, operator in enumerate(("Revise", "Custom", "Test", "Format")):
        for copy in range(2 if operator == "Test" else 1):
            events = [
                *HEAD,
                step("s1", operator),
                ended("s1", "error", "KeyError: 'a'"),
                finished(status="failed", score=0.0, error="KeyError: 'a'"),
            ]
            store(path, run_of(events, f"{number}-{copy}"))
    with Reader(path) as reader:
        found = reader.failures.clusters(by="operator")
        assert [(c.key, c.runs) for c in found.clusters] == [
            ("Test", 2),
            ("Custom", 1),
            ("Format", 1),
            ("Revise", 1),
        ]
        assert [c.share for c in found.clusters] == [0.4, 0.2, 0.2, 0.2]
        # A share is of all failed runs, however many clusters are asked for.
        assert [c.share for c in reader.failures.clusters(by="operator", limit=1).clusters] == [0.4]
        assert reader.failures.clusters(by="operator", limit=1).total == 5
