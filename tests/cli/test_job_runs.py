"""A training job's rollouts at the command line, where no workbench has read the job's folder before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.conftest import Shell
from tests.store.samples import store
from tests.support.job_folders import JobFolder
from tests.support.meta_runs import Wrote, meta_run

ORIGIN: dict[str, Any] = {"job": "job-1", "step": 0, "group": "0.0", "candidate": 0}


@pytest.fixture
def job(shell: Shell) -> JobFolder:
    made = JobFolder(shell.store.parent / "jobs")
    made.start()
    add(made, "a")
    return made


def add(job: JobFolder, run: str) -> None:
    """One more rollout in the job's own store."""
    store(job.path / "store.db", meta_run(run, [Wrote(1.0)], origin=ORIGIN))


async def listed(shell: Shell, search: str) -> list[str]:
    ended = await shell("runs", "--search", search, "--json")
    assert ended.code == 0, ended.err
    return sorted(json.loads(line)["id"] for line in ended.out.splitlines())


async def test_the_rollouts_of_a_job_are_found_as_it_goes_on(shell: Shell, job: JobFolder) -> None:
    assert await listed(shell, "job:job-1") == ["a"]
    add(job, "b")
    assert await listed(shell, "job:job-1 status:passed") == ["a", "b"]
    assert await listed(shell, "") == []


async def test_a_data_set_is_built_of_a_jobs_rollouts(shell: Shell, job: JobFolder) -> None:
    built = await shell("dataset", "build", "sft", "--from", "job:job-1", "--out", "rows")
    assert built.code == 0, built.err
    assert built.out.startswith("wrote 1 row")


@pytest.mark.parametrize("name", ["job-2", "..", "../jobs/job-1", "job-1/."])
async def test_what_is_no_job_has_no_runs(shell: Shell, job: JobFolder, name: str) -> None:
    assert await listed(shell, f"job:{name}") == []


async def test_a_damaged_store_of_a_job_is_said(shell: Shell, job: JobFolder) -> None:
    for path in job.path.glob("store.db*"):
        path.write_bytes(b"no database" * 1000)
    ended = await shell("runs", "--search", "job:job-1")
    assert ended.code == 0 and "no runs match" in ended.out
    assert ended.err.count("\n") == 1 and "Traceback" not in ended.err
