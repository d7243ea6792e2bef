"""The folders of jobs are read by one reader at a time, once each change, and nobody cuts it off."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from store.jobs import ingest as ingesting
from store.reader import Reader
from tests.store.samples import as_rows, whole_run
from tests.store.samples import store as store_runs
from tests.support.job_folders import JobFolder
from tui.service.jobs.jobs import Jobs
from tui.service.jobs.reading import JobReading
from tui.service.records import Records


@pytest.fixture
def jobs(store: Path) -> Path:
    return store.parent / "jobs"


class Counted:
    """Counts the folders that are read, and holds a reading up while `gate` is closed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.read: list[str] = []
        self.begun, self.gate = threading.Event(), threading.Event()
        self.gate.set()
        really = ingesting.ingest

        def counted(db: sqlite3.Connection, run_dir: Path) -> Any:
            self.read.append(run_dir.name)
            self.begun.set()
            self.gate.wait()
            return really(db, run_dir)

        monkeypatch.setattr(ingesting, "ingest", counted)


async def test_a_folder_is_read_once_for_each_change(
    store: Path, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    first, _ = JobFolder(jobs, "01a"), JobFolder(jobs, "01b")
    reading = JobReading(store, jobs)
    for _ in range(3):
        await reading.refresh()
    assert sorted(counted.read) == ["01a", "01b"]
    first.step(1, loss=1.0)
    await reading.refresh()
    await reading.refresh()
    assert sorted(counted.read) == ["01a", "01a", "01b"]


async def test_who_asks_meanwhile_waits_for_the_reading_that_goes_on_and_none_cuts_it_off(
    store: Path, jobs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = Counted(monkeypatch)
    counted.gate.clear()
    job = JobFolder(jobs, "01a")
    job.step(1, loss=1.0)
    reading = JobReading(store, jobs)
    impatient = asyncio.create_task(reading.refresh())
    await asyncio.to_thread(counted.begun.wait)
    patient = asyncio.create_task(reading.refresh())
    impatient.cancel()
    await asyncio.wait([impatient])
    assert not patient.done()
    counted.gate.set()
    await patient
    assert counted.read == ["01a"]
    with Reader(store) as reader:
        assert reader.jobs.all()[0].step == 1
    await reading.aclose()


async def test_a_folder_that_is_none_and_damaged_runs_are_told_and_cost_no_other(
    store: Path, jobs: Path
) -> None:
    (jobs / "00").mkdir(parents=True)
    (jobs / "00" / "job.json").write_text("7")
    good = JobFolder(jobs, "01a")
    store_runs(good.path / "store.db", whole_run("r1"))
    bad = JobFolder(jobs, "01b")
    store_runs(bad.path / "store.db", whole_run("r2"))
    with sqlite3.connect(bad.path / "store.db") as db:
        as_rows(db)
        db.execute("UPDATE events SET payload = '{}' WHERE kind = 'model_call_started'")
    db.close()
    (JobFolder(jobs, "01c").path / "store.db").write_bytes(b"no database at all" * 100)
    records = Records(store)
    service = Jobs(records, dict)
    assert [job.row.id for job in await service.standings()] == ["01c", "01b", "01a"]
    problems = "\n".join(service.problems)
    assert "is not a job's" in problems and "00/job.json" in problems
    assert "1 of its runs are damaged" in problems
    assert "01c/store.db is not a SQLite database" in problems
    with Reader(store) as reader:
        assert [run.id for run in reader.runs().rows] == ["r1"]
    await service.aclose()
    await records.aclose()


async def test_a_job_whose_folder_is_gone_is_listed_no_more(store: Path, jobs: Path) -> None:
    job, _ = JobFolder(jobs, "01a"), JobFolder(jobs, "01b")
    records = Records(store)
    service = Jobs(records, dict)
    assert len(await service.standings()) == 2
    job.path.rename(job.path.with_name(".01a.gone"))
    assert [one.row.id for one in await service.standings()] == ["01b"]
    await service.aclose()
    await records.aclose()
