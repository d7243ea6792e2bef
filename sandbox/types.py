"""What the sandbox is asked and what it answers: limits, outcomes, verdicts, and its protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from sandbox.errors import UnavailableError
from sandbox.files import File, RefusedFile

Status = Literal[
    "passed", "failed", "timeout-wall", "timeout-cpu", "oom", "output-limit", "tampered", "budget", "infra"
]
FailedReason = Literal["assert", "exception", "load", "signal", "not-plain-data", "too-big", "no-verdict"]
InfraReason = Literal[
    "no-docker", "image-missing", "container-lost", "daemon-down", "disk-full", "paused", "busy", "protocol"
]
Mode = Literal["split", "objects", "in-process"]  # from the strongest to the weakest
ModeChoice = Literal["auto", "split", "objects", "in-process"]

# A guest's request to the host: method name and plain-data arguments in, plain data out.
# Raising CallbackError hands the guest a clean exception; anything else is a bug of ours.
Callback = Callable[[str, dict[str, Any]], Awaitable[Any]]


class CallbackError(Exception):
    """A host callback refused; `kind` ("budget", "model", "usage", …) reaches the guest with the message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class SandboxError(UnavailableError):
    """The sandbox, not the code in it, failed. `reason` names how; the message says what to do."""

    def __init__(self, reason: InfraReason, message: str, *, out_of_memory: bool = False) -> None:
        super().__init__(message)
        self.reason: InfraReason = reason
        self.out_of_memory = out_of_memory  # the kernel ended the whole container for memory


@dataclass(frozen=True)
class Limits:
    """Bounds on one request. Times in seconds, sizes in bytes unless the name says otherwise.

    CPU time decides, since it does not depend on what else the machine does; wall time is generous
    (four times the CPU time and 5 s more, unless given) and is there for code that waits. Time in which
    the code was ready and had no core does not count.
    """

    wall_s: float = 0.0
    cpu_s: float = 10.0
    memory_mb: int = 384
    processes: int = 48
    file_mb: int = 32
    output_kept: int = 64 * 1024
    output_killed: int = 64 * 1024 * 1024
    result_bytes: int = 4 * 1024 * 1024

    def __post_init__(self) -> None:
        if self.wall_s <= 0:
            object.__setattr__(self, "wall_s", 4 * self.cpu_s + 5)


@dataclass(frozen=True)
class Usage:
    """What one request cost, as the runner measured it (never as the code reported it)."""

    wall_ms: float = 0.0
    cpu_ms: float = 0.0
    max_rss_kb: int = 0
    output_bytes: int = 0
    queue_ms: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """How one guest process ended. `value` is decoded plain data, set only when status is "passed"."""

    status: Status
    reason: FailedReason | InfraReason | None = None
    message: str = ""
    value: Any = None
    stdout: str = ""
    stderr: str = ""
    usage: Usage = field(default_factory=Usage)
    files: tuple[File, ...] = ()
    refused: tuple[RefusedFile, ...] = ()  # files asked for and not handed out, with the reason
    sandbox: str = ""  # what it ran in, as in `Verdict`

    def to_json(self) -> dict[str, Any]:
        """The outcome without its value, which may not be JSON, and of its files names and sizes only."""
        data = dataclasses.asdict(self)
        del data["value"]
        data["files"] = [{"name": file.name, "size": file.size} for file in self.files]
        data["refused"] = [dataclasses.asdict(file) for file in self.refused]
        return data


@dataclass(frozen=True)
class TestResult:
    """One test of a verdict, in the order the tests were given."""

    __test__ = False  # not a pytest class

    index: int
    status: Status
    reason: FailedReason | InfraReason | None = None
    message: str = ""


@dataclass(frozen=True)
class Verdict:
    """What a solution did on its tests.

    `mode` "split": tests ran in a checker process that got only values from the solution, so the verdict
    cannot be forged. "objects": its objects answered for themselves. "in-process": tests and solution shared
    one process; what they expect was settled outside, other cheats are detected, not prevented.
    `sandbox` is what it ran in: "docker", "docker (RUNTIME)" where another than the daemon's default was
    asked for, "bwrap", or "unsafe-local".
    """

    status: Status
    reason: FailedReason | InfraReason | None
    message: str
    tests: tuple[TestResult, ...]
    mode: Mode
    sandbox: str
    stdout: str = ""
    stderr: str = ""
    usage: Usage = field(default_factory=Usage)

    @property
    def passed(self) -> int:
        """How many tests passed."""
        return sum(t.status == "passed" for t in self.tests)

    def to_json(self) -> dict[str, Any]:
        """The verdict as JSON-ready data."""
        data = dataclasses.asdict(self)
        data["tests"] = [dataclasses.asdict(t) for t in self.tests]
        return data


# Makes a context that is entered for the length of a wait: whose time that is, the caller knows.
Waiting = Callable[[], AbstractContextManager[object]]


class Session(Protocol):
    """One workflow's place in a container; its steps run there as processes of their own, with own uids."""

    container_id: str

    async def call(
        self,
        entry: str,
        args: Mapping[str, Any],
        *,
        callback: Callback,
        limits: Limits,
        files: Mapping[str, bytes] | None = None,
        collect: Sequence[str] = (),
        waiting: Waiting = nullcontext,
    ) -> Outcome:
        """Run `entry` ("module:function", a preloaded guest module) in a fresh process as
        `await function(host, args)`, where `await host.call(method, **kwargs)` reaches `callback`.

        What `waiting` gives is entered for as long as there is no room for the process.

        Cancelling this coroutine kills the process. Calls may run concurrently. A call that fails after
        the callback refused it for its budget (`CallbackError("budget", …)`) ends as "budget".
        Raises SandboxError when the container is lost.
        """
        ...


class Sandbox(Protocol):
    """A pool of isolated containers with one guest runner each. Use as an async context manager."""

    name: str
    description: str  # one sentence: which isolation, and what it cannot limit

    async def __aenter__(self) -> Sandbox: ...
    async def __aexit__(self, *exc: object) -> None: ...

    def session(self) -> AbstractAsyncContextManager[Session]:
        """A place in a container, for one workflow; others may share it, as processes of other users."""
        ...

    async def check(
        self,
        solution: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        mode: ModeChoice = "auto",
        tolerance: float = 0.0,
    ) -> Verdict:
        """Run `tests` (assert statements, or sources defining `check(candidate)`) against `solution`.

        `prelude` is the problem's own code: the tests may use all of it, and the solution what it names,
        as if both stood behind it; the head of the entry point in it is not the solution's. `mode` "auto"
        is the strongest that the text of the tests allows for; `choose_mode` knows better where there is
        a reference solution. A timeout is recorded only if the tests time out alone, too.
        With a `tolerance`, `==` and `!=` of the tests take two floats for equal that differ by no more
        than `tolerance` + 1e-7 times the right-hand one, in lists, tuples and dicts too, as evalplus does.
        """
        ...

    async def choose_mode(
        self,
        reference: str,
        tests: Sequence[str],
        *,
        entry_point: str | None,
        prelude: str = "",
        limits: Limits | None = None,
        tolerance: float = 0.0,
    ) -> Mode:
        """The strongest mode in which `reference`, a known solution, passes `tests`.

        Raises ValueError where it passes in none.
        """
        ...

    async def run_program(
        self,
        code: str,
        *,
        entry: str | None = None,
        limits: Limits | None = None,
        files: Mapping[str, bytes] | None = None,
        collect: Sequence[str] = (),
        stdin: str | None = None,
        prelude: str = "",
    ) -> Outcome:
        """Run a program; with `entry`, its zero-argument function of that name gives the value.

        Without, it is a whole program: its threads are waited for, and what it registered for its exit
        runs. `stdin` is what it can read there, by default nothing. Of the names that `prelude` defines it
        starts with those that it mentions.

        `files` (by relative name) are in its directory when it starts. What it leaves there and matches
        a pattern of `collect` ("*.png") comes back on the outcome; regular files only, within caps.
        Raises FileNameError or ValueError for names and sizes that cannot be sent.
        """
        ...
