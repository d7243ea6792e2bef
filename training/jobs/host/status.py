"""What a job's directory says of it, whoever reads."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from .processes import boot_id, members, started

ENDED = ("done", "failed", "stopped")
_STARTS_WITHIN_S = 30.0  # a job without any state after this was never started
_TOLD = ("state", "attempt", "since", "rc", "error", "waits_for", "pid", "leader")


def read(path: Path) -> dict[str, Any]:
    """The JSON object in a file; {} where there is none."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def write(path: Path, data: dict[str, Any]) -> None:
    """Replace a file with a JSON object, whole or not at all. Raises OSError where it cannot be written."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with draft.open("w", encoding="utf-8") as file:
            json.dump(data, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def status(folder: Path) -> dict[str, Any]:
    """A job's `state`, and the rest of `_TOLD`; None where there is nothing to say."""
    job, state = read(folder / "job.json"), read(folder / "state.json")
    attempt = job.get("attempt", 1)
    alive = state.get("boot") == boot_id() and started(state.get("pid", 0)) == state.get("started")
    # In this order: one that ended just now was alive, or has left its end.
    end = read(folder / "end.json")
    if end.get("attempt") == attempt:
        if end.get("error") is None and end.get("state") == "failed":  # its trainer may have said why
            end["error"] = (_last_word(folder, attempt) or {}).get("error")
        return _told(end)
    if state.get("attempt") != attempt:
        return _told({"state": "starting" if _just_submitted(folder) else "lost", "attempt": attempt})
    if alive:
        if state["state"] == "running":
            if (folder / "stop").exists():
                return _told({**state, "state": "stopping"})
            if (waits := read(folder / "waits.json")).get("attempt") == attempt:
                return _told({**state, "state": "queued", "waits_for": waits.get("for")})
        return _told(state)
    if state.get("boot") == boot_id() and members(str(job.get("id")), *leader(state)):
        return _told({**state, "state": "unsupervised"})
    return _told(_last_word(folder, attempt) or {**state, "state": "lost"})


def leader(state: dict[str, Any]) -> tuple[int, ...]:
    """The process id of a job's first process, () where that has ended."""
    pid = state.get("leader") or 0
    return (pid,) if pid and started(pid) == state.get("leader_started") else ()


def _told(source: dict[str, Any]) -> dict[str, Any]:
    return {name: source.get(name) for name in _TOLD}


def _just_submitted(folder: Path) -> bool:
    try:
        return time.time() - (folder / "job.json").stat().st_mtime < _STARTS_WITHIN_S
    except OSError:
        return False


def _last_word(folder: Path, attempt: int) -> dict[str, Any] | None:
    """How a job ended, if its trainer has written that down."""
    try:
        with (folder / "progress.jsonl").open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))
            line = json.loads(file.read().splitlines()[-1])
    except (OSError, ValueError, IndexError):
        return None
    if not isinstance(line, dict) or line.get("kind") != "end" or line.get("attempt") != attempt:
        return None
    if line.get("status") not in ENDED:
        return None
    return {**line, "state": line["status"], "since": line.get("time")}
