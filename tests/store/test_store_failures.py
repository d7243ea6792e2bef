"""Clusters of failed runs, what is said of runs, and labels that are given once and kept."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine import failures
from engine.events import Event, RunStarted, StepFinished, WorkflowFinished
from store import annotations as remarks
from store.annotations import Annotation, annotate, classify_runs, unannotate
from store.db import open_writer, write
from store.errors import RunNotFoundError, StoreError
from store.failures import GROUPINGS, NO_LABEL, Clusters
from store.reader import Reader
from store.recorder import Recorder
from store.retention import prune
from tests.store.samples import finished, started, store, whole_run
from tests.support.trials import FAIL, PASS, Ran, store_experiment

NAME_ERROR = "NameError: name 'x1' is not defined"


def failing(run_id: str, *, error: str = NAME_ERROR, **changes: Any) -> list[Event]:
    """A run whose only step and execution fail so."""
    raised = f"{error} (workflow line 3)"
    changed: dict[type[Event], dict[str, Any]] = {
        RunStarted: changes,
        StepFinished: {"status": "error", "error": error},
        WorkflowFinished: {"status": "error", "answer": None, "error": raised},
    }
    events = whole_run(run_id, status="failed", score=0.0, error=error, workflow_id="wf1")
    events = [dataclasses.replace(e, **changed.get(type(e), {})) for e in events]
    return [dataclasses.replace(e, at=e.at + 100 * int(run_id[1:])) for e in events]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Three runs that failed alike, one that failed otherwise, one that passed."""
    path = tmp_path / "store.db"
    for number in (1, 2, 3):
        store(path, failing(f"r{number}", error=f"NameError: name 'x{number}' is not defined"))
    store(path, failing("r4", error="KeyError: 4", variant="vanilla", origin={"experiment": "e1"}))
    store(path, whole_run("r5", at=5000.0))
    return path


def label_all(path: Path) -> None:
    with Reader(path) as reader:
        assert list(classify_runs(path, reader.annotations.unclassified())) != []


def test_runs_that_failed_alike_are_one_cluster(path: Path) -> None:
    with Reader(path) as reader:
        found = reader.failures.clusters()
        first, second = found.clusters
        assert found.total == 4
        assert (first.key, first.runs, first.share) == (
            "Custom: NameError: name <text> is not defined",
            3,
            0.75,
        )
        assert (first.example, first.first_seen, first.last_seen) == ("r3", 1100.0, 1300.0)
        assert (second.key, second.runs) == ("Custom: KeyError: <n>", 1)
        assert [r.id for r in reader.runs(cluster=("signature", first.key)).rows] == ["r3", "r2", "r1"]


def test_every_grouping_agrees_with_the_runs_of_its_clusters(path: Path) -> None:
    label_all(path)
    with Reader(path) as reader:
        for by in GROUPINGS:
            found = reader.failures.clusters(by)
            assert found.total == 4
            for cluster in found.clusters:
                runs = reader.runs(cluster=(by, cluster.key)).rows
                assert len(runs) == cluster.runs, (by, cluster)
                assert cluster.example in {r.id for r in runs}
        assert {c.key for c in reader.failures.clusters("variant").clusters} == {"flowreasoner", "vanilla"}
        assert [c.key for c in reader.failures.clusters("operator").clusters] == ["Custom"]
        assert {c.key: c.runs for c in reader.failures.clusters("label").clusters} == {
            "undefined-name": 3,
            "workflow-error": 1,
        }


def test_clusters_of_an_experiment_and_of_late(path: Path) -> None:
    with Reader(path) as reader:
        assert [c.runs for c in reader.failures.clusters(experiment="e1").clusters] == [1]
        assert [c.runs for c in reader.failures.clusters("label", experiment="e1").clusters] == [1]
        assert reader.failures.clusters(since=1250.0).total == 2
        assert len(reader.failures.clusters(limit=1).clusters) == 1
        assert reader.failures.clusters(experiment="nothing").clusters == ()


def test_labels_within_an_experiment_are_of_its_runs_and_since_then(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    for name, statuses in (("e", "PFFEI"), ("f", "FP")):
        kinds = {"P": PASS, "F": FAIL, "E": Ran("error", error="boom"), "I": Ran("infra")}
        trials = {f"p{n}": [kinds[status]] for n, status in enumerate(statuses)}
        store_experiment(path, name, {"a": trials})
    annotate(path, ["e-a-1-1", "e-a-2-1", "f-a-0-1"], "label", "slow")
    annotate(path, ["e-a-1-1", "e-a-0-1"], "label", "odd")  # a passed run is said something of as well
    with closing(sqlite3.connect(path)) as db:
        (newest,) = db.execute("SELECT started_at FROM runs WHERE id = 'e-a-2-1'").fetchone()
    with Reader(path) as reader:
        found = reader.failures.clusters("label", experiment="e")
        assert found.total == 4
        assert [(c.key, c.runs, c.share) for c in found.clusters] == [
            ("odd", 2, 0.5),
            ("slow", 2, 0.5),
            (NO_LABEL, 2, 0.5),
        ]
        assert [c.example for c in found.clusters] == ["e-a-1-1", "e-a-2-1", "e-a-4-1"]
        assert reader.failures.clusters("label", experiment="e", since=newest).total == 4
        assert reader.failures.clusters("label", experiment="e", since=newest + 1) == Clusters((), 0)
        (of_f,) = reader.failures.clusters("label", experiment="f").clusters
        assert (of_f.key, of_f.runs, of_f.share) == ("slow", 1, 1.0)


def test_an_empty_store_has_no_clusters(tmp_path: Path) -> None:
    with Reader(tmp_path / "none.db") as reader:
        assert reader.failures.clusters().clusters == ()
        assert reader.annotations.unclassified() == []


def test_what_is_said_of_runs_finds_them(path: Path) -> None:
    annotate(path, ["r1", "r2"], "label", "agent-bug")
    annotate(path, ["r2"], "bookmark")
    annotate(path, ["r5"], "training-set", "good")
    annotate(path, ["r1"], "note", "look at the [bold]prompt[/bold]")
    annotate(path, ["r1"], "label", "agent-bug")  # twice is once
    with Reader(path) as reader:
        assert {r.id for r in reader.runs(label="agent-bug").rows} == {"r1", "r2"}
        assert [r.id for r in reader.runs(label="agent-bug", bookmark=True).rows] == ["r2"]
        assert [r.id for r in reader.runs(training_set="good").rows] == ["r5"]
        assert [r.id for r in reader.runs(failed=True, bookmark=True).rows] == ["r2"]
        assert reader.annotations.values("label") == [("agent-bug", 2)]
        said = reader.annotations.of(["r1", "r3"])
        assert [(a.kind, a.value, a.source) for a in said["r1"]] == [
            ("label", "agent-bug", "user"),
            ("note", "look at the [bold]prompt[/bold]", "user"),
        ]
        assert "r3" not in said
    assert unannotate(path, ["r1", "r2"], "label", "agent-bug") == 2
    assert unannotate(path, ["r1"], "note") == 1
    with Reader(path) as reader:
        assert reader.runs(label="agent-bug").rows == ()


@pytest.mark.parametrize(
    ("kind", "value"),
    [("label", "two words"), ("label", ""), ("label", "x" * 61), ("label", "a,b"), ("note", "  "),
     ("note", "x" * 4001), ("training-set", "a:b"), ("label", "\x1b[31mred")],
)  # fmt: skip
def test_names_and_notes_are_checked(path: Path, kind: remarks.Kind, value: str) -> None:
    with pytest.raises(StoreError, match=r"^A (label|note|training set)"):
        annotate(path, ["r1"], kind, value)


def test_a_run_there_is_not_cannot_be_annotated(path: Path) -> None:
    with pytest.raises(RunNotFoundError, match="No run begins with 'nothing' in"):
        annotate(path, ["r1", "nothing"], "bookmark")
    with Reader(path) as reader:
        assert not reader.annotations.of(["r1"])  # all of them, or none


def test_labels_are_given_once_with_their_evidence(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reader(path) as reader:
        assert reader.annotations.unclassified() == ["r4", "r3", "r2", "r1"]
        label_all(path)
        assert reader.annotations.unclassified() == []
        (finding,) = reader.annotations.findings("r1")
        assert (finding.label, finding.line) == ("undefined-name", 3)
        assert finding.quote == "NameError: name 'x1' is not defined (workflow line 3)"
        assert [f.label for f in reader.annotations.findings("r4")] == ["workflow-error"]
        assert [a.source for a in reader.annotations.of(["r1"])["r1"]] == ["auto"]

        monkeypatch.setattr(failures, "VERSION", failures.VERSION + 1)
        assert set(reader.annotations.unclassified()) == {"r1", "r2", "r3", "r4"}


def test_a_newer_classifier_takes_back_its_own_labels_only(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_all(path)
    annotate(path, ["r1"], "label", "undefined-name")  # a person agrees: it is theirs now
    monkeypatch.setattr(failures, "VERSION", failures.VERSION + 1)
    monkeypatch.setattr(failures, "examine", lambda *_: failures.Examined())
    label_all(path)
    with Reader(path) as reader:
        assert [r.id for r in reader.runs(label="undefined-name").rows] == ["r1"]
        assert reader.annotations.unclassified() == []


def test_a_label_that_was_taken_away_stays_away(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    label_all(path)
    assert unannotate(path, ["r1"], "label", "undefined-name") == 1
    monkeypatch.setattr(failures, "VERSION", failures.VERSION + 1)
    label_all(path)
    with Reader(path) as reader:
        assert [r.id for r in reader.runs(label="undefined-name").rows] == ["r3", "r2"]
        assert reader.annotations.findings("r1") == ()


async def test_a_recorded_run_is_labelled_when_it_ends(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    async with Recorder(path) as recorder:
        for event in failing("r1"):
            await recorder.record(event)
        for event in whole_run("r2"):
            await recorder.record(event)
    with Reader(path) as reader:
        assert [f.label for f in reader.annotations.findings("r1")] == ["undefined-name"]
        assert reader.annotations.unclassified() == []
        assert reader.annotations.of(["r2"]) == {}


async def test_a_run_that_cannot_be_labelled_is_recorded_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RecursionError

    path = tmp_path / "store.db"
    monkeypatch.setattr(failures, "examine", broken)
    async with Recorder(path) as recorder:
        for event in [*failing("r1"), *failing("r2")]:
            await recorder.record(event)
    with Reader(path) as reader:
        assert [r.status for r in reader.runs().rows] == ["failed", "failed"]
        assert reader.annotations.unclassified() == ["r2", "r1"]


def test_vanilla_with_the_same_worker_is_the_baseline(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store(path, failing("r1"))
    store(path, whole_run("r2", at=2000.0))
    db = open_writer(path)
    with write(db):
        db.execute("UPDATE workflows SET complexity = 2")
        db.execute("UPDATE runs SET variant = 'vanilla' WHERE id = 'r2'")
    assert remarks._baseline(db, "r1") == failures.Baseline("r2", 2)
    with write(db):
        db.execute("UPDATE runs SET worker = 'another' WHERE id = 'r2'")
    assert remarks._baseline(db, "r1") is None
    db.close()


def test_hostile_evidence_is_kept_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    error = "NameError: name '\x1b]0;owned\x07[red]\ud800\0' is not defined"
    store(path, failing("r1", error=error))
    label_all(path)
    with Reader(path) as reader:
        (finding,) = reader.annotations.findings("r1")
        assert finding.quote.startswith(error)


def test_a_peek_has_the_step_the_verdict_and_the_workflow(path: Path) -> None:
    label_all(path)
    with Reader(path) as reader:
        peek = reader.failures.peek("r1")
        assert [type(e).__name__ for e in peek.step] == ["StepStarted", "StepFinished"]
        assert type(peek.workflow).__name__ == "WorkflowProposed"
        assert peek.line == 3
        assert [f.label for f in peek.findings] == ["undefined-name"]
        bare = [started("r9", at=9000.0), finished("r9", seq=1, at=9001.0, status="infra", error="gone")]
        store(path, bare)
        assert reader.failures.peek("r9") == dataclasses.replace(
            peek,
            findings=(),
            annotations=(),
            step=(),
            evaluation=None,
            workflow=None,
            line=None,
            asked=bare[0],
            answer=None,
        )


def test_what_is_said_of_a_run_goes_with_it(path: Path) -> None:
    label_all(path)
    annotate(path, ["r1"], "note", "gone soon")
    prune(path, keep=0)
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM annotations").fetchone() == (0,)
    assert db.execute("SELECT count(*) FROM classifications").fetchone() == (0,)
    db.close()


def many(path: Path, count: int) -> None:
    """That many failed runs of twenty kinds, as rows alone."""
    store(path, failing("r1"))
    db = open_writer(path)
    columns = [name for _, name, *_ in db.execute("PRAGMA table_info(runs)")]
    row = dict(zip(columns, db.execute("SELECT * FROM runs").fetchone(), strict=True))
    insert = f"INSERT INTO runs({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"

    def numbered(n: int) -> list[Any]:
        changed = row | {
            "id": f"01{n:012}", "started_at": float(n), "error_sig": f"op{n % 20}: Error {n % 20}",
            "variant": f"v{n % 5}", "benchmark": f"b{n % 3}", "prompt": "p" * 200,
        }  # fmt: skip
        return list(changed.values())

    with write(db):
        db.executemany(insert, (numbered(n) for n in range(count)))
        db.execute("INSERT INTO annotations SELECT id, 'label', variant, 'auto', 0 FROM runs")
    db.close()


def test_clusters_are_counted_from_indexes(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    many(path, 20_000)
    with Reader(path) as reader:
        for by in ("signature", "operator"):
            begun = time.process_time()
            assert sum(c.runs for c in reader.failures.clusters(by).clusters) == 20_001
            assert time.process_time() - begun < 1.0
    db = sqlite3.connect(path)
    query = "EXPLAIN QUERY PLAN SELECT error_sig, count(*), max(id), min(started_at) FROM runs"
    plan = str(
        db.execute(f"{query} WHERE job IS NULL AND error_sig IS NOT NULL GROUP BY error_sig").fetchall()
    )
    assert "COVERING INDEX runs_by_signature" in plan
    assert "TEMP B-TREE" not in plan
    db.close()


def test_findings_are_plain_json(path: Path) -> None:
    label_all(path)
    db = sqlite3.connect(path)
    (text,) = db.execute("SELECT findings FROM classifications WHERE run_id = 'r1'").fetchone()
    assert json.loads(text)[0]["label"] == "undefined-name"
    db.close()
    assert Annotation("r", "label", "x", "auto", 0.0).value == "x"


def test_the_classifier_says_better_what_a_run_failed_of(path: Path) -> None:
    store(path, whole_run("r6", at=6000.0, status="failed", score=0.5))
    with Reader(path) as reader:
        before = reader.run("r6").error_sig
        label_all(path)
        after = reader.run("r6").error_sig
        assert before != after and after is not None
        assert all(c.key.split(": ")[0] != "evaluation" for c in reader.failures.clusters().clusters)
        assert [r.id for r in reader.runs(cluster=("signature", after)).rows] == ["r6"]
