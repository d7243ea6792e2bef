"""The few kernel interfaces the runner needs that Python does not wrap."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import math
import os
import re
import resource
import signal
import time
from collections.abc import Collection, Iterator

_PR_SET_DUMPABLE = 4
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36
_IPC_RMID = 0
_READ = 1 << 14
_STATUS = re.compile(rb"^State:\s+(\S).*?^Uid:\s+(\d+)", re.MULTILINE | re.DOTALL)
_PEAK = re.compile(rb"^VmHWM:\s+(\d+)", re.MULTILINE)
_OOM_KILLS = re.compile(rb"^oom_kill (\d+)", re.MULTILINE)
_libc = ctypes.CDLL(None, use_errno=True)
_fork = ctypes.PyDLL(None).fork  # keeps the interpreter's lock
_ceilings: dict[int, int] = {}  # hard limits as they were when first asked for


def read(path: str) -> bytes:
    """What a file of /proc or /sys holds; nothing if it cannot be read.

    By system calls alone: a file object costs ten times as much, a child once and the runner many times.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = part = os.read(fd, _READ)
        while len(part) == _READ:
            part = os.read(fd, _READ)
            data += part
        return data
    except OSError:
        return b""
    finally:
        os.close(fd)


def write(path: str, data: bytes) -> None:
    """Write to a file of /proc. Raises OSError."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


# 1 is a debugging aid that leaves processes open after they change their uid; unknown is treated like it.
_exposes = read("/proc/sys/fs/suid_dumpable").strip() not in (b"0", b"2")


def hide() -> None:
    """Take this process out of reach of ptrace and of /proc/<pid>/{mem,fd,environ} for other uids."""
    if _libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_DUMPABLE")


def fork() -> int:
    """`os.fork` for a process that has one thread: 0 in the child. Raises OSError.

    Python's own makes the child set up the bookkeeping of threads again, which is two thirds of what
    a fork costs it: a hundred and fifty pages written to, all to say that there is still one thread.
    """
    pid = _fork()
    if pid < 0:
        raise OSError(errno.EAGAIN, "no process can be forked")
    return pid


def stay_hidden() -> None:
    """`hide` a process forked from a hidden one, after it changed its uid.

    The kernel has done it already, as long as it is set to treat such processes as other set-uid ones.
    """
    if _exposes:
        hide()


def name_process(name: str) -> None:
    """Name this process for `ps` and `docker top`; 15 bytes are shown."""
    _libc.prctl(_PR_SET_NAME, name.encode("ascii"), 0, 0, 0)


@contextlib.contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Become `uid` for the length of the block, without its powers being able to reach us.

    The saved uid stays 0, so that the way back is open; in between, `kill(-1)` and file operations
    have exactly the reach of that uid. This needs no helper process, so a fork bomb cannot stop it.
    """
    os.setresuid(uid, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)
        hide()


def kill_all_of(uid: int) -> None:
    """SIGKILL every process of `uid` at once: the kernel does it under one lock, so no fork escapes."""
    with acting_as(uid), contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(-1, signal.SIGKILL)


def processes(known: Collection[int] = (), *, ended: bool = False) -> dict[int, int]:
    """pid → real uid of every process visible here, less the `known` ones. Zombies only if `ended`.

    The uid is read from `status`: the owner of /proc/<pid> is root for a process that hid itself.
    """
    found: dict[int, int] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) in known:
            continue
        if status := read(f"/proc/{name}/status"):
            fields = _STATUS.search(status)
            if fields is not None and (ended or fields[1] != b"Z"):
                found[int(name)] = int(fields[2])
    return found


def adopt_orphans() -> None:
    """Become the parent of whatever processes our descendants leave behind."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")


def descendants(ancestor: int) -> dict[int, int]:
    """pid → real uid of every living process below `ancestor`."""
    living = processes()
    parents: dict[int, int] = {}
    for pid in living:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parents[pid] = int(file.read().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it ended between the two calls
    below: set[int] = {ancestor}
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return {pid: living[pid] for pid in below - {ancestor}}


def threads_of(uid: int) -> int:
    """How many threads run as `uid`: where it is shared with others, its limit has to allow for them."""
    count = 0
    for pid, owner in processes().items():
        with contextlib.suppress(OSError):
            count += len(os.listdir(f"/proc/{pid}/task")) if owner == uid else 0
    return count


def kill(pid: int) -> None:
    """SIGKILL, to a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)


def reap_orphans(keep: set[int]) -> None:
    """Collect zombies that fell to us as PID 1. Raises ChildProcessError when one of `keep` ended."""
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in keep:
            raise ChildProcessError(f"process {pid} of the runner ended")


def cpu_seconds(pid: int) -> float:
    """CPU time used so far by `pid`; 0.0 once it is gone."""
    clock = (~pid << 3) | 2  # the kernel's encoding of "the CPU clock of that process"
    try:
        return time.clock_gettime(clock)
    except OSError:
        return 0.0


def peak_rss_kb(pid: int) -> int:
    """The most memory `pid` held so far, in kB; 0 once it is gone."""
    found = _PEAK.search(read(f"/proc/{pid}/status"))
    return 0 if found is None else int(found[1])


def oom_kills() -> int:
    """How many processes the kernel killed for memory in this container; 0 where it does not say."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        found = _OOM_KILLS.search(read(path))
        if found is not None:
            return int(found[1])
    return 0


def limit_all() -> None:
    """Bound what no request may have more of, for this process and whatever it forks."""
    for what, most in (
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_CORE, 0),
        (getattr(resource, "RLIMIT_MSGQUEUE", None), 0),
    ):
        if what is not None:
            top = _ceiling(what, most)
            resource.setrlimit(what, (top, top))
    for what in (resource.RLIMIT_CPU, resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE):
        _ceiling(what, 0)  # noted for `limit_process`


def limit_process(*, cpu_s: float, memory_mb: int, processes: int, file_mb: int) -> None:
    """Bound this process and its descendants. CPU is in whole seconds here; the runner watches it finer."""
    cpu = max(1, math.ceil(cpu_s))
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory_mb << 20, memory_mb << 20),
        (resource.RLIMIT_NPROC, processes, processes),
        (resource.RLIMIT_FSIZE, file_mb << 20, file_mb << 20),
    ):
        top = _ceiling(what, hard)
        resource.setrlimit(what, (min(soft, top), top))


def _ceiling(what: int, wanted: int) -> int:
    """`wanted`, or less where a limit is set already."""
    if what not in _ceilings:
        _ceilings[what] = resource.getrlimit(what)[1]
    most = _ceilings[what]
    return wanted if most == resource.RLIM_INFINITY else min(wanted, most)


def remove_ipc(uids: set[int]) -> None:
    """Remove the System V shared memory, semaphores and queues that `uids` left."""
    for kind, remove in (
        ("shm", lambda key: _libc.shmctl(key, _IPC_RMID, None)),
        ("sem", lambda key: _libc.semctl(key, 0, _IPC_RMID)),
        ("msg", lambda key: _libc.msgctl(key, _IPC_RMID, None)),
    ):
        for key, owner in ipc_objects(kind):
            if owner in uids:
                with acting_as(owner):
                    remove(key)


def ipc_objects(kind: str) -> list[tuple[int, int]]:
    """(id, creator uid) of each System V object of `kind`: "shm", "sem" or "msg"."""
    rows = [line.split() for line in read(f"/proc/sysvipc/{kind}").decode("ascii").splitlines()]
    if len(rows) < 2:
        return []
    ident, owner = rows[0].index("msqid" if kind == "msg" else f"{kind}id"), rows[0].index("cuid")
    return [(int(row[ident]), int(row[owner])) for row in rows[1:]]
