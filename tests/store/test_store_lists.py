"""Lists and counts that do not grow with the store: they are right whatever happened, and read by index."""

from __future__ import annotations

import itertools
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from engine.events import Event
from store import db as store_db
from store import migrations, search
from store import reader as reading
from store.annotations import annotate, classify_runs, unannotate
from store.db import open_reader, open_writer
from store.errors import StoreWarning
from store.failures import GROUPINGS
from store.reader import Reader
from store.retention import delete_run, prune
from store.rows import FAILED
from store.run_conditions import source_of
from store.run_filter import RunFilter
from tests.store.samples import finished, started, store

_SCHEMAS = Path(__file__).with_name("schemas")
_STATUSES = ("passed", "failed", "error", "infra", "answered", "cancelled")


def fill(path: Path) -> None:
    """Runs that differ in all that they are listed by, two of them rollouts and one still in progress."""
    events: list[Event] = []
    for n in range(24):
        name = f"r{n:02}"
        start = started(
            name,
            at=float(100 - n // 2),  # two at the same time
            variant=f"v{n % 3}",
            problem={
                "id": f"p{n % 4}",
                "prompt": "p",
                "metadata": {"benchmark": f"b{n % 2}"} if n % 5 else {},
            },
            origin={"experiment": f"e{n % 2}", "trial": f'["v", "p{n}", 1]', "stage": "final"}
            if n % 3
            else ({"job": "j"} if n in (6, 9) else {}),
        )
        status = _STATUSES[n % len(_STATUSES)]
        error = f"KeyError: k{n % 2}" if status in FAILED else None
        events += [start] if n == 23 else [start, finished(name, status=status, error=error)]
    store(path, events)
    annotate(path, [f"r{n:02}" for n in range(0, 24, 2)], "label", "even")
    annotate(path, [f"r{n:02}" for n in range(0, 24, 5)], "label", "fifth")
    annotate(path, ["r06", "r07", "r08"], "training-set", "set")
    annotate(path, ["r01", "r06"], "bookmark")
    annotate(path, ["r02"], "note", "not listed")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "store.db"
    fill(path)
    return path


@pytest.fixture
def path(filled: Path, tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(filled)) as source, closing(sqlite3.connect(path)) as target:
        source.backup(target)
    return path


def kept(path: Path) -> tuple[set[tuple[Any, ...]], dict[tuple[str, str], int]]:
    with closing(sqlite3.connect(path)) as db:
        listed = set(db.execute("SELECT field, value, job, started_at, run_id FROM listed"))
        counts = db.execute("SELECT field, value, runs FROM counts WHERE runs <> 0").fetchall()
    return listed, {(field, value): runs for field, value, runs in counts}


def counted_afresh(path: Path) -> tuple[set[tuple[Any, ...]], dict[tuple[str, str], int]]:
    """What the two tables should hold, from the runs and what is said of them."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        runs = {row["id"]: dict(row) for row in db.execute("SELECT * FROM runs")}
        said = [tuple(row) for row in db.execute("SELECT run_id, kind, value FROM annotations")]
        origins = db.execute("SELECT run_id, experiment FROM origins WHERE experiment IS NOT NULL").fetchall()
    said += [(run_id, "experiment", name) for run_id, name in origins]
    labelled = {run_id for run_id, kind, _ in said if kind == "label"}
    failed = [r for r in runs.values() if r["status"] in FAILED and r["job"] is None]
    said += [(r["id"], "label", "") for r in failed if r["id"] not in labelled]
    listed, counts = set[tuple[Any, ...]](), Counter[tuple[str, str]]()
    for run_id, kind, value in said:
        if kind == "note":
            continue
        run = runs[run_id]
        job = "" if kind == "training-set" else run["job"] or ""
        listed.add((kind, value, job, run["started_at"], run_id))
        counts["label", value] += kind == "label" and not job
    for run in failed:
        counts.update([("failed", ""), ("variant", run["variant"]), ("problem", run["problem_id"])])
        counts["benchmark", run["benchmark"] or ""] += 1
    for run in runs.values():
        counts["signature", run["error_sig"]] += run["error_sig"] is not None and run["job"] is None
    return listed, {key: number for key, number in counts.items() if number}


def test_what_triggers_keep_is_what_counting_afresh_gives(path: Path) -> None:
    def agrees() -> bool:
        return kept(path) == counted_afresh(path)

    assert agrees()
    with Reader(path) as reader:
        assert list(classify_runs(path, reader.annotations.unclassified())) != []
    assert agrees()
    unannotate(path, ["r02", "r04", "r10"], "label")
    unannotate(path, ["r06"], "training-set", "set")
    assert agrees()
    store(path, [finished("r23", status="infra", error="no sandbox")])
    assert agrees()
    with closing(open_writer(path)) as db:  # by hand, as a repair may do
        db.execute("UPDATE runs SET status = 'passed' WHERE id IN ('r01', 'r10')")
        db.execute("UPDATE runs SET variant = 'other', benchmark = NULL WHERE id IN ('r08', 'r13')")
        db.execute("UPDATE runs SET error_sig = NULL WHERE id = 'r19'")
    assert agrees()
    delete_run(path, "r20")
    delete_run(path, "r06")
    assert agrees()
    prune(path, keep=8)
    assert agrees()
    prune(path, keep=0)
    assert kept(path) == (set(), {})


def test_every_list_pages_through_just_the_runs_that_it_wants(path: Path) -> None:
    with Reader(path) as reader:
        rows = {row.id: row for row in _pages(reader)} | {row.id: row for row in _pages(reader, job="j")}
        said = reader.annotations.of(list(rows))
    with closing(sqlite3.connect(path)) as db:
        trials = dict(db.execute("SELECT run_id, experiment FROM origins"))
        jobs = dict(db.execute("SELECT id, job FROM runs"))
    values: dict[str, Any] = {"variant": "v0", "status": "failed", "benchmark": "b1", "experiment": "e1"}
    values |= {"label": "even", "training_set": "set", "bookmark": True, "job": "j", "failed": True}

    def meets(run_id: str, name: str) -> bool:
        value, has = values[name], {(a.kind, a.value) for a in said.get(run_id, [])}
        match name:
            case "variant" | "status" | "benchmark":
                return getattr(rows[run_id], name) == value
            case "experiment":
                return trials.get(run_id) == value
            case "failed":
                return rows[run_id].status in FAILED
            case "job":
                return jobs[run_id] == value
        return {"bookmark": ("bookmark", ""), "label": ("label", value)}.get(
            name, ("training-set", value)
        ) in has

    checked = 0
    with Reader(path) as reader:
        for names in itertools.chain.from_iterable(itertools.combinations(values, n) for n in range(4)):
            hidden = set() if {"job", "training_set"} & set(names) else {r for r in jobs if jobs[r]}
            wanted = [r for r in rows if r not in hidden and all(meets(r, name) for name in names)]
            found = [row.id for row in _pages(reader, **{name: values[name] for name in names})]
            assert found == sorted(wanted, key=lambda r: (rows[r].started_at, r), reverse=True), names
            checked += len(found) > 2
    assert checked > 15


def _pages(reader: Reader, **wanted: Any) -> Iterator[Any]:
    before = None
    while True:
        page = reader.runs(limit=2, before=before, **wanted)
        yield from page.rows
        if (before := page.next_cursor) is None:
            return


def test_clusters_and_their_lists_agree_with_counting(path: Path) -> None:
    with Reader(path) as reader:
        for by in GROUPINGS:
            found = reader.failures.clusters(by)
            # The same by a query over runs: what a time before all of them asks for.
            afresh = reader.failures.clusters(by, since=0.0)
            assert found.total == afresh.total
            assert sorted(c._replace(example="") for c in found.clusters) == sorted(
                c._replace(example="") for c in afresh.clusters
            ), by
            for cluster in found.clusters:
                rows = reader.runs(cluster=(by, cluster.key)).rows
                assert len(rows) == cluster.runs, (by, cluster)
                assert (rows[0].started_at, rows[-1].started_at) == (cluster.last_seen, cluster.first_seen)
                assert rows[0].id == cluster.example


def test_no_list_looks_at_all_runs_or_sorts_them(path: Path) -> None:
    filters: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({}, {}),
        ({}, {"failed": True}),
        *(({name: "x"}, {}) for name in ("variant", "status", "benchmark", "label", "experiment")),
        *(({name: "x"}, {"failed": True}) for name in ("variant", "benchmark", "label", "experiment")),
        ({"training_set": "x"}, {}),
        ({"bookmark": True}, {}),
        ({"job": "x", "label": "x"}, {}),
        ({"benchmark": "x", "variant": "x", "label": "x"}, {}),
        *(({}, {"cluster": (by, "x")}) for by in GROUPINGS if by != "operator"),
        ({}, {"cluster": ("label", "")}),
        ({}, {"cluster": ("benchmark", "")}),
    ]
    db = open_reader(path)
    assert db is not None
    with closing(db):
        for wanted, more in filters:
            source = source_of(db, RunFilter(**wanted), **more)
            plan = db.execute(f"EXPLAIN QUERY PLAN {source.sql('runs.prompt')}", (*source.values, 10))
            steps = [step[3] for step in plan]
            bad = [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step]
            assert not bad, (wanted, more, steps)


def test_an_older_store_is_migrated_with_its_lists(path: Path, tmp_path: Path) -> None:
    older = tmp_path / "older.db"
    with closing(sqlite3.connect(older)) as db:
        db.executescript((_SCHEMAS / "0005.sql").read_text(encoding="utf-8"))
        db.executescript("DELETE FROM runs; DELETE FROM variants;")
        db.execute("ATTACH ? AS newer", (str(path),))
        for table in ("variants", "runs", "annotations", "origins"):
            columns = ", ".join(row[1] for row in db.execute(f"PRAGMA main.table_info({table})"))
            db.execute(f"INSERT OR REPLACE INTO main.{table}({columns}) SELECT {columns} FROM newer.{table}")
        db.commit()
    open_writer(older).close()
    assert kept(older) == counted_afresh(older) == kept(path)


def test_a_migration_that_is_cut_off_is_undone_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as db:
        db.executescript((_SCHEMAS / "0004.sql").read_text(encoding="utf-8"))
    monkeypatch.setattr(store_db, "_MANY_RUNS", 1)
    steps, last = migrations._MIGRATIONS, migrations.NAMES[-1]

    def cut_off(db: sqlite3.Connection) -> None:
        steps[last](db)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_MIGRATIONS", steps | {last: cut_off})
        with pytest.raises(KeyboardInterrupt), pytest.warns(StoreWarning, match="Nothing is lost"):
            open_writer(path)
    with closing(sqlite3.connect(path)) as db:
        assert migrations.check(db, path) == [last]  # what was done before it stays done
        assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    with pytest.warns(StoreWarning, match="is being brought up to date, once: about 1 s for 1 runs"):
        open_writer(path).close()
    assert kept(path) == counted_afresh(path)


def test_every_run_comes_a_page_at_a_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_PAGE_RUNS", 4)
    with Reader(path) as reader:
        rows = reader.runs(limit=100).rows
        assert tuple(reader.every_run()) == rows
        assert [row.id for row in reader.every_run(7)] == [row.id for row in rows[:7]]
        assert list(reader.every_run(benchmark="b1")) == list(reader.runs(benchmark="b1").rows)
        started_reading = reader.every_run()
        first = next(started_reading)
        store(path, [started("r99", at=1e6)])
        assert [first, *started_reading] == list(rows)  # what starts meanwhile is not in it


def test_of_a_frequent_word_the_newest_texts_are_ranked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "MAX_HITS", 5)
    for n, text in enumerate(["word", *["word of many others"] * 5, "others"]):
        store(path, [started(f"s{n}", at=1e6 + n, problem={"id": "p", "prompt": text, "metadata": {}})])
    with Reader(path) as reader:
        found = reader.search("word")
        assert {hit.run_id for hit in found} == {"s1", "s2", "s3", "s4", "s5"}
        assert reader.search("word", limit=2) == found[:2]
        assert reader.search("nowhere") == []
