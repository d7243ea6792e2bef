"""What Ray Train's workers do: each starts one rank of the training and watches it, as torchrun's agent does.

The trainer is a process of its own, the same program as everywhere, so that it can be sent TERM, and so that
nothing of Ray's is in it. This module reaches the cluster by value and imports none of ours.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HEAD = "node:__internal_head__"  # a resource of the head node and no other
_POLL_S = 0.2
_LET_GO_S = 30.0  # for a trainer whose worker was killed to be gone
# Becomes its arguments, which end when the process that is named first does, whatever ended that.
_END_WITH_PARENT = """
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
if os.getppid() != int(sys.argv[1]):
    sys.exit(1)
os.execvp(sys.argv[2], sys.argv[2:])
"""


class LostRankError(Exception):
    """A rank was killed: Ray Train starts all of them again."""


def sees(run_dir: str, nonce: str) -> tuple[str, bool]:
    """The name of this node, and whether it has the job's directory as the head has it."""
    try:
        same = (Path(run_dir) / ".nonce").read_text("ascii") == nonce
    except OSError:
        same = False
    return socket.gethostname(), same


def carry(job: dict[str, Any]) -> int:
    """Run one rank to its end. `job` has `run_dir`, `argv`, `mark`, `id`, `attempt` and `grace_s`.

    Returns the exit status of the training: 0, or that of the first rank that failed. Raises LostRankError
    where this one was killed.
    """
    import ray.train
    from ray.train.collective import broadcast_from_rank_zero
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]  documented

    context = ray.train.get_context()
    first, run_dir = context.get_world_rank() == 0, Path(job["run_dir"])
    store = None
    if first:
        _take_up(run_dir, job["attempt"])
        # Where the ranks meet. Ray's workers have met at another, and the keys would be the same.
        store = TCPStore("0.0.0.0", 0, is_master=True, wait_for_workers=False)
    meeting: Any = (store.port, os.urandom(4).hex()) if store else None
    port, ident = broadcast_from_rank_zero(meeting)
    failed = run_dir / f".failed-{ident}"  # of this start of all ranks
    # A program of its own in between, because code between fork and exec could wait for Ray's threads.
    program = [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid())]
    with (run_dir / "log").open("ab") as log:
        rank = subprocess.Popen(
            [*program, *job["argv"]],
            cwd=run_dir,
            env=_environment(context.get_world_size(), port, job),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        code = _watch(rank, run_dir / "stop", failed, float(job["grace_s"]))
    finally:
        rank.kill()
        rank.wait()
    if code < 0 and not (run_dir / "stop").exists():
        raise LostRankError(f"rank {context.get_world_rank()} was ended by signal {-code}")
    if code > 0 and not failed.exists():
        failed.write_text(str(code), "ascii")
    return int(failed.read_text("ascii")) if failed.exists() else max(code, 0)


def _watch(rank: subprocess.Popen[bytes], stop: Path, failed: Path, grace_s: float) -> int:
    """Until the rank has ended; its exit status, 0 for one that was killed here.

    One that is to stop gets TERM, and KILL after its grace. One whose fellow has failed gets KILL: it would
    wait for ever.
    """
    asked = None
    while (code := rank.poll()) is None:
        if failed.exists():
            return 0
        if asked is None and stop.exists():
            asked = time.monotonic()
            grace_s = _grace(stop, grace_s)
            rank.terminate()
        elif asked is not None and time.monotonic() - asked > grace_s:
            return 0
        time.sleep(_POLL_S)
    return code


def _grace(stop: Path, default: float) -> float:
    try:
        return float(json.loads(stop.read_text("utf-8"))["grace_s"])
    except (OSError, ValueError, KeyError, TypeError):
        return default


def _environment(world_size: int, port: int, job: dict[str, Any]) -> dict[str, str]:
    """The rank's environment. Ray Train has put into ours what torchrun would: RANK, WORLD_SIZE and so on."""
    environment = {**os.environ, job["mark"]: job["id"], "PYTHONUNBUFFERED": "1"}
    if world_size > 1:
        return environment | {"MASTER_PORT": str(port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR"):
        environment.pop(name, None)
    return environment


def _take_up(run_dir: Path, attempt: int) -> None:
    """As rank 0, before any rank starts: wait for a trainer that is being killed, and say that a start is not
    the attempt's first.
    """
    deadline = time.monotonic() + _LET_GO_S
    with (run_dir / "trainer.lock").open("a") as lock:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                time.sleep(_POLL_S)
    begun = run_dir / f".begun-{attempt}"
    if not begun.exists():
        begun.touch()
        return
    names = [path.name for path in (run_dir / "checkpoints").glob("step-*")]
    where = f"continues from {max(names)}" if names else "begins again"
    text = f"a worker of the cluster was lost; training {where}"
    tell(run_dir, attempt, "alert", name="worker_lost", text=text)


def tell(run_dir: Path, attempt: int, kind: str, **values: Any) -> None:
    """Add a line to the job's progress, while no trainer writes to it. Raises OSError."""
    line = {"kind": kind, "time": time.time(), "attempt": attempt, **values}
    with (run_dir / "progress.jsonl").open("a+b") as progress:
        progress.seek(0)
        progress.truncate(progress.read().rfind(b"\n") + 1)  # a line that was cut off
        progress.write(json.dumps(line).encode() + b"\n")
