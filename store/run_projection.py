"""The row of a run: made when it starts, completed when it ends."""

from __future__ import annotations

import json
import sqlite3
from typing import Any

from engine.events import RunFinished, RunStarted
from store import blobs, owners, searched, usage
from store.inserts import execute, insert, short
from store.rows import PROMPT_CHARS
from store.texts import error_signature, excerpt, plain

_OF_TRIAL = "SELECT 1 FROM origins WHERE run_id = ? AND experiment IS NOT NULL AND stage = 'final'"


def run_started(db: sqlite3.Connection, event: RunStarted) -> None:
    """Add the row of a run that starts, of its configuration, and of where it came from."""
    problem = event.problem
    variant, meta_agent, worker = plain(event.variant), plain(event.meta_agent), plain(event.worker)
    config = json.dumps(event.config, sort_keys=True)
    variant_id = blobs.address("\0".join((variant, meta_agent, worker, config)).encode())
    insert(
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
    job = _text(event.origin, "job")
    insert(
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
        job=job,
    )
    if event.origin:
        insert(
            db,
            "origins",
            run_id=event.run_id,
            experiment=_text(event.origin, "experiment"),
            trial=_text(event.origin, "trial"),
            stage=_text(event.origin, "stage"),
            parent=_text(event.origin, "parent"),
            forked_at=_text(event.origin, "forked_at"),
        )
    if job is not None:
        insert(
            db,
            "rollouts",
            run_id=event.run_id,
            job=job,
            step=_number(event.origin, "step"),
            group_id=_text(event.origin, "group"),
            candidate=_number(event.origin, "candidate"),
        )
    searched.index(db, event)


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(data: dict[str, Any], key: str) -> str | None:
    return data[key] if isinstance(data.get(key), str) else None


def _number(data: dict[str, Any], key: str) -> int | None:
    return data[key] if isinstance(data.get(key), int) else None


def _author(tests: dict[str, Any]) -> str | None:
    if not any(tests.get(split) for split in ("visible", "val", "test")):
        return None
    return str(tests.get("written_by", "author"))


def run_finished(db: sqlite3.Connection, event: RunFinished) -> None:
    """Complete the row of a run that ended; steps and calls without an end become interrupted."""
    for table, column in (("steps", "status"), ("model_calls", "finish")):
        unfinished = f"UPDATE {table} SET {column} = 'interrupted' WHERE run_id = ? AND finished_seq IS NULL"
        db.execute(unfinished, (event.run_id,))
    execute(
        db,
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
            *(short(event.error), _signature(db, event), event.workflow_id, event.workflow_id, event.run_id),
        ),
    )
    if db.execute(_OF_TRIAL, (event.run_id,)).fetchone():
        usage.keep(db, "?", event.run_id)


def _signature(db: sqlite3.Connection, event: RunFinished) -> str | None:
    """Where a failed run failed: its last failed step, or else what its worst evaluation said. The classifier
    puts it better (`store.annotations.keep`), once it has looked.

    Steps that were only cancelled along with one that failed come last.
    """
    if event.status in ("passed", "answered", "cancelled"):
        return None
    step = db.execute(
        "SELECT operator, error FROM steps WHERE run_id = ? AND "
        "status NOT IN ('ok', 'running', 'interrupted')"
        " ORDER BY status = 'cancelled', finished_seq DESC LIMIT 1",
        (event.run_id,),
    ).fetchone()
    if event.error:
        return error_signature(step[0] if step else "run", event.error)
    evaluation = db.execute(
        "SELECT split, status FROM evaluations WHERE run_id = ?"
        " ORDER BY split = 'test' DESC, score IS NOT NULL, score, seq DESC LIMIT 1",
        (event.run_id,),
    ).fetchone()
    if evaluation:
        return error_signature("evaluation", f"{evaluation[0]} tests {evaluation[1] or 'failed'}")
    return error_signature(step[0], step[1] or event.status) if step else error_signature("run", event.status)
