"""Runs one job and keeps its state in its directory.

A supervisor is detached from whoever launched it. It adopts the orphans of its job (a child subreaper), and
every process of the job carries the job's id in its environment. A kill of the process group would miss the
workers of torchrun, which have sessions of their own. Nothing is tied to the supervisor's life: where it is
killed, the job goes on, "unsupervised", and a stop still finds it.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import Any, NoReturn

from .gpus import GPULock, NoGPUError
from .processes import MARK, boot_id, members, send, started
from .status import ENDED, leader, read, status, write

GRACE_S = 30.0  # between TERM and KILL, where the job does not say
_ORPHANS_S = 2.0  # how long processes that outlive the leader have to end by themselves
_DISK_S = 600.0  # how long to wait for space on a full disk before the end of a job is lost
_POLL_S = 0.5
_GPU_POLL_S = 2.0  # nvidia-smi takes a while each time
_TWO = "the job has a supervisor already: two cannot run in one directory"
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


class _OverError(Exception):
    """The job is over before its program ran."""

    def __init__(self, state: str, error: str | None = None, rc: int | None = None) -> None:
        super().__init__(error or state)
        self.state, self.error, self.rc = state, error, rc


class Supervisor:
    """Runs the job of a folder from its start to its end."""

    def __init__(self, folder: Path) -> None:
        """Raises BlockingIOError where the job has a supervisor already."""
        self.folder = folder
        self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.job = read(folder / "job.json")
        self.id = str(self.job.get("id"))
        me = os.getpid()
        self.state: dict[str, Any] = {"pid": me, "started": started(me), "boot": boot_id()}
        self.state["attempt"] = self.job.get("attempt", 1)
        self.asked: float | None = None  # when the job was asked to end, on the monotonic clock
        self._child, self._rc = 0, None
        self._gpus: list[GPULock] = []
        # They are waited for, not handled: see `_rest`.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGCHLD})
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def begin(self) -> None:
        """Write down that the job has a supervisor from here on."""
        self.say("starting")

    def run(self) -> None:
        """Run the job from its start to its end; the end is always written down."""
        ctypes.CDLL(None, use_errno=True).prctl(_SUBREAPER, 1, 0, 0, 0)
        try:
            self._take_gpus()
            self._start()
            self._watch()
        except _OverError as end:
            self.finish(end.state, end.rc, end.error)
            return
        if self.asked is not None:
            self.finish("stopped", self._rc)
        elif self._rc == 0:
            self.finish("done", 0)
        else:
            self.finish("failed", self._rc, _why(self._rc))

    def say(self, state: str, waits_for: str | None = None) -> None:
        """Write down the job's state."""
        self.state.update(state=state, waits_for=waits_for, since=time.time())
        try:
            write(self.folder / "state.json", self.state)
        except OSError as problem:  # a full disk: the job itself may well go on
            _note(f"cannot write the state {state}: {problem}")

    def finish(self, state: str, rc: int | None = None, error: str | None = None) -> None:
        """Write down how the job ended, waiting for space where the disk is full."""
        end = {"state": state, "rc": rc, "error": error, "since": time.time()}
        end["attempt"] = self.state["attempt"]
        deadline = time.monotonic() + _DISK_S
        while True:
            try:
                write(self.folder / "end.json", end)
                return
            except OSError as problem:
                if time.monotonic() > deadline:
                    raise
                _note(f"cannot write the end: {problem}")
                time.sleep(1)

    def grace(self) -> float:
        """Seconds between TERM and KILL, as given by whoever asked for the end, or else by the job."""
        seconds = read(self.folder / "stop").get("grace_s", self.job.get("grace_s"))
        return float(seconds) if isinstance(seconds, (int, float)) else GRACE_S

    def kill(self, *roots: int) -> None:
        """Send KILL to all processes of the job; `roots` as in `processes.members`."""
        for pid, start in members(self.id, *roots).items():
            send(pid, start, signal.SIGKILL)

    def _rest(self, seconds: float) -> None:
        """Wait until a child ended, somebody wants the job to end, or time has passed."""
        received = signal.sigtimedwait({signal.SIGTERM, signal.SIGCHLD}, seconds)
        term = received is not None and received.si_signo == signal.SIGTERM
        if self.asked is None and (term or (self.folder / "stop").exists()):
            self.asked = time.monotonic()

    def _take_gpus(self) -> None:
        """Wait for each GPU, in the order of their numbers, so that no two jobs wait for each other."""
        for gpu in sorted(set(self.job.get("gpus") or [])):
            try:
                lock = GPULock(gpu)
                self._gpus.append(lock)
                while why := lock.take(self.id, str(self.job.get("name"))):
                    if self.state["waits_for"] != why:
                        self.say("queued", why)
                    self._rest(_GPU_POLL_S if lock.is_held else _POLL_S)
                    if self.asked is not None:
                        raise _OverError("stopped")
            except NoGPUError as problem:
                raise _OverError("failed", str(problem)) from None

    def _start(self) -> None:
        """Start the job's program. Raises _OverError: it is to stop already, or there is no such program."""
        self.say("starting")
        self._rest(0)
        if self.asked is not None:
            raise _OverError("stopped")
        reading, writing = os.pipe()  # closed by a successful exec
        self._child = os.fork()
        if self._child == 0:
            self._become(writing)
        os.close(writing)
        with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
            problem = pipe.read()
        if problem:
            os.waitpid(self._child, 0)
            raise _OverError("failed", problem, rc=127)
        self.state.update(leader=self._child, leader_started=started(self._child))
        self.say("running")

    def _become(self, problem_fd: int) -> NoReturn:
        """In the child: become the job's program."""
        argv = self.job.get("argv") or ["(no program)"]
        try:
            os.setsid()
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            for place, descriptor in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
                os.dup2(descriptor, place)
            os.environ.setdefault("PYTHONUNBUFFERED", "1")  # what is printed is in the log when it is
            os.environ.update(self.job.get("env") or {})
            # Without GPUs of its own, a job shall see none: they are somebody else's.
            os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, self.job.get("gpus") or []))
            os.environ[MARK] = self.id
            os.execvp(argv[0], argv)
        except OSError as problem:
            sentence = f"{argv[0]} cannot be started: {problem.strerror}"
            with contextlib.suppress(OSError):
                os.write(2, f"{sentence}\n".encode())
            os.write(problem_fd, sentence.encode())
        finally:
            os._exit(127)

    def _watch(self) -> None:
        """Until no process of the job is left."""
        ended_at = None
        while self._reap():
            now = time.monotonic()
            if self.asked is not None and self.state["state"] != "stopping":
                self.say("stopping")
                # To the leader alone: torchrun and accelerate pass it on, and wait.
                send(self._child, self.state["leader_started"], signal.SIGTERM)
            if self._rc is not None and ended_at is None:
                ended_at = now
            late = self.asked is not None and now - self.asked > self.grace()
            if late or (ended_at is not None and now - ended_at > _ORPHANS_S):
                self.kill(os.getpid())
            self._rest(_POLL_S / 5 if late or ended_at is not None else _POLL_S)

    def _reap(self) -> bool:
        """Take note of every child that ended; whether any is left."""
        while True:
            try:
                pid, how = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._child:
                self._rc = os.waitstatus_to_exitcode(how)


class Sweeper(Supervisor):
    """Ends a job whose supervisor was killed. It is not the parent of what it ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        before = read(folder / "state.json")
        self._leader, self._leader_started = leader(before), before.get("leader_started")
        self.state.update(leader=before.get("leader"), leader_started=self._leader_started)
        self.asked = time.monotonic()

    def begin(self) -> None:
        """Write down that the job is being stopped."""
        self.say("stopping")

    def run(self) -> None:
        """Send TERM to what is left of the job, and KILL once its grace has passed; write down the end."""
        for pid in self._leader:
            send(pid, self._leader_started, signal.SIGTERM)
        patience = self.grace()
        while members(self.id, *leader(self.state)):
            if not leader(self.state):
                patience = min(patience, _ORPHANS_S)
            if time.monotonic() - (self.asked or 0) > patience:
                self.kill(*leader(self.state))
            time.sleep(_POLL_S / 5)
        self.finish("stopped")


def launch(folder: Path, kind: type[Supervisor] = Supervisor) -> str:
    """Start a supervisor that outlives us, our terminal and our session. Returns why it cannot, or "".

    It returns once the supervisor has the job, so that every reader finds what was launched.
    """
    reading, writing = os.pipe()
    if (first := os.fork()) == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                _supervise(folder, kind, writing)
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8", errors="replace") as pipe:
        answer = pipe.read()
    os.waitpid(first, 0)
    return "" if answer == "ok" else answer or "the supervisor ended at once"


def supervise(folder: Path) -> str:
    """Be the supervisor, from the start of the job to its end, for whoever starts one as a process of its
    own. Returns how the job failed, or why it cannot be started, or "".
    """
    try:
        supervisor = Supervisor(folder)
    except BlockingIOError:
        return _TWO
    os.chdir(folder)
    supervisor.begin()
    supervisor.run()
    end = status(folder)
    return f"the job has failed: {end['error'] or 'see its log'}" if end["state"] == "failed" else ""


def stop(folder: Path, grace: float | None) -> str:
    """Ask a job to end, which it then does by itself. Returns why there is nothing to stop, or "".

    `grace` is the seconds between TERM and KILL, None for the job's own. Raises OSError where the request
    cannot be written.
    """
    now = status(folder)["state"]
    if now in ENDED or now == "lost":
        return f"the job is {now}: there is nothing to stop"
    write(folder / "stop", {"time": time.time(), **({} if grace is None else {"grace_s": grace})})
    if now == "unsupervised":
        return launch(folder, Sweeper)
    state = read(folder / "state.json")
    if state.get("boot") == boot_id() and state.get("pid"):
        send(state["pid"], state.get("started"), signal.SIGTERM)
    return ""


def _supervise(folder: Path, kind: type[Supervisor], answer_fd: int) -> NoReturn:
    try:
        _detach(folder, answer_fd)
        try:
            supervisor = kind(folder)
        except BlockingIOError:
            os.write(answer_fd, _TWO.encode())
            os._exit(1)
        supervisor.begin()
        os.write(answer_fd, b"ok")
        os.close(answer_fd)
        supervisor.run()
    except Exception as problem:  # noqa: BLE001  the process's edge: what happens goes to its log
        _note(f"the supervisor failed: {type(problem).__name__}: {problem}")
        with contextlib.suppress(OSError):
            os.write(answer_fd, f"the supervisor failed: {problem}".encode())
    finally:
        os._exit(0)


def _detach(folder: Path, kept: int) -> None:
    """Let go of all that the launching process had open, such as the channel of an SSH session."""
    os.chdir(folder)
    null = os.open(os.devnull, os.O_RDWR)
    log = os.open(folder / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for place, descriptor in enumerate((null, null, log)):
        os.dup2(descriptor, place)
    for entry in list(Path("/proc/self/fd").iterdir()):
        if (number := int(entry.name)) > 2 and number != kept:
            with contextlib.suppress(OSError):
                os.close(number)


def _why(rc: int | None) -> str | None:
    """What a failure's exit code says by itself."""
    if rc is None or rc >= 0:
        return None
    name = signal.Signals(-rc).name if -rc in set(signal.Signals) else f"signal {-rc}"
    memory = ", as the system ends what it has no memory for" if -rc == signal.SIGKILL else ""
    return f"it was ended by {name}{memory}"


def _note(line: str) -> None:
    with contextlib.suppress(OSError):
        os.write(2, f"{line}\n".encode())
