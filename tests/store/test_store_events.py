"""An event read from the store equals the one recorded, whatever it holds."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.events import EVENTS, Event, ModelCallFinished, Notice, RunStarted, StepFinished
from store import bundles
from store.db import open_writer, write
from tests.store.samples import add, any_event, started, whole_run

_RUN_IDS = itertools.count()


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    connection = open_writer(tmp_path_factory.mktemp("events") / "store.db")
    yield connection
    connection.close()


def stored(db: sqlite3.Connection, event: Event) -> Event:
    with write(db):
        if not isinstance(event, RunStarted):
            add(db, [started(event.run_id)])
        add(db, [event])
    found = bundles.event_at(db, event.run_id, event.seq)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", EVENTS)
@settings(max_examples=40)
@given(data=st.data())
def test_any_event_comes_back_equal(db: sqlite3.Connection, kind: str, data: st.DataObject) -> None:
    event = data.draw(any_event(EVENTS[kind], f"run-{next(_RUN_IDS)}", 1))

    assert stored(db, event) == event


@pytest.mark.parametrize(
    "text",
    [
        "\0",
        "a\0b" * 1000,
        "\ud83d",
        "\ud83d\ude00",
        "\ud83d\ude00" * 1000,
        "😀" * 1000,
        "x" * 1_000_000,
        "line\r\n\u2028" * 100_000,
        '{"$blob": "x"}',
    ],
    ids=["nul", "nuls", "lone", "pair", "pairs", "emoji", "megabyte", "lines", "mark"],
)
def test_difficult_text_comes_back_equal(db: sqlite3.Connection, text: str) -> None:
    event = Notice(run_id=f"run-{next(_RUN_IDS)}", seq=1, level="info", text=text)

    assert stored(db, event) == event


@pytest.mark.parametrize(
    "output",
    [
        {"$blob": "0" * 40},
        {"$map": {"$blob": "x"}},
        {"$map": {"$map": 1}, "other": None},
        {"$blob": "x" * 5000},
        [{"$map": ["x" * 5000]}],
    ],
)
def test_data_that_looks_like_a_reference_comes_back_equal(db: sqlite3.Connection, output: object) -> None:
    event = StepFinished(
        run_id=f"run-{next(_RUN_IDS)}",
        seq=1,
        step_id="s",
        status="ok",
        output=output,
        error=None,
        reused=False,
        wall_ms=0.0,
        cpu_ms=0.0,
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
    )

    assert stored(db, event) == event


def test_a_long_text_is_held_once_and_compressed(db: sqlite3.Connection) -> None:
    text = "the same long text, again and again " * 1000
    for number in range(3):
        stored(db, Notice(run_id=f"once-{number}", seq=1, level="info", text=text))

    rows = db.execute("SELECT codec, length(data) FROM blobs WHERE size = ?", (len(text),)).fetchall()
    assert len(rows) == 1
    assert rows[0][0] == "zstd"
    assert rows[0][1] < len(text) / 20


def test_sql_can_look_into_a_payload(db: sqlite3.Connection) -> None:
    with write(db):
        add(db, whole_run("sql", end=False))
        add(db, whole_run("bundled"))

    of_row = (
        "SELECT json_extract(payload_json(payload), '$.params.temperature')"
        " FROM events WHERE run_id = 'sql' AND seq = 2"
    )
    of_bundle = (
        "SELECT json_extract(e.value, '$[3].params.temperature')"
        " FROM events, json_each(payload_json(payload)) e WHERE run_id = 'bundled'"
        " AND events.kind = 'bundle' AND json_extract(e.value, '$[2]') = 'model_call_started'"
    )
    assert db.execute(of_row).fetchall() == db.execute(of_bundle).fetchall() == [(0.5,)]


def test_an_id_that_is_no_text_comes_back_equal(db: sqlite3.Connection) -> None:
    event = ModelCallFinished(
        run_id=f"run-{next(_RUN_IDS)}",
        seq=1,
        call_id="\ud800",
        text="",
        reasoning="",
        finish="stop",
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
        ttft_ms=None,
        wall_ms=0.0,
    )

    assert stored(db, event) == event
