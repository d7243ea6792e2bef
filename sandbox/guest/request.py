"""A request: which process it starts, and how that one's frames and end become its outcome."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any, Protocol

from . import fairness, files, frames, linux, messages, output, places
from .desk import Sitting
from .process import Process, ending
from .schema import SchemaError

Result = tuple[str, str | None, str]  # status, reason, message
_CPU_SLACK_S = 0.02
_FEW = 3  # processes: one that has more can have used up the memory itself


class Runner(Protocol):
    """What a request needs of the runner."""

    def spawn(self, process: Process, fds: list[int]) -> None:
        """Have the zygote fork `process` with these file descriptors."""
        ...

    def next_uid(self) -> int:
        """A uid that no process of this container has had."""
        ...

    def sitting(self, limits: dict[str, Any]) -> Sitting | None:
        """A place with the resident checker for one check; None where it needs a process of its own."""
        ...

    def adopt(self, request: Request, process: Process) -> None:
        """Watch a process that `request` started later."""
        ...

    def to_host(self, head: dict[str, Any], body: bytes = b"") -> None:
        """Send a frame to the host. Blocks while the host is slow."""
        ...


class Request:
    """One request with one process: the roles call and program. `testing` has those that judge tests."""

    mode = "split"

    def __init__(self, runner: Runner, message: dict[str, Any]) -> None:
        self.runner = runner
        self.message = message
        self.id: str = message["id"]
        self.body: dict[str, Any] = message["body"]
        self.limits: dict[str, Any] = message["limits"]
        self.started = time.monotonic()
        self.began = self.started  # when the wall clock began to count
        self.deadline = self.began + float(self.limits["wall_s"])
        self._look_at = self.began + float(self.limits["cpu_s"])  # at what all it started has used
        self._seemed_over: fairness.Shares | None = None  # what it had got when its time seemed over
        self.output = output.Output(int(self.limits["output_kept"]), int(self.limits["output_killed"]))
        self.processes: list[Process] = []
        self.stopped: Result | None = None  # why the runner ended it
        self.result: Result | None = None  # what it answered
        self.value = b""
        self.calls = _Calls()
        self.reported = False
        self.helpers = 0  # processes it had besides when the kernel ended its own
        self.oom_before = linux.oom_kills()

    def start(self) -> None:
        """Ask for its processes."""
        self._launch(message_role(self.body), self.body)

    def launched(self) -> None:
        """All its processes were asked for: what was for them to have is closed here."""
        self.output.close_writers()

    def _launch(self, role: str, payload: dict[str, Any], data: socket.socket | None = None) -> Process:
        home = places.new_home(self.body.get("seat"))
        process = Process(role, self.runner.next_uid(), self.limits, home)
        self.processes.append(process)
        process.start(self.runner, self.output.writers, data)
        if data is not None:
            data.close()
        process.send({**payload, "result_bytes": self.limits["result_bytes"]})
        return process

    # What happens to it.

    def on_frames(self, process: Process) -> bool:
        """Read what `process` sent. False once it closed its end."""
        open_still = process.receive()
        self.handle(process)
        return open_still

    def handle(self, process: Process) -> None:
        """Act on the frames of `process` that are whole, as far as its open calls allow it."""
        try:
            while self.readable and (frame := process.next_frame()) is not None:
                if frame.head["op"] != "up":
                    self.on_message(process, *frame)
                else:
                    self._on_up(process)
        except (frames.FrameError, SchemaError) as error:
            self.on_broken(process, ("failed", "no-verdict", f"the process broke the protocol: {error}"))

    def _on_up(self, process: Process) -> None:
        """`process` is set up: time spent on making it is ours. Raises SchemaError."""
        if process.up:
            raise SchemaError("it said twice that it is up")
        process.up = True
        self.forgive(time.monotonic() - self.began)

    def forgive(self, seconds: float) -> None:
        """Do not count so much of the time that passed."""
        self.began += seconds
        self.deadline += seconds

    def on_broken(self, process: Process, result: Result) -> None:
        """`process` sent what no process of ours sends."""
        self.stop(result)

    def on_message(self, process: Process, message: dict[str, Any], body: bytes) -> None:
        """A frame of a child that its schema allows: a callback for the host, or the answer.

        Raises SchemaError where it comes out of its turn. After the answer nothing counts any more.
        """
        if self.result is not None or self.stopped is not None:
            return
        op = message["op"]
        if op == "callback":
            self.calls.add(message["call"], len(body))
            forward = {"t": "callback", "id": self.id, "call": message["call"]}
            self.runner.to_host({**forward, "method": message["method"]}, body)
        elif op == "value":
            self.value = body
            self.result = ("passed", None, "")
            self.end_processes()
        else:
            text = message["message"][:4000]
            if op == "oom":
                self.result = "oom", None, self.at_limit(text)
            else:
                self.result = "failed", message["reason"], text
            self.end_processes()

    def at_limit(self, message: str) -> str:
        """A MemoryError's message with the limit it met; the kernel's own kills are told by `ending`."""
        return f"{message} (a process may have {self.limits['memory_mb']} MB)"

    @property
    def readable(self) -> bool:
        """Whether its process may go on calling the host; else what it sends waits."""
        return self.calls.more_allowed

    def on_reply(self, message: dict[str, Any], body: bytes) -> None:
        """The host answered a callback."""
        self.calls.answered(message["call"])
        reply = {key: message[key] for key in ("call", "error") if key in message}
        if self.result is None:
            self.processes[0].send({"op": "reply", **reply}, body)
        self.handle(self.processes[0])

    def on_failed_spawn(self, error: str) -> None:
        """A process of it could not be started: the request ends without a verdict."""
        self.stop(("infra", "protocol", f"no process could be started: {error}"))

    def on_hangup(self, process: Process) -> None:
        """`process` closed its end: it is ending, or it can no longer answer and must."""
        process.kill()

    def check_limits(self, now: float) -> float:
        """Stop it where a limit is passed. Returns the seconds until the next look."""
        if self.stopped is not None or self.result is not None:
            return 1.0
        if self.output.flooded:
            self.stop(("output-limit", None, f"it printed more than {self.limits['output_killed']} bytes"))
            return 1.0
        cpu_limit = float(self.limits["cpu_s"])
        used = self._used(now, cpu_limit)
        if used >= cpu_limit:
            self.stop(("timeout-cpu", None, f"it used its {cpu_limit:g} s of CPU time"))
            return 1.0
        if now >= self.deadline:
            self._overdue(now)
            return 1.0 if self.stopped else max(self.deadline - now, 0.0)
        return min(self.deadline - now, cpu_limit - used + _CPU_SLACK_S, self._look_at - now)

    def _used(self, now: float, limit: float) -> float:
        """CPU seconds of the process that used most.

        Those it started count as well. They are looked at when they can have used up the limit, no sooner:
        a session that waits for a model must cost its neighbours nothing.
        """
        used = max((process.cpu_s for process in self.processes), default=0.0)
        if now >= self._look_at and used < limit:
            used = max((process.all_cpu_s for process in self.processes), default=0.0)
            self._look_at = now + limit - used + _CPU_SLACK_S
        return used

    def _overdue(self, now: float) -> None:
        """Its wall time is over: more of it for what others took, and no verdict where they took too much."""
        wall_s = float(self.limits["wall_s"])
        elapsed = now - self.began
        shares = fairness.Shares(*map(sum, zip(*(process.shares for process in self.processes), strict=True)))
        lost = shares.lost(elapsed)
        over = elapsed - lost >= wall_s
        excused = not over or shares.waits_since(self._seemed_over)
        self._seemed_over = shares if over else None
        if not all(process.up for process in self.processes):
            self.stop(("infra", "busy", f"no process was ready within {wall_s:g} s: the machine is too busy"))
        elif excused and elapsed < wall_s * fairness.PATIENCE:
            self.deadline = now + fairness.LOOK_S if over else self.began + wall_s + lost
        elif excused and self._starved(shares):
            got = f"it got {shares.used:.2f} s of a core in {elapsed:.1f} s"
            self.stop(("infra", "busy", f"the machine is too busy for a verdict: {got}"))
        else:
            self.stop(("timeout-wall", None, f"it did not end within {wall_s:g} s"))

    def _starved(self, shares: fairness.Shares) -> bool:
        """Whether it had too little of a core; a crowd of its own making is not excused."""
        alone = shares.threads <= len(self.processes)
        return alone and shares.used < self.limits["cpu_s"] * fairness.ENOUGH

    def stop(self, result: Result) -> None:
        """End it for a reason of the runner's or the host's."""
        if self.stopped is None and self.result is None:
            self.stopped = result
        self.end_processes()

    def end_processes(self) -> None:
        """Kill all of its processes."""
        for process in self.processes:
            process.kill()

    # How it ended.

    @property
    def answered(self) -> bool:
        """The outcome is known whatever becomes of the processes, which are being killed.

        Files are read after that, when nothing can change them any more.
        """
        return self.result is not None and not self.body.get("collect")

    @property
    def over(self) -> bool:
        """Whether all of its processes have ended."""
        return all(process.end is not None for process in self.processes)

    def outcome(self) -> Result:
        """Status, reason and message, once all processes ended."""
        if self.stopped is not None:
            return self.stopped
        if self.result is not None:
            return self.result
        return self.ending_of(self.processes[0])

    def ending_of(self, process: Process) -> Result:
        """Status, reason and message of a process that ended without an answer."""
        assert process.end is not None
        if not process.up and process.end.status >= 0:
            return "infra", "protocol", "a process could not be set up"
        oom = linux.oom_kills() > self.oom_before
        return ending(process.end, float(self.limits["cpu_s"]), oom, hung_up=process.killed)

    def report(self) -> dict[str, Any]:
        """The head of the frame that tells the host; a value is its body."""
        self.output.drain()
        status, reason, message = self.outcome()
        stdout, stderr = self.output.texts()
        report = {"t": "done", "id": self.id, "status": status, "reason": reason}
        report["message"] = message[: messages.MAX_MESSAGE]
        usage = [process.usage for process in self.processes]
        report["usage"] = {
            "wall_ms": (time.monotonic() - self.started) * 1000,
            "cpu_ms": sum(cpu_ms for cpu_ms, _ in usage),
            "max_rss_kb": max((rss_kb for _, rss_kb in usage), default=0),
            "output_bytes": self.output.total,
        }
        report.update(stdout=stdout, stderr=stderr, mode=self.mode, tests=[])
        undecided = self.stopped is None and self.result is None
        report["by_kernel"] = status == "oom" and undecided and self.helpers <= _FEW
        return report

    def files(self) -> Iterator[tuple[dict[str, Any], bytes]]:
        """A frame for each file asked for, once the processes ended; the caller acts as their uid."""
        patterns = self.body.get("collect")
        if patterns and self.outcome()[0] != "infra":
            for name, data, refused in files.collect(self.processes[0].home, patterns):
                yield {"t": "file", "id": self.id, "name": name, "refused": refused}, data

    def close(self) -> None:
        """Close its pipes and sockets."""
        self.output.close()
        for process in self.processes:
            process.close()


class _Calls:
    """The calls of the host that a request has made: how many, and which are not answered yet."""

    def __init__(self) -> None:
        self._last = -1
        self._count = 0
        self._open: dict[int, int] = {}  # number → bytes of its arguments
        self._bytes = 0

    def add(self, number: int, size: int) -> None:
        """Note a call. Raises SchemaError where it is one too many, or its number is not a new one."""
        self._count += 1
        if number <= self._last:
            raise SchemaError(f"call {number} follows call {self._last}")
        if self._count > messages.MAX_CALLS:
            raise SchemaError(f"it called the host more than {messages.MAX_CALLS} times")
        self._last = number
        self._open[number] = size
        self._bytes += size

    def answered(self, number: int) -> None:
        self._bytes -= self._open.pop(number, 0)

    @property
    def more_allowed(self) -> bool:
        return len(self._open) < messages.OPEN_CALLS and self._bytes < messages.OPEN_BYTES


def message_role(body: dict[str, Any]) -> str:
    """The role of the process that serves a request with this body."""
    return "call" if body["kind"] == "call" else "program"
