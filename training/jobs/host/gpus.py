"""Which GPUs are free, and the locks by which jobs take turns on them.

A lock is the kernel's (flock), so it goes when its supervisor does, whatever ended that. It is not enough: a
job whose supervisor was killed goes on computing, and so do programs that know nothing of us.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from pathlib import Path

from .processes import MARK, living, variable

LOCKS = "FLOWREASONER_GPU_LOCKS"  # names the folder of the locks
_DEFAULT_LOCKS = "/tmp/flowreasoner-gpus"  # one for all users of the machine
_BUSY_MIB = 1024  # more than a desktop takes; in a container, the processes behind it are not seen


class NoGPUError(Exception):
    """There is no such GPU, or its lock cannot be opened; the message is a sentence."""


class GPULock:
    """One GPU, for one job at a time. The lock is released when this process ends."""

    def __init__(self, gpu: int) -> None:
        """Raises NoGPUError where the lock's file cannot be opened."""
        self._gpu, self.is_held = gpu, False
        try:
            self._file = _open(gpu)
        except OSError as problem:
            raise NoGPUError(f"the lock of GPU {gpu} cannot be opened: {problem}") from None

    def take(self, job: str, name: str) -> str:
        """Try to take the GPU for `job`; returns what prevents it, "" where nothing does.

        The lock is kept while other programs that know nothing of it use the GPU. Raises NoGPUError where
        there is no such GPU.
        """
        gpu = f"GPU {self._gpu}"
        if not self.is_held:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return f"{gpu}, which {self._holder()} has"
            self.is_held = True
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, json.dumps({"job": job, "name": name}).encode(), 0)
        if other := _goes_on(self._gpu, job):
            return f"{gpu}, on which job {other} goes on without a supervisor; stop that one"
        if (taken_by := gpus()) is None:
            return ""
        if self._gpu not in taken_by:
            listed = ", ".join(map(str, taken_by)) or "none"
            raise NoGPUError(f"there is no {gpu} on this machine; nvidia-smi lists {listed}")
        return f"{gpu}: {taken_by[self._gpu]}" if taken_by[self._gpu] else ""

    def _holder(self) -> str:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            holder = json.loads(os.pread(self._file, 4096, 0))
            return f"job {holder['job']} ({holder['name']})"
        return "another job"


def gpus() -> dict[int, str] | None:
    """Why each GPU of this machine is taken, "" where it is free; None where nvidia-smi does not say."""
    devices = _nvidia_smi("--query-gpu=index,uuid,memory.used")
    programs = _nvidia_smi("--query-compute-apps=gpu_uuid,pid,used_memory")
    if devices is None or programs is None:
        return None
    taken_by = {}
    for index, uuid, used in devices:
        by = [f"process {pid} uses {mib} MiB of it" for at, pid, mib in programs if at == uuid]
        if not by and used.isdigit() and int(used) >= _BUSY_MIB:
            by = [f"{used} MiB of it are in use, by a process that cannot be seen from here"]
        taken_by[int(index)] = by[0] if by else ""
    return taken_by


def _nvidia_smi(query: str) -> list[list[str]] | None:
    command = ["nvidia-smi", query, "--format=csv,noheader,nounits"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    rows = [[cell.strip() for cell in line.split(",")] for line in result.stdout.splitlines() if line.strip()]
    return rows if all(len(row) == 3 for row in rows) else None


def _goes_on(gpu: int, job: str) -> str:
    """The id of another job with a process that was given this GPU, whose lock we have; "" for none."""
    for pid in living():
        other = variable(pid, MARK)
        if other and other != job and str(gpu) in (variable(pid, "CUDA_VISIBLE_DEVICES") or "").split(","):
            return other
    return ""


def _open(gpu: int) -> int:
    """The lock's file. Raises OSError."""
    folder = Path(os.environ.get(LOCKS) or _DEFAULT_LOCKS)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(parents=True)
        folder.chmod(0o1777)
    path, flags = folder / f"gpu-{gpu}.lock", os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        return os.open(path, flags)  # first without O_CREAT: in such a folder, another user's file forbids it
    except FileNotFoundError:
        descriptor = os.open(path, flags | os.O_CREAT, 0o666)
        with contextlib.suppress(PermissionError):
            os.fchmod(descriptor, 0o666)
        return descriptor
