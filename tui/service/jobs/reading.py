"""Reading the folders of all jobs into the store, one reader at a time."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from training.jobs.directory import JobStatus

# The files of a job; when one of them changes there is something to read.
_FILES = ("job.json", "progress.jsonl", "state.json", "end.json", "store.db", "store.db-wal")
Mark = tuple[tuple[int, int] | None, ...]


def read_named(store_path: Path, search: str | None) -> None:
    """Where a search of runs asks for those of a job (`job:ID`), take over what the job has stored so far.

    For a command, which keeps no `JobReading`. What cannot be read is said on standard error.

    Raises StoreError: the store cannot be written.
    """
    from store.run_filter import parse_filter

    if (job := parse_filter(search or "").job) is None:
        return
    from training.jobs.directory import all_jobs, jobs_folder
    from tui.service.errors import say

    folder = jobs_folder(store_path)
    if any(run_dir.name == job for run_dir in all_jobs(folder)):
        reading = JobReading(store_path, folder)
        reading.read_one(job)
        for problem in reading.problems.values():
            say(problem)


class JobReading:
    """Keeps the store up to date with the folders under `folder`.

    A folder in which nothing has changed is not read again, and the store is opened for writing only where
    something has.
    """

    def __init__(self, store_path: Path, folder: Path) -> None:
        self._store_path, self._folder = store_path, folder
        self._seen: dict[str, Mark] = {}
        self._refused: dict[str, frozenset[str]] = {}
        self._under_way: asyncio.Task[None] | None = None
        self.problems: dict[str, str] = {}
        """What cannot be read, by folder: a sentence each."""

    async def refresh(self) -> None:
        """Read what is new.

        A caller that comes while another reads waits for that; cancelling a caller does not cut the reading
        off. Raises StoreError where the store cannot be written.
        """
        if self._under_way is None or self._under_way.done():
            self._under_way = asyncio.create_task(asyncio.to_thread(self._read_all))
        await asyncio.shield(self._under_way)

    async def aclose(self) -> None:
        """Wait for a reading in progress."""
        if self._under_way is not None:
            await asyncio.wait([self._under_way])

    def read_one(self, job_id: str) -> None:
        """Read one job's folder, here and now. Raises StoreError: the store cannot be written."""
        from store.db import open_writer
        from store.errors import explained

        with explained(self._store_path), closing(open_writer(self._store_path)) as db:
            self._read(db, self._folder / job_id)

    def _read_all(self) -> None:
        from store.db import open_writer
        from store.errors import explained
        from training.jobs.directory import all_jobs

        run_dirs = {run_dir.name: run_dir for run_dir in all_jobs(self._folder)}
        changed = {
            name: mark
            for name, run_dir in run_dirs.items()
            if (mark := _mark(run_dir)) != self._seen.get(name)
        }
        removed = set(self._seen) - set(run_dirs)
        if not changed and not removed:
            return
        with explained(self._store_path), closing(open_writer(self._store_path)) as db:
            for name, mark in changed.items():
                self._read(db, run_dirs[name])
                self._seen[name] = mark
        for name in removed:
            del self._seen[name]
            self.problems.pop(name, None)

    def _read(self, db: sqlite3.Connection, run_dir: Path) -> None:
        """Read a job; what is wrong with its folder is noted and costs no other job."""
        from store.errors import StoreError
        from store.exports.merge import merge_runs
        from store.jobs.ingest import NoJobError, ingest
        from training.jobs.directory import status

        self.problems.pop(run_dir.name, None)
        try:
            ingest(db, run_dir)
        except NoJobError as error:
            self.problems[run_dir.name] = str(error)
            return
        refused = self._refused.get(run_dir.name, frozenset())
        try:
            merged = merge_runs(db, run_dir, over=_is_over(status(run_dir)), refused=refused)
        except StoreError as error:
            self.problems[run_dir.name] = str(error)
            return
        if merged.refused:
            self._refused[run_dir.name] = refused | set(merged.refused)
        if run_dir.name in self._refused:
            count = len(self._refused[run_dir.name])
            self.problems[run_dir.name] = f"{count} of its runs are damaged and were left out."


def _is_over(status: JobStatus) -> bool:
    return status.has_ended and status.link is None


def _mark(run_dir: Path) -> Mark:
    def of(path: Path) -> tuple[int, int] | None:
        try:
            info = path.stat()
        except OSError:
            return None
        return info.st_mtime_ns, info.st_size

    return tuple(of(run_dir / name) for name in _FILES)
