"""bubblewrap as a sandbox where no Docker daemon is: the same runner over pipes.

The runner needs uids to give to requests. As root, or with newuidmap and a range in /etc/subuid, a
user namespace with 65,536 of them is made first and bubblewrap starts inside it; otherwise everything
shares one uid, and the description says what that costs.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import getpass
import io
import os
import random
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import seccomp
from sandbox.channel import State
from sandbox.docker_backend import ENVIRONMENT, GUEST_DIR, boot
from sandbox.guest import places
from sandbox.guest_zip import guest_zip
from sandbox.processes import is_stopped
from sandbox.sizing import default_size
from sandbox.types import SandboxError

_RANGE = 65_536
_STDERR_SHOWN = 500
_ZIP = f"{GUEST_DIR}/guest.zip"

_FOLDERS = {"/tmp": 64, "/dev/shm": 16}  # writable ones, with their size in MB
_MOUNTS = [
    *((folder, size, 4096) for folder, size in _FOLDERS.items()),
    (places.seats, 1, 2 * places.SEATS),
    *((f"{places.seats}/{n}", places.SEAT_MB, places.SEAT_INODES) for n in range(places.SEATS)),
]

# Runs before bubblewrap: enters a user namespace, waits for its uids, shuts the door on further
# namespaces, mounts what bubblewrap cannot (it has no limit on inodes, which are the kernel's memory),
# and becomes bubblewrap. argv: ready-fd go-fd command...
_LAUNCHER = """
import ctypes, os, sys
ready, go, command = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x10000000) != 0:
    sys.exit("no user namespace can be made: " + os.strerror(ctypes.get_errno()))
os.write(ready, b"1")
if os.read(go, 1) != b"1":
    sys.exit("the user namespace got no uids")
os.close(ready), os.close(go)
os.setgroups([]), os.setresgid(0, 0, 0), os.setresuid(0, 0, 0)
open("/proc/sys/user/max_user_namespaces", "w").write("0")
failed = libc.unshare(0x00020000) or libc.mount(b"none", b"/", None, 0x44000, None)
for folder, size, inodes in FOLDERS:
    if not os.path.isdir(folder):
        os.mkdir(folder)
    options = f"size={size}m,nr_inodes={inodes},mode=1777".encode()
    failed = failed or libc.mount(b"tmpfs", folder.encode(), b"tmpfs", 14, options)
if failed:
    sys.exit("no private folders can be mounted: " + os.strerror(ctypes.get_errno()))
os.execv(command[0], command)
""".replace("FOLDERS", repr(_MOUNTS))


@dataclass(frozen=True)
class IdMap:
    """Host uids for the namespace: (inside, outside, count) lines, and who may write them."""

    lines: tuple[tuple[int, int, int], ...]
    by_helper: bool  # newuidmap writes them for an ordinary user


def interpreter() -> str:
    """A Python ≥ 3.11 under /usr, which is what the sandbox sees of this machine.

    Raises:
        SandboxError: there is none.
    """
    for name in ("python3", "python3.13", "python3.12", "python3.11"):
        path = f"/usr/bin/{name}"
        check = "import sys; sys.exit(sys.version_info < (3, 11))"
        if (
            os.access(path, os.X_OK)
            and subprocess.run([path, "-I", "-c", check], check=False).returncode == 0
        ):
            return path
    raise SandboxError(
        "no-docker", "bubblewrap needs Python 3.11 or newer under /usr: apt-get install python3"
    )


def own_packages(python: str, image: str, needs: Sequence[str]) -> str:
    """A sentence on packages that `image` would bring, where there are no images; "" if it brings none.

    `needs` are module names. Raises SandboxError where `python` lacks one: right code would be called wrong
    for it.
    """
    if not needs:
        return ""
    check = "import importlib.util, sys; print(*(n for n in sys.argv[1:] if not importlib.util.find_spec(n)))"
    found = subprocess.run([python, "-I", "-c", check, *needs], capture_output=True, text=True, check=False)
    if found.returncode or found.stdout.strip():
        raise SandboxError(
            "image-missing",
            f"without Docker there is no {image} image, and {python} lacks "
            f"{', '.join(found.stdout.split()) or 'its packages'}: install them for it, or use Docker",
        )
    return f" Packages of the {image} image are this machine's own."


def id_map() -> IdMap | None:
    """The uids this user may hand out, or None for its own only."""
    if os.geteuid() == 0:
        # A random block: RLIMIT_NPROC counts per uid, and other sandboxes of this machine have theirs.
        return IdMap(((0, _RANGE * random.SystemRandom().randrange(20_000, 32_000), _RANGE),), False)
    if shutil.which("newuidmap") is None or shutil.which("newgidmap") is None:
        return None
    starts = {_sub_range(Path("/etc/subuid")), _sub_range(Path("/etc/subgid"))}
    start = starts.pop()
    if starts or start is None:
        return None  # no range, or different ones for users and groups
    return IdMap(((0, os.geteuid(), 1), (1, start, _RANGE - 1)), True)


def _sub_range(path: Path) -> int | None:
    """The start of our range in /etc/subuid or /etc/subgid, if it is large enough."""
    names = {getpass.getuser(), str(os.geteuid())}
    try:
        rows = [line.split(":") for line in path.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    for row in rows:
        if len(row) == 3 and row[0] in names and int(row[2]) >= _RANGE - 1:
            return int(row[1])
    return None


class BwrapBackend:
    """Starts runners under bubblewrap."""

    name = stamp = "bwrap"

    def __init__(self, why: str = "", image: str = "core", needs: Sequence[str] = ()) -> None:
        found = shutil.which("bwrap")
        if found is None:
            raise SandboxError("no-docker", "bubblewrap is not installed: apt-get install bubblewrap")
        self._bwrap = found
        self._python = interpreter()
        own = own_packages(self._python, image, needs)
        self.own_uids = id_map() is not None
        self.size = default_size()
        self._filter = seccomp.program()
        guest_zip(_ZIP)  # here, where a thread may wait for it, and not when a sandbox is started
        shared = "" if self.own_uids else " All code runs under one uid."
        unfiltered = "" if self._filter else " No system call filter is known for this machine."
        self.description = (
            f"{why}bubblewrap: no network, private files, process limits; memory is limited per process, "
            f"not in total, and this machine's /usr is visible read-only.{own}{shared}{unfiltered}"
        )

    async def start(self) -> BwrapTransport:
        """A new sandbox with its runner started.

        Raises:
            SandboxError: bubblewrap cannot start here.
        """
        try:
            with _fds(self._filter) as (fds, zip_fd, filter_fd), contextlib.ExitStack() as undo:
                command = self._command(zip_fd, filter_fd)
                if self.own_uids:
                    child = await self._start_mapped(command, fds, undo)
                else:
                    flags = ["--unshare-user", "--disable-userns"]
                    child = _spawn([command[0], *flags, *command[1:]], fds)
                    undo.callback(child.end)
                streams = await asyncio.open_connection(sock=child.sock)
                undo.pop_all()
        except OSError as error:
            raise cannot_start("bubblewrap", error) from None
        return BwrapTransport(child, *streams)

    async def _start_mapped(self, command: list[str], fds: list[int], undo: contextlib.ExitStack) -> Child:
        with contextlib.ExitStack() as pipes:
            ready_r, ready_w = _pipe(pipes)
            go_r, go_w = _pipe(pipes)
            launcher = [self._python, "-I", "-S", "-c", _LAUNCHER]
            launcher += [str(ready_w.fileno()), str(go_r.fileno()), *command]
            child = _spawn(launcher, [*fds, ready_w.fileno(), go_r.fileno()])
            undo.callback(child.end)
            ready_w.close()
            mapping = id_map()
            if mapping is not None and await asyncio.to_thread(ready_r.read, 1) == b"1":
                await asyncio.to_thread(_write_map, child.process.pid, mapping)
                go_w.write(b"1")
        return child

    def _command(self, zip_fd: int, filter_fd: int | None) -> list[str]:
        command = [self._bwrap, "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
        command += ["--unshare-cgroup-try", "--as-pid-1", "--die-with-parent", "--new-session"]
        command += ["--hostname", "sandbox", "--clearenv", "--cap-drop", "ALL"]
        if self.own_uids:
            for capability in ("CAP_SETUID", "CAP_SETGID", "CAP_KILL"):
                command += ["--cap-add", capability]
        for key, value in ENVIRONMENT.items():
            command += ["--setenv", key, value]
        command += ["--ro-bind", "/usr", "/usr"]
        for name in ("bin", "lib", "lib64", "sbin"):
            if Path(f"/usr/{name}").exists():
                command += ["--symlink", f"usr/{name}", f"/{name}"]
        command += ["--proc", "/proc", "--dev", "/dev"]
        for folder, size in _FOLDERS.items():
            if self.own_uids:
                command += ["--bind", folder, folder]  # as the launcher mounted them
            else:
                command += ["--size", str(size << 20), "--perms", "1777", "--tmpfs", folder]
        if self.own_uids:
            command += ["--bind", places.seats, places.seats]
        command += ["--perms", "0444", "--ro-bind-data", str(zip_fd), _ZIP]
        command += ["--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/"]
        if filter_fd is not None:
            command += ["--seccomp", str(filter_fd)]
        return [*command, "--", self._python, "-I", "-c", boot(_ZIP)]


@contextlib.contextmanager
def _fds(filter_program: bytes | None) -> Iterator[tuple[list[int], int, int | None]]:
    """Memory files bubblewrap reads: the guest package as a zip, and the filter."""
    with contextlib.ExitStack() as stack:
        zip_fd = _memory_file(guest_zip(_ZIP))
        stack.callback(os.close, zip_fd)
        filter_fd = None if filter_program is None else _memory_file(filter_program)
        if filter_fd is not None:
            stack.callback(os.close, filter_fd)
        yield [fd for fd in (zip_fd, filter_fd) if fd is not None], zip_fd, filter_fd


def _pipe(stack: contextlib.ExitStack) -> tuple[io.FileIO, io.FileIO]:
    """The ends of a pipe to read from and to write to, open as long as `stack`."""
    read, write = os.pipe()
    return stack.enter_context(io.FileIO(read, "r")), stack.enter_context(io.FileIO(write, "w"))


def cannot_start(what: str, error: OSError) -> SandboxError:
    """The error of a runner that this machine does not let us start."""
    reason = "disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "no-docker"
    remedy = "run `flowreasoner doctor`"
    if error.errno in (errno.EMFILE, errno.ENFILE):
        remedy = "run fewer at once, or raise the limit on open files (ulimit -n)"
    return SandboxError(reason, f"{what} cannot be started ({error.strerror or error}): {remedy}")


def _memory_file(content: bytes) -> int:
    fd = os.memfd_create("flowreasoner")
    os.write(fd, content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


@dataclass
class Child:
    """A started bubblewrap: our end of its streams, and a memory file with its stderr (-1 for none)."""

    process: subprocess.Popen[bytes]
    sock: socket.socket
    stderr: int

    def end(self) -> None:
        """Kill it where it cannot be used, and close what it has here."""
        self.process.kill()
        self.process.wait()
        self.sock.close()
        if self.stderr >= 0:
            os.close(self.stderr)


def _spawn(command: list[str], fds: list[int]) -> Child:
    """Start `command` from this thread, which must outlive it: bubblewrap ends with its parent thread."""
    ours, theirs = socket.socketpair()
    with theirs, contextlib.ExitStack() as undo:
        undo.callback(ours.close)
        stderr = os.memfd_create("flowreasoner-stderr")
        undo.callback(os.close, stderr)
        process = subprocess.Popen(
            command,
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=stderr,
            pass_fds=fds,
            env={"PATH": "/usr/bin:/bin"},
            cwd="/",
        )
        undo.pop_all()
    ours.setblocking(False)
    return Child(process, ours, stderr)


def _write_map(pid: int, mapping: IdMap) -> None:
    """Give the namespace of `pid` its uids and gids. Where that fails the launcher says so and ends."""
    for kind in ("uid", "gid"):
        if mapping.by_helper:
            numbers = [str(number) for line in mapping.lines for number in line]
            subprocess.run([f"new{kind}map", str(pid), *numbers], check=False, stderr=subprocess.DEVNULL)
        else:
            text = "".join(f"{inside} {outside} {count}\n" for inside, outside, count in mapping.lines)
            Path(f"/proc/{pid}/{kind}_map").write_text(text, encoding="ascii")


class BwrapTransport:
    """The streams of one runner."""

    kind = "bwrap"

    def __init__(self, child: Child, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.container_id = f"{self.kind}-{child.process.pid}"
        self._child = child
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        """As `Transport.read`: at most 256 KiB."""
        try:
            return await self._reader.read(1 << 18)
        except ConnectionError:
            return b""

    async def write(self, data: bytes) -> None:
        """As `Transport.write`."""
        self._writer.write(data)
        await self._writer.drain()

    async def state(self) -> State:
        """As `Transport.state`."""
        code = self._child.process.poll()
        if code is None and is_stopped(self._child.process.pid):
            return State("paused")
        said = b"" if self._child.stderr < 0 else os.pread(self._child.stderr, 1 << 20, 0)[-_STDERR_SHOWN:]
        ended = "running" if code is None else f"exit status {code}"
        return State(ended, said=said.decode("utf-8", "replace").strip())

    async def kill(self) -> None:
        """End bubblewrap; with PID 1 of its namespace everything in there ends."""
        self._child.process.kill()
        self._writer.close()
        await asyncio.to_thread(self._child.process.wait)
        if self._child.stderr >= 0:
            os.close(self._child.stderr)
            self._child.stderr = -1
