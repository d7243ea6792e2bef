"""What the commands for jobs print."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.trainers.progress import step_words
from tui.format import day_time, duration
from tui.reports.tables import emit, table
from tui.safe import clean, one_line

if TYPE_CHECKING:
    from training.jobs.directory import JobStatus

WIDTH = 200


def state_words(status: JobStatus) -> str:
    """A state, and what belongs to it: what is waited for, the exit code, a link that is down."""
    words = status.state
    if status.waits_for:
        words += f" for {status.waits_for}"
    if status.state == "failed" and status.rc is not None:
        words += f" (exit code {status.rc})"
    if status.link:
        ago = (
            f" {duration((time.time() - status.asked) * 1000)} ago"
            if status.asked
            else " when last heard from"
        )
        words += f"{ago}; link down: {status.link}"
    return one_line(words, WIDTH)


def job_data(job: Mapping[str, Any], status: JobStatus) -> dict[str, Any]:
    """A job for programs: what was submitted, and how it is."""
    return {**job, "status": asdict(status)}


def print_jobs(rows: list[tuple[dict[str, Any], JobStatus, str]], *, as_json: bool) -> None:
    """`flowreasoner jobs`: each job with its status and its progress."""
    if as_json:
        emit([job_data(job, status) for job, status, _ in rows], "", True)
        return
    if not rows:
        emit(None, "no jobs yet; start one with: flowreasoner train RECIPE", False)
        return
    cells = [
        (
            job["id"],
            one_line(str(job.get("name")), 32),
            str(job.get("kind")),
            str(job.get("host")),
            day_time(job.get("created") or 0),
            step,
            state_words(status),
        )
        for job, status, step in rows
    ]
    emit(None, table(("job", "name", "kind", "host", "submitted", "step", "state"), cells), False)


def print_job(
    run_dir: Path,
    job: Mapping[str, Any],
    status: JobStatus,
    steps: list[int],
    experiments: list[str],
    *,
    as_json: bool,
) -> None:
    """`flowreasoner jobs show`; `experiments` are those that try the job's checkpoints."""
    newest = last_step(run_dir)
    if as_json:
        found = {"checkpoints": steps, "experiments": experiments, "newest_step": newest}
        emit({**job_data(job, status), **found}, "", True)
        return
    lines = [
        ("job", job["id"]),
        ("name", job.get("name")),
        ("kind", job.get("kind")),
        ("host", job.get("host")),
        ("state", state_words(status)),
        ("since", day_time(status.since) if status.since else None),
        ("error", status.error),
        ("attempt", status.attempt if status.attempt > 1 else None),
        ("GPUs", ", ".join(map(str, job.get("gpus") or []))),
        ("base", job.get("base")),
        ("data set", job.get("dataset")),
        ("step", step_words(newest) if newest else None),
        ("checkpoints", ", ".join(map(str, steps))),
        ("experiments", ", ".join(experiments)),
        ("folder", run_dir),
    ]
    emit(None, "\n".join(f"{k:12} {one_line(str(v), WIDTH)}" for k, v in lines if v), False)


def progress_lines(raw: bytes) -> Iterator[dict[str, Any]]:
    """The objects of whole lines of progress.jsonl; what is none is passed over."""
    for line in raw.splitlines():
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield found


def last_step(run_dir: Path) -> dict[str, Any] | None:
    """The newest step that the trainer has reported."""
    try:
        with (run_dir / "progress.jsonl").open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - (256 << 10)))
            found = [line for line in progress_lines(file.read()) if line.get("kind") == "step"]
    except OSError:
        return None
    return found[-1] if found else None


def profile_table(run_dir: Path) -> str:
    """Where the time of the steps went, as means over those that say so; "" where none does.

    Below, what carrying out and recording rollouts has of the CPU time, containers' included.
    """
    sums: dict[str, list[float]] = {}
    for line in progress_lines((run_dir / "progress.jsonl").read_bytes()):
        values = line.get("values")
        for name, value in values.items() if isinstance(values, dict) else ():
            if name.startswith(("seconds_", "cpu_")) and isinstance(value, int | float):
                sums.setdefault(name, []).append(value)
    means = {name: sum(values) / len(values) for name, values in sums.items()}
    rows = []
    for prefix, unit in (("seconds_", "wall"), ("cpu_", "CPU")):
        there = {name: mean for name, mean in means.items() if name.startswith(prefix)}
        whole = sum(there.values()) or 1.0
        for name, mean in sorted(there.items(), key=lambda pair: -pair[1]):
            share = f"{100 * mean / whole:.0f} %"
            rows.append((unit, name.removeprefix(prefix).replace("_", " "), f"{mean:.2f} s", share))
    if not rows:
        return ""
    text = table(("time", "part", "mean of a step", "share"), rows)
    cpu = {name.removeprefix("cpu_"): mean for name, mean in means.items() if name.startswith("cpu_")}
    if not cpu.keys() >= {"engine", "recorder", "containers"}:
        return text  # of no rollouts
    hundred = (sum(cpu.values()) or 1.0) / 100
    ours = (cpu["engine"] + cpu["recorder"] + cpu["containers"]) / hundred
    recorder = cpu["recorder"] / hundred
    return (
        f"{text}\nengine, recorder and containers: {ours:.1f} % of the CPU time; "
        f"the recorder alone: {recorder:.1f} %"
    )


class LogText:
    """The text of a log that grows: whole lines of plain text, wherever its bytes were cut."""

    def __init__(self) -> None:
        self._rest = b""

    def add(self, raw: bytes) -> str:
        whole, newline, self._rest = (self._rest + raw).rpartition(b"\n")
        return clean((whole + newline).decode("utf-8", "replace"))

    def end(self) -> str:
        """What is left once there will be no more."""
        rest, self._rest = self._rest, b""
        return clean(rest.decode("utf-8", "replace")) + "\n" if rest else ""
