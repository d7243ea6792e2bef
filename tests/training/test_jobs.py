"""Jobs on this machine: nothing of them is left, nothing of them is lost, whatever ends first."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from flowreasoner import command

from engine.config import load
from tests.support.jobs import STUBBORN, TRAINER, WORKER, alive, pids, program, reaches, until
from tests.support.leftovers import Guard
from training.jobs import directory
from training.jobs.directory import JobError, JobSpec, ours
from training.jobs.host.gpus import LOCKS
from training.jobs.host.processes import MARK, boot_id, started
from training.jobs.job import Job, open_job, submit
from training.jobs.serving import ADDRESS, wait_until_it_answers


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for jobs; whatever was started for it ends with the test."""
    guard = Guard(tmp_path)
    monkeypatch.setenv(LOCKS, str(tmp_path / "locks"))
    yield tmp_path / "jobs"
    guard.clean()


async def kill_supervisor(job: Job) -> None:
    pid = (await job.status()).pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not alive([pid]))


async def test_a_job_runs_to_its_end_and_tells_of_it(folder: Path) -> None:
    job = await submit(program(TRAINER, "3", env={"EXTRA": "yes"}), folder)
    status = await reaches(job, "done")
    assert (status.rc, status.error, status.attempt) == (0, None, 1)
    assert await job.log() == b"step 1\nstep 2\nstep 3\n"
    assert await job.log(7) == b"step 2\nstep 3\n"
    assert (await job.log(-7), await job.log(-1000)) == (b"step 3\n", await job.log())
    assert [c.step for c in await job.fetch()] == [3]
    described = directory.description(job.run_dir)
    assert described["argv"][-1] == str(job.run_dir) and described["host"] == "local"
    # Anybody else reads the same.
    assert directory.status(job.run_dir) == status


async def test_the_processes_of_a_job_know_it_and_see_no_gpu_that_is_not_theirs(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    monkeypatch.setenv(MARK, "another job")  # from within which this one is submitted
    text = f"import os; print(os.environ['{MARK}'], repr(os.environ['CUDA_VISIBLE_DEVICES']), os.getcwd())"
    spec = program(text)
    job = await submit(spec, folder)
    await reaches(job, "done")
    assert (await job.log()).decode() == f"{spec.id} '' {job.run_dir}\n"


async def test_our_own_programs_run_and_take_the_mark_for_no_setting(folder: Path) -> None:
    job = await submit(JobSpec("sft", "ours", ours("tui.start", "config", "path")), folder)
    status = await reaches(job, "done", "failed")
    assert status.state == "done", await job.log()
    assert b"config.toml" in await job.log()


async def test_a_program_that_is_not_there_is_said_in_a_line(folder: Path) -> None:
    job = await submit(JobSpec("sft", "x", ("/no/such/program",)), folder)
    status = await reaches(job, "failed")
    assert status.rc == 127 and status.error is not None
    assert (await job.log()).decode() == f"{status.error}\n"
    assert "/no/such/program cannot be started: No such file" in status.error


async def test_a_failure_has_its_exit_code_and_a_signal_its_name(folder: Path) -> None:
    failed = await submit(program("import sys; sys.exit(3)"), folder)
    killed = await submit(program("import os; os.kill(os.getpid(), 9)"), folder)
    status = await reaches(failed, "failed")
    assert (status.rc, status.error) == (3, None)
    status = await reaches(killed, "failed")
    assert status.rc == -9 and "SIGKILL" in str(status.error) and "memory" in str(status.error)


async def test_why_a_server_did_not_start_is_the_last_line_it_printed(folder: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: nobody answers there
        taken.bind((ADDRESS, 0))
        job = await submit(
            program("print('loading\\n' * 200_000); print('no GPU has room'); exit(1)"), folder
        )
        with pytest.raises(JobError, match="failed before it answered: no GPU has room"):
            await wait_until_it_answers(job, taken.getsockname()[1])


async def test_what_outlives_its_leader_is_ended(folder: Path) -> None:
    text = f"import os\nif os.fork() == 0:\n    os.setsid()\n    exec({WORKER!r})"
    job = await submit(program(text), folder)
    assert (await reaches(job, "done")).rc == 0
    (left,) = pids(job.run_dir)
    assert not alive([left])


async def test_a_stop_ends_workers_that_ignore_it_and_daemons(folder: Path) -> None:
    job = await submit(program(STUBBORN, grace_s=60), folder)
    await until(lambda: len(pids(job.run_dir)) == 4)
    await job.stop(grace=0.3)
    assert (await reaches(job, "stopped")).error is None
    assert not alive(pids(job.run_dir))


async def test_a_stop_leaves_time_to_end_well_and_a_touched_file_is_one(folder: Path) -> None:
    job = await submit(program(TRAINER, "100000"), folder)
    log = job.run_dir / "log"
    await until(lambda: log.exists() and "step 2" in log.read_text())
    (job.run_dir / "stop").touch()
    assert (await reaches(job, "stopped")).rc == 0
    last = json.loads((job.run_dir / "progress.jsonl").read_text().splitlines()[-1])
    assert last["status"] == "stopped"


async def test_a_job_without_its_supervisor_goes_on_and_can_be_stopped(folder: Path) -> None:
    job = await submit(program(STUBBORN), folder)
    await until(lambda: len(pids(job.run_dir)) == 4)
    await kill_supervisor(job)
    assert (await job.status()).state == "unsupervised"
    assert len(alive(pids(job.run_dir))) == 4
    with pytest.raises(JobError, match="is unsupervised; stop it before you resume it"):
        await job.resume()
    with pytest.raises(JobError, match="stop it before you remove it"):
        await job.remove()
    await job.stop(grace=0.3)
    await reaches(job, "stopped")
    assert not alive(pids(job.run_dir))


async def test_an_unsupervised_job_that_ends_well_is_done(folder: Path) -> None:
    text = f"import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\n{TRAINER}"
    job = await submit(program(text, "2"), folder)
    await reaches(job, "running")
    await kill_supervisor(job)
    assert (await job.status()).state == "unsupervised"
    (job.run_dir / "go").touch()
    assert (await reaches(job, "done")).rc is None


async def test_a_job_killed_whole_is_lost_and_resumes_from_its_checkpoint(folder: Path) -> None:
    job = await submit(program(TRAINER, "4"), folder)
    await reaches(job, "done")
    run_dir = job.run_dir
    with pytest.raises(JobError, match="is done: there is nothing to resume"):
        await job.resume()
    # As if the power had failed: no end, and another boot.
    (run_dir / "end.json").unlink()
    (run_dir / "progress.jsonl").write_text("")
    state = json.loads((run_dir / "state.json").read_text())
    (run_dir / "state.json").write_text(json.dumps({**state, "boot": "the one before"}))
    assert (await job.status()).state == "lost"
    with pytest.raises(JobError, match="lost: there is nothing to stop"):
        await job.stop()
    await job.resume()
    status = await reaches(job, "failed")  # its checkpoint is there: the folder cannot be made again
    assert status.attempt == 2
    lines = [json.loads(line) for line in (run_dir / "progress.jsonl").read_text().splitlines()]
    assert [line["attempt"] for line in lines] == [2] and lines[0]["kind"] == "start"


async def test_a_job_of_which_everything_was_killed_is_lost_and_resumes(folder: Path) -> None:
    job = await submit(program(WORKER), folder)
    await until(lambda: pids(job.run_dir))
    await kill_supervisor(job)
    (worker,) = pids(job.run_dir)
    os.kill(worker, signal.SIGKILL)
    assert (await reaches(job, "lost")).rc is None
    (job.run_dir / "go").touch()
    await job.resume()
    assert (await reaches(job, "done")).attempt == 2


async def test_a_stopped_job_resumes_and_the_stop_is_forgotten(folder: Path) -> None:
    job = await submit(program(WORKER), folder)
    await reaches(job, "running")
    await job.stop(grace=5)
    await reaches(job, "stopped")
    (job.run_dir / "go").touch()
    await job.resume()
    assert (await reaches(job, "done")).attempt == 2
    assert len(pids(job.run_dir)) == 2  # both attempts are in its log


def test_a_zombie_supervisor_is_dead(folder: Path) -> None:
    run_dir = folder / "job"
    run_dir.mkdir(parents=True)
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        state = {"pid": process.pid, "attempt": 1, "state": "running"}
        state |= {"started": started(process.pid), "boot": boot_id()}
        (run_dir / "job.json").write_text(json.dumps({"id": "job", "argv": ["x"], "attempt": 1}))
        (run_dir / "state.json").write_text(json.dumps(state))
        assert directory.status(run_dir).state == "running"
        assert process.stdin is not None
        process.stdin.close()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and nobody has asked how
        assert directory.status(run_dir).state == "lost"


async def test_two_supervisors_do_not_share_a_directory(folder: Path) -> None:
    job = await submit(program(WORKER), folder)
    await reaches(job, "running")
    launch = command("training.jobs.host", "launch", str(job.run_dir))
    second = await asyncio.to_thread(subprocess.run, launch, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert second.stderr == "the job has a supervisor already: two cannot run in one directory\n"
    await job.stop(grace=5)
    await reaches(job, "stopped")


async def test_jobs_take_turns_on_a_gpu_and_say_who_has_it(folder: Path) -> None:
    first = await submit(program(WORKER, name="first", gpus=(0,)), folder)
    await reaches(first, "running")
    second = await submit(program("pass", name="second", gpus=(1, 0)), folder)
    third = await submit(program("pass", name="third", gpus=(0,)), folder)
    status = await reaches(second, "queued")
    assert status.waits_for == f"GPU 0, which job {first.run_dir.name} (first) has"
    await reaches(third, "queued")
    await third.stop()
    await reaches(third, "stopped")
    await first.stop(grace=5)
    assert (await reaches(second, "done")).waits_for is None


async def test_a_gpu_is_not_free_while_an_unsupervised_job_is_on_it(folder: Path) -> None:
    first = await submit(program(WORKER, gpus=(0,)), folder)
    await reaches(first, "running")
    await kill_supervisor(first)  # and with it goes the lock
    second = await submit(program("pass", gpus=(0,)), folder)
    status = await reaches(second, "queued")
    assert f"job {first.run_dir.name} goes on without a supervisor" in str(status.waits_for)
    await first.stop(grace=5)
    await reaches(first, "stopped")
    await reaches(second, "done")


def below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


NVIDIA_SMI = """#!/bin/sh
case $1 in
--query-gpu*) printf '0, GPU-a, 40000\\n1, GPU-b, 300\\n' ;;
*) test -e {gone} || printf 'GPU-a, 4242, 39000\\n' ;;
esac
"""


async def test_a_gpu_is_taken_once_nvidia_smi_has_it_free(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(NVIDIA_SMI.format(gone=tmp_path / "gone"))
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    free = await submit(program("pass", gpus=(1,)), folder)
    await reaches(free, "done")
    taken = await submit(program("pass", gpus=(0,)), folder)
    status = await reaches(taken, "queued")
    assert status.waits_for == "GPU 0: process 4242 uses 39000 MiB of it"
    (tmp_path / "gone").touch()  # its process is not seen any more, and its memory is still in use
    await until(lambda: "cannot be seen" in str(directory.status(taken.run_dir).waits_for))
    newer = tool.with_name("newer")  # put in its place whole: the supervisor runs it every two seconds
    newer.write_text(tool.read_text().replace("40000", "10"))
    newer.chmod(0o755)
    newer.replace(tool)
    await reaches(taken, "done")
    none = await submit(program("pass", gpus=(7,)), folder)
    status = await reaches(none, "failed")
    assert status.error == "there is no GPU 7 on this machine; nvidia-smi lists 0, 1"


def made(folder: Path, name: str) -> Path:
    spec = program("pass", name=name)
    directory.create(folder / spec.id, spec, list(spec.argv))
    return folder / spec.id


def test_jobs_are_found_by_id_beginning_and_name(folder: Path) -> None:
    with pytest.raises(JobError, match="no jobs yet"):
        directory.find(folder, "last")
    runs = [made(folder, name) for name in ("one", "two", "two")]
    assert directory.all_jobs(folder) == runs[::-1]
    assert directory.find(folder, "one") == directory.find(folder, runs[0].name) == runs[0]
    assert directory.find(folder, "last") == runs[2]
    with pytest.raises(JobError, match="'two' means 2 jobs"):
        directory.find(folder, "two")
    for name in ("", "nobody", "../jobs", "."):
        with pytest.raises(JobError, match="there is no job"):
            directory.find(folder, name)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 1, "argv": []}', '{"id": "x"}', "\x00"])
def test_a_folder_that_holds_no_job_is_said(folder: Path, text: str) -> None:
    run_dir = made(folder, "x")
    (run_dir / "job.json").write_text(text)
    with pytest.raises(JobError, match="is missing or damaged"):
        open_job(run_dir, {})
    assert directory.status(run_dir).state in ("starting", "lost")


def test_only_whole_checkpoints_are_there(folder: Path) -> None:
    run_dir = made(folder, "x")
    for name in ("step-000002", "step-000010", ".step-000011.tmp", ".step-000012.part", "step-", "best"):
        (run_dir / "checkpoints" / name).mkdir(parents=True)
    assert [c.step for c in directory.checkpoints(run_dir)] == [10, 2]


async def test_a_submission_that_fails_leaves_nothing(folder: Path) -> None:
    with pytest.raises(JobError, match="the directory of the job cannot be made"):
        await submit(program("pass"), Path("/proc/jobs"))
    spec = program("pass")
    in_the_way = folder / spec.id / "file"
    in_the_way.mkdir(parents=True)
    with pytest.raises(JobError, match="the directory of the job cannot be made"):
        await submit(spec, folder)
    assert below(folder) == [in_the_way.parent, in_the_way]


async def test_a_removed_job_is_gone(folder: Path) -> None:
    job = await submit(program("pass"), folder)
    await reaches(job, "done")
    await job.remove()
    assert below(folder) == []


def test_a_job_of_a_host_that_is_not_configured_is_said(folder: Path) -> None:
    spec = program("pass")
    directory.create(folder / spec.id, spec, list(spec.argv), "box")
    with pytest.raises(JobError, match=r"runs on 'box', and the config file has no \[hosts.box\]"):
        open_job(folder / spec.id, {})
    assert directory.status(folder / spec.id).state == "unknown"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[hosts.box]\n", "hosts.box.address is missing"),
        ("[hosts.box]\naddress = 'me@box'\n", "`user` and `port` are settings"),
        ("[hosts.box]\naddress = '-oProxyCommand=x'\n", "a name or an address alone"),
        ("[hosts.box]\naddress = 'box'\nport = 70000\n", "less than or equal to 65535"),
        ("[hosts.box]\naddress = 'box'\ngpu = [0]\n", "did you mean 'gpus'?"),
        ("[hosts.local]\naddress = 'box'\n", "host name 'local'"),
        ("[hosts.'a b']\naddress = 'box'\n", "host name 'a b'"),
    ],
)
def test_a_wrong_host_is_said(tmp_path: Path, text: str, problem: str) -> None:
    from engine.config import ConfigError

    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / "config.toml")
    assert problem in str(caught.value)


def test_hosts_come_from_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[hosts.box]\naddress = 'gpu.example'\ngpus = [0, 1]\n")
    host = load(tmp_path / "config.toml").hosts["box"]
    assert (host.address, host.gpus) == ("gpu.example", [0, 1])
    assert (host.user, host.port, host.workdir) == (None, None, "~/.flowreasoner")
