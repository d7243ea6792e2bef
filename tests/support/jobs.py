"""Programs that jobs run in tests, and what tests wait for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from training.jobs.directory import RUN_DIR, JobSpec, JobStatus
from training.jobs.host.processes import started
from training.jobs.job import Job

PYTHON = (sys.executable, "-I", "-S", "-c")
# Prints its pid and works on until there is a file `go`.
WORKER = """
import os, time
print("pid", os.getpid(), flush=True)
while not os.path.exists("go"):
    time.sleep(0.02)
"""
# As torchrun's agent: two workers in sessions of their own that ignore TERM, each with a daemon that left its
# session and its parent. The agent passes TERM on and waits.
STUBBORN = """
import os, signal, subprocess, sys, time
def worker():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
    else:
        os.wait()
    print("pid", os.getpid(), flush=True)
    while True:
        time.sleep(0.02)
workers = []
for rank in range(2):
    if (pid := os.fork()) == 0:
        os.setsid()
        worker()
    workers.append(pid)
signal.signal(signal.SIGTERM, lambda *_: [os.kill(pid, signal.SIGTERM) for pid in workers])
for pid in workers:
    while True:
        try:
            os.waitpid(pid, 0)
            break
        except InterruptedError:
            pass
"""
# As a trainer: a line of progress a step, a checkpoint at the end, and goes on where the one before it was.
TRAINER = """
import hashlib, json, os, signal, sys, time
job, steps = json.load(open("job.json")), int(sys.argv[1])
progress = open("progress.jsonl", "a", buffering=1)
def tell(kind, **values):
    line = {"kind": kind, "time": time.time(), "attempt": job["attempt"], **values}
    progress.write(json.dumps(line) + chr(10))
def end(status):
    tell("end", status=status, error=None)
    sys.exit(0)
signal.signal(signal.SIGTERM, lambda *_: end("stopped"))
os.makedirs("checkpoints", exist_ok=True)
begin = max([int(n[5:]) for n in os.listdir("checkpoints") if n[0] != "."], default=0)
tell("start", total_steps=steps, rows=7, base="pocket-meta")
for step in range(begin + 1, steps + 1):
    time.sleep(0.01)
    tell("step", step=step, values={"loss": 1 / step, "seconds_training": 0.75, "seconds_execution": 0.25})
    print("step", step, flush=True)
draft = f"checkpoints/.step-{steps:06}.tmp"
os.makedirs(draft)
weights = b"w" * 3_000_000 + str(steps).encode()
open(draft + "/model.safetensors", "wb").write(weights)
files = {"model.safetensors": hashlib.sha256(weights).hexdigest()}
json.dump({"step": steps, "files": files}, open(draft + "/checkpoint.json", "w"))
os.rename(draft, f"checkpoints/step-{steps:06}")
tell("checkpoint", step=steps, folder=f"checkpoints/step-{steps:06}")
end("done")
"""


def program(text: str, *arguments: str, name: str = "test", **more: object) -> JobSpec:
    """A job that runs a Python program. Its command line names its folder, for whoever cleans up."""
    return JobSpec("sft", name, (*PYTHON, text, *arguments, RUN_DIR), **more)  # type: ignore[arg-type]


async def until(holds: Callable[[], object]) -> None:
    """Wait until something holds; a test that waits in vain fails."""
    async with asyncio.timeout(300):
        while not holds():  # noqa: ASYNC110  what it waits for is another process's
            await asyncio.sleep(0.02)


async def reaches(job: Job, *states: str) -> JobStatus:
    """The job's status once it is in one of these states."""
    async with asyncio.timeout(300):
        while (status := await job.status()).state not in states:
            assert not status.has_ended, (status, await job.log())
            await asyncio.sleep(0.02)
    return status


def pids(run_dir: Path) -> list[int]:
    """The processes that the job has told of."""
    log = run_dir / "log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [int(line.split()[1]) for line in lines if line.startswith("pid ")]


def alive(processes: list[int]) -> list[int]:
    return [pid for pid in processes if started(pid) is not None]
