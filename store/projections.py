"""What the tables say, derived from events.

Every function here runs in the transaction that stores its event, so that a table never disagrees
with the events; replaying the events into an empty store gives the same tables.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from engine.events import (
    CodeExecuted,
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    ModelRetry,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowProposed,
)
from store import blobs, bundles, payloads, searched
from store.inserts import execute, insert, short
from store.run_projection import run_finished, run_started
from store.texts import plain


def add(db: sqlite3.Connection, events: Iterable[Event]) -> None:
    """Add events, each run's in order, and bring the tables up to date, inside the caller's transaction. The
    events of a run that ended are bundled.

    Raises what `payloads.append` does.
    """
    ended: list[str] = []
    payloads.append(db, _projected(db, events, ended))
    for run_id in ended:
        bundles.bundle(db, run_id)


def _projected(db: sqlite3.Connection, events: Iterable[Event], ended: list[str]) -> Iterator[Event]:
    for event in events:
        if function := _PROJECTIONS.get(type(event)):
            function(db, event)
        if isinstance(event, RunFinished):
            ended.append(event.run_id)
        yield event


def _round_started(db: sqlite3.Connection, event: RoundStarted) -> None:
    insert(db, "rounds", ignore=True, run_id=event.run_id, round=event.round, started_at=event.at)


def _round_finished(db: sqlite3.Connection, event: RoundFinished) -> None:
    execute(
        db,
        """
        INSERT INTO rounds(run_id, round, ended_at, workflow_id, score, finished_seq)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT(run_id, round) DO UPDATE SET ended_at = excluded.ended_at,
          workflow_id = excluded.workflow_id, score = excluded.score, finished_seq = excluded.finished_seq
        """,
        (event.run_id, event.round, event.at, event.workflow_id, event.score, event.seq),
    )
    execute(
        db,
        "UPDATE runs SET val_score = (SELECT max(score) FROM rounds WHERE run_id = runs.id) WHERE id = ?",
        (event.run_id,),
    )


def _workflow_proposed(db: sqlite3.Connection, event: WorkflowProposed) -> None:
    insert(
        db,
        "proposals",
        run_id=event.run_id,
        seq=event.seq,
        round=event.round,
        workflow_id=event.workflow_id,
        strict_ok=event.strict_ok,
    )
    if event.workflow_id is None:
        return
    insert(
        db,
        "workflows",
        ignore=True,
        id=event.workflow_id,
        code_hash=blobs.put(db, event.run_id, event.code),
        prompts_hash=blobs.put(db, event.run_id, event.prompts),
        graph=json.dumps(event.graph),
        complexity=event.complexity,
        first_seen=event.at,
    )


def _model_call_started(db: sqlite3.Connection, event: ModelCallStarted) -> None:
    insert(
        db,
        "model_calls",
        run_id=event.run_id,
        id=event.call_id,
        step_id=event.step_id,
        role=event.role,
        model=plain(event.model),
        retries=0,
        started_at=event.at,
        started_seq=event.seq,
    )
    searched.index(db, event)


def _model_retry(db: sqlite3.Connection, event: ModelRetry) -> None:
    query = "UPDATE model_calls SET retries = retries + 1 WHERE run_id = ? AND id = ?"
    execute(db, query, (event.run_id, event.call_id))


def _model_call_finished(db: sqlite3.Connection, event: ModelCallFinished) -> None:
    execute(
        db,
        """
        UPDATE model_calls SET finish = ?, error = ?, tokens_in = ?, tokens_out = ?, cost_usd = ?,
          ttft_ms = ?, wall_ms = ?, finished_seq = ? WHERE run_id = ? AND id = ?
        """,
        (
            *(plain(event.finish), short(event.error), event.tokens_in, event.tokens_out, event.cost_usd),
            *(event.ttft_ms, event.wall_ms, event.seq, event.run_id, event.call_id),
        ),
    )
    # One unknown cost makes the sum unknown: NULL plus anything is NULL.
    execute(
        db,
        """
        UPDATE runs SET tokens_in = tokens_in + ?, tokens_out = tokens_out + ?, cost_usd = cost_usd + ?,
          model_calls = model_calls + 1 WHERE id = ?
        """,
        (event.tokens_in, event.tokens_out, event.charge_usd, event.run_id),
    )
    searched.index(db, event)


def _step_started(db: sqlite3.Connection, event: StepStarted) -> None:
    insert(
        db,
        "steps",
        run_id=event.run_id,
        id=event.step_id,
        execution_id=event.execution_id,
        idx=event.index,
        operator=plain(event.operator),
        line=event.line,
        key=event.key,
        status="running",
        started_at=event.at,
        started_seq=event.seq,
    )
    execute(db, "UPDATE runs SET steps = steps + 1 WHERE id = ?", (event.run_id,))


def _step_finished(db: sqlite3.Connection, event: StepFinished) -> None:
    execute(
        db,
        """
        UPDATE steps SET status = ?, error = ?, reused = ?, wall_ms = ?, cpu_ms = ?, tokens_in = ?,
          tokens_out = ?, cost_usd = ?, finished_seq = ? WHERE run_id = ? AND id = ?
        """,
        (
            *(event.status, short(event.error), event.reused, event.wall_ms, event.cpu_ms, event.tokens_in),
            *(event.tokens_out, event.cost_usd, event.seq, event.run_id, event.step_id),
        ),
    )


def _code_executed(db: sqlite3.Connection, event: CodeExecuted) -> None:
    insert(
        db,
        "executions",
        run_id=event.run_id,
        seq=event.seq,
        step_id=event.step_id,
        purpose=event.purpose,
        status=_verdict_status(event.verdict),
        at=event.at,
    )


def _evaluation_finished(db: sqlite3.Connection, event: EvaluationFinished) -> None:
    insert(
        db,
        "evaluations",
        run_id=event.run_id,
        seq=event.seq,
        execution_id=event.execution_id,
        workflow_id=event.workflow_id,
        split=event.split,
        repeat=event.repeat,
        score=event.score,
        passed=event.passed,
        total=event.total,
        strict=event.strict,
        tests_written_by=event.tests_written_by,
        status=_verdict_status(event.verdict),
    )
    query = "UPDATE runs SET tests_written_by = ? WHERE id = ?"
    execute(db, query, (event.tests_written_by, event.run_id))


def _verdict_status(verdict: dict[str, Any]) -> str | None:
    status = verdict.get("status")
    return plain(status) if isinstance(status, str) else None


_PROJECTIONS: dict[type[Event], Callable[[sqlite3.Connection, Any], None]] = {
    RunStarted: run_started,
    RunFinished: run_finished,
    RoundStarted: _round_started,
    RoundFinished: _round_finished,
    WorkflowProposed: _workflow_proposed,
    ModelCallStarted: _model_call_started,
    ModelRetry: _model_retry,
    ModelCallFinished: _model_call_finished,
    StepStarted: _step_started,
    StepFinished: _step_finished,
    CodeExecuted: _code_executed,
    EvaluationFinished: _evaluation_finished,
}
