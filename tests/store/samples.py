"""Runs to store: hand-made ones, and Hypothesis strategies for any event at all."""

from __future__ import annotations

import dataclasses
import sqlite3
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from hypothesis import strategies as st

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelDelta,
    ModelRetry,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowFinished,
    WorkflowProposed,
    WorkflowStarted,
)
from store import bundles, payloads
from store.db import open_writer, write
from store.payloads import COLUMNS
from store.projections import add as add

LONG_PROMPT = "Write a function that sieves primes.\n" * 100


def started(run_id: str = "r1", **changes: Any) -> RunStarted:
    values: dict[str, Any] = {
        "run_id": run_id,
        "seq": 0,
        "at": 1000.0,
        "problem": {
            "id": "HumanEval/0",
            "prompt": LONG_PROMPT,
            "tests": {"visible": ["assert True"]},
            "metadata": {"benchmark": "humaneval"},
        },
        "variant": "flowreasoner",
        "meta_agent": "m",
        "worker": "w",
        "seed": 1,
        "sandbox": "docker",
        "config": {"rounds": 2},
    }
    return RunStarted(**(values | changes))


def as_rows(db: sqlite3.Connection) -> None:
    """Make each event of the store a row of its own, as it is while its run goes on."""
    query = f"SELECT {COLUMNS} FROM events WHERE kind = ?"
    for run_id, seq, *row in db.execute(query, (bundles.KIND,)).fetchall():
        db.execute("DELETE FROM events WHERE run_id = ? AND seq = ?", (run_id, seq))
        rows = ((*row, payloads.packed(str(body))) for *row, body in bundles.unbundled((run_id, seq, *row)))
        db.executemany(f"INSERT INTO events({COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows)


def finished(run_id: str = "r1", **changes: Any) -> RunFinished:
    values: dict[str, Any] = {
        "run_id": run_id,
        "seq": 99,
        "at": 1010.0,
        "mono": 10.0,
        "status": "passed",
        "score": 1.0,
        "val_score": 0.5,
        "answer": "42",
        "workflow_id": "wf1",
        "error": None,
        "tokens_in": 10,
        "tokens_out": 20,
        "cost_usd": 0.1,
        "model_calls": 1,
        "steps": 1,
        "wall_ms": 10_000.0,
    }
    return RunFinished(**(values | changes))


def whole_run(run_id: str = "r1", *, at: float = 1000.0, end: bool = True, **ending: Any) -> list[Event]:
    """Every kind of projected event once; texts name the run, so that search can tell runs apart."""
    verdict = {"status": "passed", "tests": []}
    body: list[Event] = [
        started(run_id),
        RoundStarted(round=1),
        ModelCallStarted(
            call_id="c1",
            role="meta",
            model="m",
            step_id=None,
            messages=(
                {"role": "user", "content": LONG_PROMPT},
                {"role": "user", "content": f"hint {run_id}"},
            ),
            params={"temperature": 0.5},
        ),
        ModelDelta(call_id="c1", channel="text", text="<graph>"),
        ModelRetry(call_id="c1", attempt=2, reason="429", wait_s=1.0),
        ModelCallFinished(
            call_id="c1",
            text=f"answer of {run_id}",
            reasoning="eratosthenes " * 200,
            finish="stop",
            tokens_in=7,
            tokens_out=3,
            cost_usd=0.25,
            ttft_ms=5.0,
            wall_ms=50.0,
            flags=("estimated-tokens",),
        ),
        WorkflowProposed(
            round=1,
            workflow_id="wf1",
            code=f"class Workflow: ...  # {'x' * 2000}",
            prompts="P = 'p'",
            modification="first",
            strict_ok=False,
            diagnostics=({"code": "W1"},),
            repairs=({"code": "R1"},),
            graph={"nodes": ["Custom"]},
            complexity=12,
        ),
        WorkflowStarted(
            execution_id="e1", workflow_id="wf1", round=1, repeat=0, purpose="val", container_id="box"
        ),
        StepStarted(
            step_id="s1",
            execution_id="e1",
            index=0,
            operator="Custom",
            line=3,
            key="k1",
            inputs={"q": "x" * 5000},
        ),
        CodeExecuted(step_id="s1", purpose="program", code="print(1)", verdict=verdict),
        StepFinished(
            step_id="s1",
            status="ok",
            output={"response": "y" * 5000, "$blob": 1},
            error=None,
            reused=False,
            wall_ms=1.0,
            cpu_ms=1.0,
            tokens_in=7,
            tokens_out=3,
            cost_usd=0.25,
        ),
        WorkflowFinished(
            execution_id="e1", status="ok", answer="42", error=None, stdout="", wall_ms=2.0, cpu_ms=1.0
        ),
        EvaluationFinished(
            execution_id="e1",
            workflow_id="wf1",
            split="test",
            repeat=0,
            score=1.0,
            passed=1,
            total=1,
            strict=False,
            tests_written_by="author",
            verdict=verdict,
        ),
        RoundFinished(round=1, workflow_id="wf1", score=0.5, feedback="good"),
    ]
    if end:
        body.append(finished(run_id, **ending))
    return [
        dataclasses.replace(event, run_id=run_id, seq=seq, at=at + seq, mono=float(seq))
        for seq, event in enumerate(body)
    ]


def store(path: Path, events: Iterable[Event]) -> None:
    """Put events into the store at `path` as the recorder does, without its thread."""
    db = open_writer(path)
    with write(db):
        add(db, events)
    db.close()


# Any character: NUL, line ends, lone surrogates. Some texts long enough to become blobs.
_TEXT = st.text(st.characters(categories=["L", "M", "N", "P", "S", "Z", "C"]), max_size=40)
TEXT = _TEXT | st.builds(lambda text, times: text * times, _TEXT, st.integers(50, 300))
_KEYS = TEXT | st.sampled_from(["$blob", "$map"])
_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_BY_HINT: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXT,
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    Any: JSON,
    dict[str, Any]: st.dictionaries(_KEYS, JSON, max_size=3),
    dict[str, str]: st.dictionaries(_KEYS, TEXT, max_size=3),
}


def any_event(cls: type[Event], run_id: str, seq: int) -> st.SearchStrategy[Event]:
    """Events of one class with any content."""
    hints = typing.get_type_hints(cls)
    values = {f.name: _of(hints[f.name]) for f in dataclasses.fields(cls) if f.name not in ("run_id", "seq")}
    return st.builds(cls, run_id=st.just(run_id), seq=st.just(seq), **values)


def _of(hint: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if get_origin(hint) is tuple:
        return st.lists(_of(get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) in (typing.Union, types.UnionType):
        return st.one_of([st.none() if arg is type(None) else _of(arg) for arg in get_args(hint)])
    return _BY_HINT[hint]
