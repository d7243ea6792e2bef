"""What the tables say, derived from events.

Every function here runs in the transaction that stores its event, so that a table never disagrees
with the events; replaying the events into an empty store gives the same tables.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
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
from store import blobs, owners
from store.rows import PROMPT_CHARS
from store.texts import error_signature, excerpt, plain

_ERROR_CHARS = 500
# The index sees this much of a text: nobody searches for the end of a megabyte of output.
_SEARCHED_CHARS = 20_000


def project(db: sqlite3.Connection, event: Event) -> None:
    """Bring the tables up to date with `event`, which is about to be added."""
    if function := _PROJECTIONS.get(type(event)):
        function(db, event)


def _insert(db: sqlite3.Connection, table: str, *, ignore: bool = False, **values: object) -> None:
    verb = "INSERT OR IGNORE" if ignore else "INSERT"
    marks = ", ".join("?" * len(values))
    db.execute(f"{verb} INTO {table}({', '.join(values)}) VALUES ({marks})", tuple(values.values()))


def _short(error: str | None) -> str | None:
    return None if error is None else plain(error, _ERROR_CHARS)


def _run_started(db: sqlite3.Connection, event: RunStarted) -> None:
    problem = event.problem
    variant, meta_agent, worker = plain(event.variant), plain(event.meta_agent), plain(event.worker)
    config = json.dumps(event.config, sort_keys=True)
    variant_id = blobs.address("\0".join((variant, meta_agent, worker, config)).encode())
    _insert(
        db,
        "variants",
        ignore=True,
        id=variant_id,
        name=variant,
        meta_agent=meta_agent,
        worker=worker,
        config=config,
    )
    prompt = str(problem.get("prompt", ""))
    benchmark = _mapping(problem.get("metadata")).get("benchmark")
    owner = owners.current()
    _insert(
        db,
        "runs",
        id=event.run_id,
        problem_id=plain(str(problem.get("id", ""))),
        benchmark=None if benchmark is None else plain(str(benchmark)),
        prompt=excerpt(prompt, PROMPT_CHARS),
        variant=variant,
        variant_id=variant_id,
        meta_agent=meta_agent,
        worker=worker,
        seed=event.seed,
        sandbox=plain(event.sandbox),
        status="running",
        started_at=event.at,
        tokens_in=0,
        tokens_out=0,
        cost_usd=0.0,
        model_calls=0,
        steps=0,
        tests_written_by=_author(_mapping(problem.get("tests"))),
        owner_pid=owner.pid,
        owner_start=owner.start,
        owner_boot=owner.boot,
    )
    _searchable(db, event, "query", f"{problem.get('id', '')}\n{prompt}")


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _author(tests: dict[str, Any]) -> str | None:
    if not any(tests.get(split) for split in ("visible", "val", "test")):
        return None
    return str(tests.get("written_by", "author"))


def _run_finished(db: sqlite3.Connection, event: RunFinished) -> None:
    for table, column in (("steps", "status"), ("model_calls", "finish")):
        unfinished = f"UPDATE {table} SET {column} = 'interrupted' WHERE run_id = ? AND finished_seq IS NULL"
        db.execute(unfinished, (event.run_id,))
    db.execute(
        """
        UPDATE runs SET status = ?, score = ?, val_score = ?, ended_at = ?, tokens_in = ?, tokens_out = ?,
          cost_usd = ?, wall_ms = ?, model_calls = ?, steps = ?, workflow_id = ?, error = ?, error_sig = ?,
          strict = coalesce(
            (SELECT strict FROM evaluations WHERE run_id = runs.id AND workflow_id = ?
              ORDER BY split = 'test' DESC, seq DESC LIMIT 1),
            (SELECT strict_ok FROM proposals WHERE run_id = runs.id AND workflow_id = ?
              ORDER BY seq DESC LIMIT 1))
        WHERE id = ?
        """,
        (
            *(event.status, event.score, event.val_score, event.at, event.tokens_in, event.tokens_out),
            *(event.cost_usd, event.wall_ms, event.model_calls, event.steps, event.workflow_id),
            *(_short(event.error), _signature(db, event), event.workflow_id, event.workflow_id, event.run_id),
        ),
    )


def _signature(db: sqlite3.Connection, event: RunFinished) -> str | None:
    """Where a failed run failed: its last failed step, or else what its last evaluation said."""
    if event.status in ("passed", "answered", "cancelled"):
        return None
    step = db.execute(
        "SELECT operator, error FROM steps WHERE run_id = ? AND "
        "status NOT IN ('ok', 'running', 'interrupted') ORDER BY finished_seq DESC LIMIT 1",
        (event.run_id,),
    ).fetchone()
    if event.error:
        return error_signature(step[0] if step else "run", event.error)
    evaluation = db.execute(
        "SELECT split, status FROM evaluations WHERE run_id = ? ORDER BY seq DESC LIMIT 1", (event.run_id,)
    ).fetchone()
    if evaluation:
        return error_signature("evaluation", f"{evaluation[0]} tests {evaluation[1] or 'failed'}")
    return error_signature(step[0], step[1] or event.status) if step else error_signature("run", event.status)


def _round_started(db: sqlite3.Connection, event: RoundStarted) -> None:
    _insert(db, "rounds", ignore=True, run_id=event.run_id, round=event.round, started_at=event.at)


def _round_finished(db: sqlite3.Connection, event: RoundFinished) -> None:
    db.execute(
        """
        INSERT INTO rounds(run_id, round, ended_at, workflow_id, score, finished_seq)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT(run_id, round) DO UPDATE SET ended_at = excluded.ended_at,
          workflow_id = excluded.workflow_id, score = excluded.score, finished_seq = excluded.finished_seq
        """,
        (event.run_id, event.round, event.at, event.workflow_id, event.score, event.seq),
    )
    db.execute(
        "UPDATE runs SET val_score = (SELECT max(score) FROM rounds WHERE run_id = runs.id) WHERE id = ?",
        (event.run_id,),
    )


def _workflow_proposed(db: sqlite3.Connection, event: WorkflowProposed) -> None:
    _insert(
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
    _insert(
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
    _insert(
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
    for message in event.messages:
        _searchable(db, event, "prompt", message.get("content", ""), event.call_id)


def _model_retry(db: sqlite3.Connection, event: ModelRetry) -> None:
    query = "UPDATE model_calls SET retries = retries + 1 WHERE run_id = ? AND id = ?"
    db.execute(query, (event.run_id, event.call_id))


def _model_call_finished(db: sqlite3.Connection, event: ModelCallFinished) -> None:
    db.execute(
        """
        UPDATE model_calls SET finish = ?, error = ?, tokens_in = ?, tokens_out = ?, cost_usd = ?,
          ttft_ms = ?, wall_ms = ?, finished_seq = ? WHERE run_id = ? AND id = ?
        """,
        (
            *(plain(event.finish), _short(event.error), event.tokens_in, event.tokens_out, event.cost_usd),
            *(event.ttft_ms, event.wall_ms, event.seq, event.run_id, event.call_id),
        ),
    )
    # One unknown cost makes the sum unknown: NULL plus anything is NULL.
    db.execute(
        """
        UPDATE runs SET tokens_in = tokens_in + ?, tokens_out = tokens_out + ?, cost_usd = cost_usd + ?,
          model_calls = model_calls + 1 WHERE id = ?
        """,
        (event.tokens_in, event.tokens_out, event.cost_usd, event.run_id),
    )
    _searchable(db, event, "response", event.text, event.call_id)
    _searchable(db, event, "reasoning", event.reasoning, event.call_id)


def _step_started(db: sqlite3.Connection, event: StepStarted) -> None:
    _insert(
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
    db.execute("UPDATE runs SET steps = steps + 1 WHERE id = ?", (event.run_id,))


def _step_finished(db: sqlite3.Connection, event: StepFinished) -> None:
    db.execute(
        """
        UPDATE steps SET status = ?, error = ?, reused = ?, wall_ms = ?, cpu_ms = ?, tokens_in = ?,
          tokens_out = ?, cost_usd = ?, finished_seq = ? WHERE run_id = ? AND id = ?
        """,
        (
            *(event.status, _short(event.error), event.reused, event.wall_ms, event.cpu_ms, event.tokens_in),
            *(event.tokens_out, event.cost_usd, event.seq, event.run_id, event.step_id),
        ),
    )


def _code_executed(db: sqlite3.Connection, event: CodeExecuted) -> None:
    _insert(
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
    _insert(
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
    db.execute(query, (event.tests_written_by, event.run_id))


def _verdict_status(verdict: dict[str, Any]) -> str | None:
    status = verdict.get("status")
    return plain(status) if isinstance(status, str) else None


def _searchable(
    db: sqlite3.Connection, event: Event, kind: str, text: str, call_id: str | None = None
) -> None:
    if not text.strip():
        return
    text = plain(text[:_SEARCHED_CHARS])
    step = "(SELECT step_id FROM model_calls WHERE run_id = ? AND id = ?)"
    db.execute(
        "INSERT OR IGNORE INTO search_texts(run_id, hash, kind, call_id, step_id, text)"
        f" VALUES (?, ?, ?, ?, {step}, ?)",
        (event.run_id, blobs.address(text.encode()), kind, call_id, event.run_id, call_id, text),
    )


_PROJECTIONS: dict[type[Event], Callable[[sqlite3.Connection, Any], None]] = {
    RunStarted: _run_started,
    RunFinished: _run_finished,
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
