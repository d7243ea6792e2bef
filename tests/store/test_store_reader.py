"""Reading: pages, ids, streams, search, and what replay needs."""

from __future__ import annotations

import dataclasses
import sqlite3
import time
from pathlib import Path

import pytest
from hypothesis import given, settings

from engine.events import ModelCallStarted, Notice, StepFinished
from store import search as fulltext
from store.db import open_writer, write
from store.errors import AmbiguousRunError, RunNotFoundError, StoreError
from store.reader import Reader
from store.rows import FAILED
from tests.store.samples import TEXT, add, finished, started, store, whole_run


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty runs, of which every third failed, two by two at the same moment."""
    path = tmp_path_factory.mktemp("reader") / "store.db"
    for number in range(30):
        status = "failed" if number % 3 == 0 else "passed"
        store(path, whole_run(f"run-{number:02}", at=1000.0 * (number // 2), status=status))
    return path


@pytest.fixture
def reader(path: Path) -> Reader:
    return Reader(path)


def test_pages_follow_each_other_without_gap_or_repeat(reader: Reader) -> None:
    ids: list[str] = []
    page = reader.runs(limit=7)
    while True:
        ids += [row.id for row in page.rows]
        if page.next_cursor is None:
            break
        page = reader.runs(limit=7, before=page.next_cursor)

    assert ids == [f"run-{number:02}" for number in reversed(range(30))]


def test_a_page_stays_in_place_while_runs_arrive(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store(path, (started(f"a-{n}", at=float(n)) for n in range(10)))
    reader = Reader(path)
    first = reader.runs(limit=4)
    store(path, (started(f"b-{n}", at=100.0 + n) for n in range(10)))
    second = reader.runs(limit=10, before=first.next_cursor)

    assert [row.id for row in (*first.rows, *second.rows)] == [f"a-{n}" for n in reversed(range(10))]
    assert second.next_cursor is None


def test_filters_combine(reader: Reader) -> None:
    failed = reader.runs(failed=True, limit=100).rows
    assert len(failed) == 10
    assert {row.status for row in failed} <= set(FAILED)
    assert [row.id for row in reader.runs(failed=True, search="hint run-06").rows] == ["run-06"]
    assert reader.runs(failed=True, search="hint run-07").rows == ()
    assert len(reader.runs(variant="flowreasoner", benchmark="humaneval", status="passed").rows) == 20
    assert reader.runs(variant="vanilla").rows == ()


@pytest.mark.parametrize(
    "condition", [{}, {"failed": True}, {"status": "passed"}, {"variant": "flowreasoner"}], ids=str
)
def test_a_page_is_read_from_an_index_without_sorting(path: Path, condition: dict[str, str]) -> None:
    plans: list[str] = []
    reader = Reader(path)
    reader.runs(limit=1)
    with reader._connection.taken() as db:
        db.set_trace_callback(plans.append)
    reader.runs(**condition)  # pyright: ignore[reportArgumentType]
    (query,) = [text for text in plans if "FROM runs" in text]
    db = sqlite3.connect(path)
    plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
    db.close()

    assert any("USING INDEX runs_" in line for line in plan), plan
    assert not any("TEMP B-TREE" in line for line in plan), plan


def test_a_search_that_stops_early_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Reader(path).runs(search="primes").is_partial
    monkeypatch.setattr(fulltext, "MAX_HITS", 5)
    page = Reader(path).runs(search="primes")

    assert page.is_partial
    assert [row.id for row in page.rows] == [f"run-{n:02}" for n in (29, 28, 27)]


def test_a_run_is_found_by_id_prefix_or_last(tmp_path: Path) -> None:
    store(tmp_path / "store.db", (started(name, at=float(n)) for n, name in enumerate(["ab", "abc", "b%_"])))
    reader = Reader(tmp_path / "store.db")

    assert reader.run("ab").id == "ab"
    assert reader.run("abc").id == "abc"
    assert reader.run("b").id == "b%_"
    assert reader.run("last").id == "b%_"
    with pytest.raises(AmbiguousRunError, match=r"ab, abc, …\); give more"):
        reader.run("a")
    for wrong in ("%", "_", "", "x", "\ud800", "\0", "'"):
        with pytest.raises(RunNotFoundError, match="No run begins with"):
            reader.run(wrong)


def test_a_row_says_what_its_events_say(reader: Reader) -> None:
    row = reader.run("run-01")

    assert (row.problem_id, row.benchmark, row.tests_written_by) == ("HumanEval/0", "humaneval", "author")
    assert row.prompt.startswith("Write a function that sieves primes. Write")
    assert len(row.prompt) == 200
    assert row.config == {"rounds": 2}
    assert (row.score, row.val_score, row.strict, row.workflow_id) == (1.0, 0.5, False, "wf1")
    assert (row.tokens_in, row.tokens_out, row.cost_usd) == (10, 20, 0.1)


def test_totals_grow_while_a_run_runs(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    events = whole_run(end=False)
    unknown = dataclasses.replace(events[5], seq=50, cost_usd=None)
    store(path, events)
    row = Reader(path).run("r1")
    assert (row.status, row.tokens_in, row.cost_usd, row.model_calls, row.steps) == ("running", 7, 0.25, 1, 1)

    db = open_writer(path)
    with write(db):
        add(db, [unknown])
    db.close()
    row = Reader(path).run("r1")
    assert (row.tokens_in, row.cost_usd, row.model_calls) == (14, None, 2)


def test_events_come_in_order_from_any_point(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    notes = [Notice(run_id="r1", seq=n, at=1.0, level="info", text="t") for n in range(1, 1501)]
    store(path, [started(), *reversed(notes)])
    reader = Reader(path)

    assert list(reader.events("r1")) == [started(), *notes]
    assert list(reader.events("r1", after_seq=1000)) == notes[1000:]
    assert list(reader.events("no such run")) == []


def test_steps_come_without_their_texts(reader: Reader) -> None:
    (step,) = reader.steps("run-00")

    assert (step.id, step.operator, step.status, step.reused, step.key) == ("s1", "Custom", "ok", False, "k1")
    assert step.finished_seq is not None
    output = reader.event("run-00", step.finished_seq)
    assert isinstance(output, StepFinished)
    assert output.output == {"response": "y" * 5000, "$blob": 1}


def test_model_calls_come_with_their_texts(reader: Reader) -> None:
    (call,) = reader.model_calls("run-05")

    started_event = whole_run("run-05")[2]
    assert isinstance(started_event, ModelCallStarted)
    assert call.messages == started_event.messages
    assert (call.text, call.finish, call.flags, call.retries) == (
        "answer of run-05",
        "stop",
        ("estimated-tokens",),
        1,
    )
    assert call.reasoning == "eratosthenes " * 200
    assert (call.tokens_in, call.tokens_out, call.cost_usd, call.ttft_ms) == (7, 3, 0.25, 5.0)


def test_a_workflow_is_read_by_its_id(reader: Reader) -> None:
    workflow = reader.workflow("wf1")

    assert workflow is not None
    assert workflow.code.startswith("class Workflow")
    assert (workflow.prompts, workflow.graph, workflow.complexity) == ("P = 'p'", {"nodes": ["Custom"]}, 12)
    assert reader.workflow("wf2") is None


def test_search_finds_words_beginnings_and_accents(tmp_path: Path) -> None:
    text = "The naïve sieve_of_eratosthenes crosses out multiples"
    store(tmp_path / "store.db", [started(problem={"id": "p/7", "prompt": text})])
    reader = Reader(tmp_path / "store.db")

    for found in ("naive", "MULTIPL", "sieve_of_era", "crosses the", "p/7", "sieve -- ("):
        assert [hit.run_id for hit in reader.search(found)] == ["r1"], found
    for missing in ("", "   ", "sieve absent", "ultiples", "()"):
        assert reader.search(missing) == [], missing
    assert "multiples" in reader.search("multiples")[0].snippet


def test_search_says_which_step_and_kind(reader: Reader) -> None:
    (hit,) = reader.search("answer of run-03", limit=5)

    assert (hit.run_id, hit.call_id, hit.step_id, hit.kind) == ("run-03", "c1", None, "response")
    assert {hit.kind for hit in reader.search("primes", limit=100)} == {"query", "prompt"}


_HOSTILE = [
    '"',
    "*",
    "a*",
    "NEAR(a b)",
    "a AND",
    "NOT",
    "text:a",
    "^a",
    "a\0b",
    "'; DROP TABLE runs",
    "-a",
    "{a b}:c",
]


@pytest.mark.parametrize("text", _HOSTILE)
def test_a_hostile_search_is_just_words(reader: Reader, text: str) -> None:
    assert isinstance(reader.search(text), list)
    assert reader.runs(search=text).rows is not None


@settings(max_examples=200)
@given(text=TEXT)
def test_any_search_is_answered(path: Path, text: str) -> None:
    with Reader(path) as reader:
        assert isinstance(reader.search(text), list)
        reader.runs(search=text)


@pytest.mark.parametrize("text", ["a " * 1000, "primes " * 1000, "a b c d e f g h " * 500, "a," * 1000])
def test_a_pasted_page_is_searched_without_delay(tmp_path: Path, text: str) -> None:
    store(tmp_path / "store.db", [started(problem={"id": "p", "prompt": "a b c d e f g h " * 2000})])
    store(tmp_path / "store.db", (started(f"r-{n}") for n in range(30)))

    begun = time.process_time()
    assert isinstance(Reader(tmp_path / "store.db").search(text), list)
    assert time.process_time() - begun < 20


def test_a_snippet_shows_the_first_word_found(tmp_path: Path) -> None:
    text = "nothing here " * 50 + "then the NEEDLE\nand more"
    store(tmp_path / "store.db", [started(problem={"id": "p", "prompt": text})])

    (hit,) = Reader(tmp_path / "store.db").search("needle")
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("then the NEEDLE and more")


def test_a_change_is_noticed_once(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    reader = Reader(path)
    assert not reader.changed()
    store(path, [started()])
    assert reader.changed()
    assert not reader.changed()
    store(path, [started("r2")])
    assert reader.changed()
    assert not reader.changed()


def test_a_missing_file_reads_as_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "absent" / "store.db"
    reader = Reader(path)

    assert reader.runs(search="x", failed=True).rows == ()
    assert list(reader.events("r1")) == []
    assert reader.steps("r1") == ()
    assert list(reader.model_calls("r1")) == []
    assert reader.workflow("w") is None
    assert reader.search("x") == []
    assert reader.stats().runs == reader.stats().file_bytes == 0
    with pytest.raises(RunNotFoundError, match="holds no run yet"):
        reader.run("last")
    with pytest.raises(RunNotFoundError):
        reader.run("r1")
    assert not path.parent.exists()

    store(path, [started()])
    assert reader.run("last").id == "r1"


def test_stats_count_what_is_stored(reader: Reader) -> None:
    stats = reader.stats()

    assert (stats.runs, stats.model_calls, stats.workflows) == (30, 30, 1)
    assert stats.file_bytes > 100_000


def test_a_damaged_text_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    store(path, whole_run())
    db = open_writer(path)
    db.execute("UPDATE blobs SET data = x'00' WHERE codec = 'zstd'")
    db.close()

    with pytest.raises(StoreError, match="is damaged"):
        list(Reader(path).events("r1"))


def test_a_reader_does_not_stop_a_writer(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    notes = [Notice(run_id="r1", seq=n, at=1.0, level="info", text="t") for n in range(1, 1501)]
    store(path, [started(), *notes])
    reading = Reader(path).events("r1")
    next(reading)
    store(path, [finished(seq=2000)])

    assert sum(1 for _ in reading) == 1501


def test_one_reader_serves_many_threads(path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    reader = Reader(path)
    with ThreadPoolExecutor(8) as pool:
        lists = pool.map(lambda n: list(reader.events(f"run-{n % 30:02}")), range(60))
        assert all(len(events) == len(whole_run()) for events in lists)
