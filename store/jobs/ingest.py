"""Reading what a job reports into the store: progress.jsonl from where the last reading ended.

How far it was read is stored in the transaction that stores what was read, so that any number of readers,
one that is cut off, and one that reads the same again leave the same rows. A half-written line waits for
its end. Of a step that was taken twice, after a resume, the highest attempt's values stay.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from store.db import write
from store.errors import StoreError
from store.jobs.lines import DamagedLineError, Line, number, read_line, text
from store.jobs.reading import NAMES

PROGRESS = "progress.jsonl"
JOB = "job.json"
# What one transaction reads; a longer line is skipped as damaged.
_CHUNK_BYTES = 4 << 20
_JOB_BYTES = 1 << 20


class NoJobError(StoreError):
    """The folder is not one of a job."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What a reading found: `lines` that were new, `damaged` ones among them."""

    lines: int
    damaged: int


def ingest(db: sqlite3.Connection, run_dir: Path) -> Ingested:
    """Store what the job in `run_dir` has reported since it was last read. The folder's name is its id.

    Raises:
        NoJobError: its job.json is missing or not one.
        sqlite3.Error: the store cannot be written.
    """
    job = _read_job(run_dir)
    _know(db, run_dir.name, job)
    lines = damaged = 0
    while True:
        ingested = _ingest_chunk(db, run_dir)
        if ingested is None:
            return Ingested(lines, damaged)
        lines, damaged = lines + ingested.lines, damaged + ingested.damaged


def forget(db: sqlite3.Connection, job_id: str) -> None:
    """Remove a job and all that it reported; its runs stay."""
    with write(db):
        db.execute("DELETE FROM jobs WHERE id = ?", (job_id,))


def _read_job(run_dir: Path) -> dict[str, Any]:
    path = run_dir / JOB
    try:
        with path.open("rb") as file:
            raw = file.read(_JOB_BYTES + 1)
        job = json.loads(raw) if len(raw) <= _JOB_BYTES else None
    except OSError as error:
        raise NoJobError(f"The job in {run_dir} cannot be read: {error.strerror or error}.") from None
    except (ValueError, RecursionError):
        job = None
    if not isinstance(job, dict):
        raise NoJobError(
            f"A folder here is not a job's; it was made by something else, or is damaged: {path}"
        )
    return job


def _know(db: sqlite3.Connection, job_id: str, job: dict[str, Any]) -> None:
    """The row of the job, as its job.json has it now; written only where it says something new."""
    attempt = job.get("attempt")
    row = {
        "kind": text(job.get("kind"), 20) or "?",
        "name": text(job.get("name"), 200) or job_id,
        "host": text(job.get("host"), 200) or "local",
        "parent": text(job.get("parent"), 100) or None,
        "base": text(job.get("base"), 1000) or None,
        "dataset": text(job.get("dataset"), 4000) or None,
        "created_at": number(job.get("created")) or 0.0,
        "attempt": attempt if type(attempt) is int and 1 <= attempt < 1_000_000 else 1,
    }
    names = ", ".join(row)
    stored = db.execute(f"SELECT {names} FROM jobs WHERE id = ?", (job_id,)).fetchone()
    if stored is not None and stored[:-1] == tuple(row.values())[:-1] and stored[-1] >= row["attempt"]:
        return
    changes = ", ".join(f"{name} = excluded.{name}" for name in row if name != "attempt")
    # A new attempt has not ended, whatever the one before did.
    newer = "excluded.attempt > attempt"
    with write(db):
        db.execute(
            f"INSERT INTO jobs(id, {names}, read_bytes, damaged) VALUES (?{', ?' * len(row)}, 0, 0)"
            f" ON CONFLICT(id) DO UPDATE SET {changes}, attempt = max(attempt, excluded.attempt),"
            f" ended = CASE WHEN {newer} THEN NULL ELSE ended END,"
            f" error = CASE WHEN {newer} THEN NULL ELSE error END",
            (job_id, *row.values()),
        )


def _ingest_chunk(db: sqlite3.Connection, run_dir: Path) -> Ingested | None:
    """Store the next lines of the file; None where there are none."""
    path, job_id = run_dir / PROGRESS, run_dir.name
    try:
        size = path.stat().st_size
        read_bytes = _read_bytes(db, job_id)
        if size == read_bytes:
            return None
        with path.open("rb") as file, write(db):
            read_bytes = _read_bytes(db, job_id)  # another reader may have been faster
            if size < read_bytes:
                read_bytes = 0
                _start_over(db, job_id)
            file.seek(read_bytes)
            ingested, end = _store_lines(db, job_id, file.read(_CHUNK_BYTES), read_bytes)
            db.execute(
                "UPDATE jobs SET read_bytes = ?, damaged = damaged + ? WHERE id = ?",
                (end, ingested.damaged, job_id),
            )
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NoJobError(f"{path} cannot be read: {error.strerror or error}.") from None
    return ingested if end > read_bytes else None


def _read_bytes(db: sqlite3.Connection, job_id: str) -> int:
    row = db.execute("SELECT read_bytes FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return row[0] if row else 0


def _start_over(db: sqlite3.Connection, job_id: str) -> None:
    """The file is shorter than what was read of it: it is another one, fetched or begun anew."""
    for table in ("job_metrics", "job_events", "job_candidates"):
        db.execute(f"DELETE FROM {table} WHERE job_id = ?", (job_id,))
    db.execute(
        "UPDATE jobs SET total_steps = NULL, rows = NULL, tokens = NULL, step = NULL, begun_at = NULL,"
        " begun_step = NULL, heard_at = NULL, ended = NULL, error = NULL, read_bytes = 0, damaged = 0"
        " WHERE id = ?",
        (job_id,),
    )


def _store_lines(db: sqlite3.Connection, job_id: str, chunk: bytes, offset: int) -> tuple[Ingested, int]:
    """Store the whole lines of `chunk`, which begins at `offset`; and where reading goes on."""
    lines = damaged = 0
    *raw_lines, unfinished = chunk.split(b"\n")
    if not raw_lines and len(unfinished) == _CHUNK_BYTES:
        return Ingested(1, 1), offset + len(unfinished)
    for raw in raw_lines:
        if raw.strip():
            lines += 1
            try:
                _store_line(db, job_id, read_line(raw), offset)
            except DamagedLineError:
                damaged += 1
        offset += len(raw) + 1
    return Ingested(lines, damaged), offset


def _store_line(db: sqlite3.Connection, job_id: str, line: Line, offset: int) -> None:
    db.execute(
        "UPDATE jobs SET heard_at = max(coalesce(heard_at, 0), ?), attempt = max(attempt, ?) WHERE id = ?",
        (line.at, line.attempt, job_id),
    )
    if line.kind == "step":
        _store_step(db, job_id, line)
    elif line.kind == "rollouts":
        _store_candidates(db, job_id, line)
    else:
        _store_event(db, job_id, line, offset)


def _store_step(db: sqlite3.Connection, job_id: str, line: Line) -> None:
    if line.attempt > 1:
        # Metrics that the step had before and has no more.
        names = [(job_id, name, line.step, line.attempt) for (name,) in db.execute(NAMES, {"job": job_id})]
        query = "DELETE FROM job_metrics WHERE job_id = ? AND name = ? AND step = ? AND attempt < ?"
        db.executemany(query, names)
    db.executemany(
        "INSERT INTO job_metrics(job_id, name, step, attempt, at, value) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT(job_id, name, step) DO UPDATE SET attempt = excluded.attempt, at = excluded.at,"
        " value = excluded.value WHERE excluded.attempt >= attempt",
        [(job_id, name, line.step, line.attempt, line.at, value) for name, value in line.values.items()],
    )
    db.execute(
        "UPDATE jobs SET step = ?, begun_step = coalesce(begun_step, ?),"
        " begun_at = coalesce(begun_at, ?) WHERE id = ? AND attempt = ?",
        (line.step, line.step, line.at, job_id, line.attempt),
    )


def _store_candidates(db: sqlite3.Connection, job_id: str, line: Line) -> None:
    where = "job_id = ? AND step = ?"
    (newest,) = db.execute(
        f"SELECT max(attempt) FROM job_candidates WHERE {where}", (job_id, line.step)
    ).fetchone()
    if newest is not None and newest > line.attempt:
        return
    db.execute(f"DELETE FROM job_candidates WHERE {where} AND attempt < ?", (job_id, line.step, line.attempt))
    row = (
        "INSERT OR REPLACE INTO job_candidates(job_id, step, attempt, group_id, candidate, problem, run_id,"
        " score, reward, rounds, advantages, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    )
    for c in line.candidates:
        place = (job_id, line.step, line.attempt, c.group, c.number, c.problem, c.run_id)
        numbers = (c.score, c.reward, json.dumps(c.rounds), json.dumps(c.advantages))
        db.execute(row, (*place, *numbers, c.words))


def _store_event(db: sqlite3.Connection, job_id: str, line: Line, offset: int) -> None:
    db.execute(
        "INSERT OR REPLACE INTO job_events(job_id, offset, kind, attempt, at, step, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (job_id, offset, line.kind, line.attempt, line.at, line.step, json.dumps(line.data)),
    )
    if line.kind == "start":
        totals = [_count(line.data.get(name)) for name in ("total_steps", "rows", "tokens")]
        base, dataset = text(line.data.get("base"), 1000), text(line.data.get("dataset"), 4000)
        db.execute(
            "UPDATE jobs SET total_steps = ?, rows = ?, tokens = ?, begun_at = ?, begun_step = NULL,"
            " ended = NULL, error = NULL, base = coalesce(base, ?), dataset = coalesce(dataset, ?)"
            " WHERE id = ? AND attempt = ?",
            (*totals, line.at, base or None, dataset or None, job_id, line.attempt),
        )
    elif line.kind == "end":
        db.execute(
            "UPDATE jobs SET ended = ?, error = ? WHERE id = ? AND attempt = ?",
            (
                text(line.data.get("status"), 20) or "failed",
                text(line.data.get("error"), 4000) or None,
                job_id,
                line.attempt,
            ),
        )


def _count(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value < 1 << 62 else None
