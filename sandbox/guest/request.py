"""Requests: which processes each one starts, and how their frames and ends become its outcome."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from . import files, frames, linux, output, places
from .process import Process, ending

Result = tuple[str, str | None, str]  # status, reason, message
BROKEN: Result = ("failed", "no-verdict", "the process broke the protocol")
_MAX_CALLBACKS = 256  # waiting for the host at once; beyond it the child is not read
_CPU_SLACK_S = 0.02
_GRACE_S = 0.5  # for a solution that hung up to end by itself, so that how it ended is known


class Runner(Protocol):
    """What a request needs of the runner."""

    def spawn(self, process: Process, fds: list[int]) -> None: ...
    def next_uid(self) -> int: ...
    def to_host(self, message: dict[str, Any]) -> None: ...


class Request:
    """One request with one process: the roles call and program. Subclasses judge tests."""

    mode = "split"

    def __init__(self, runner: Runner, message: dict[str, Any]) -> None:
        self.runner = runner
        self.message = message
        self.id: str = message["id"]
        self.body: dict[str, Any] = message["body"]
        self.limits: dict[str, Any] = message["limits"]
        self.started = time.monotonic()
        self.deadline = self.started + float(self.limits["wall_s"])
        self.output = output.Output(int(self.limits["output_kept"]), int(self.limits["output_killed"]))
        self.processes: list[Process] = []
        self.stopped: Result | None = None  # why the runner ended it
        self.result: Result | None = None  # what it answered
        self.value: Any = None
        self.waiting: set[int] = set()
        self.reported = False
        self.oom_before = linux.oom_kills()

    def start(self) -> None:
        self._launch(message_role(self.body), self.body)

    def _launch(self, role: str, payload: dict[str, Any], data: socket.socket | None = None) -> Process:
        process = Process(role, self.runner.next_uid(), self.limits)
        self.processes.append(process)
        process.start(self.runner, self.output.writers, data)
        if data is not None:
            data.close()
        process.send({**payload, "result_bytes": self.limits["result_bytes"]})
        return process

    # What happens to it.

    def on_frames(self, process: Process) -> bool:
        """Read what `process` sent. False once it closed its end."""
        try:
            messages = process.receive()
            for message in messages or []:
                if message.get("op") == "up":
                    process.up = True
                else:
                    self.on_message(process, message)
        except (frames.FrameError, KeyError, TypeError, ValueError):
            self.on_broken(process)
            return True
        return messages is not None

    def on_broken(self, process: Process) -> None:
        """`process` sent what no process of ours sends."""
        self.stop(BROKEN)

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        """A frame of a child: a callback for the host, or the answer. Malformed ones raise."""
        op = message["op"]
        if op == "callback":
            number = int(message["call"])
            self.waiting.add(number)
            forward = {"t": "callback", "id": self.id, "call": number}
            self.runner.to_host({**forward, "method": str(message["method"]), "args": message["args"]})
        elif self.result is None and op == "value":
            self.value = message["value"]
            self.result = ("passed", None, "")
            self.end_processes()
        elif self.result is None and op in ("failed", "oom"):
            reason = message["reason"]
            if reason not in ("exception", "load", "too-big", "not-plain-data"):
                raise ValueError(reason)
            text = str(message["message"])[:4000]
            if op == "oom":
                self.result = "oom", None, self.at_limit(text)
            else:
                self.result = "failed", reason, text
            self.end_processes()

    def at_limit(self, message: str) -> str:
        """A MemoryError's message with the limit it met; the kernel's own kills are told by `ending`."""
        return f"{message} (a process may have {self.limits['memory_mb']} MB)"

    @property
    def readable(self) -> bool:
        return len(self.waiting) < _MAX_CALLBACKS

    def on_reply(self, message: dict[str, Any]) -> None:
        """The host answered a callback."""
        self.waiting.discard(message["call"])
        reply = {key: message[key] for key in ("call", "value", "error") if key in message}
        if self.result is None:
            self.processes[0].send({"op": "reply", **reply})

    def on_failed_spawn(self, error: str) -> None:
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
        used = max((process.cpu_s for process in self.processes), default=0.0)
        if used >= cpu_limit:
            self.stop(("timeout-cpu", None, f"it used its {cpu_limit:g} s of CPU time"))
            return 1.0
        if now >= self.deadline:
            self.stop(("timeout-wall", None, f"it did not end within {float(self.limits['wall_s']):g} s"))
            return 1.0
        return min(self.deadline - now, cpu_limit - used + _CPU_SLACK_S)

    def stop(self, result: Result) -> None:
        """End it for a reason of the runner's or the host's."""
        if self.stopped is None and self.result is None:
            self.stopped = result
        self.end_processes()

    def end_processes(self) -> None:
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
        return all(process.end is not None for process in self.processes)

    def outcome(self) -> Result:
        """Status, reason and message, once all processes ended."""
        if self.stopped is not None:
            return self.stopped
        if self.result is not None:
            return self.result
        return self.ending_of(self.processes[0])

    def ending_of(self, process: Process) -> Result:
        assert process.end is not None
        if not process.up and process.end.status >= 0:
            return "infra", "protocol", "a process could not be set up"
        oom = linux.oom_kills() > self.oom_before
        return ending(process.end, float(self.limits["cpu_s"]), oom, hung_up=process.killed)

    def report(self) -> dict[str, Any]:
        """The frame that tells the host."""
        self.output.drain()
        status, reason, message = self.outcome()
        stdout, stderr = self.output.texts()
        report = {"t": "done", "id": self.id, "status": status, "reason": reason, "message": message}
        usage = [process.usage for process in self.processes]
        report["usage"] = {
            "wall_ms": (time.monotonic() - self.started) * 1000,
            "cpu_ms": sum(cpu_ms for cpu_ms, _ in usage),
            "max_rss_kb": max((rss_kb for _, rss_kb in usage), default=0),
            "output_bytes": self.output.total,
        }
        report.update(stdout=stdout, stderr=stderr)
        if status == "passed":
            report["value"] = self.value
        return report

    def files(self) -> Iterator[dict[str, Any]]:
        """A frame for each file asked for, once the processes ended; the caller acts as their uid."""
        patterns = self.body.get("collect")
        if patterns and self.outcome()[0] != "infra":
            for file in files.collect(places.home(self.processes[0].uid), patterns):
                yield {"t": "file", "id": self.id, **file}

    def close(self) -> None:
        self.output.close()
        for process in self.processes:
            process.close()


def message_role(body: dict[str, Any]) -> str:
    return "call" if body["kind"] == "call" else "program"


class _Tests(Request):
    """A request whose answer is a result per test."""

    def __init__(self, runner: Runner, message: dict[str, Any]) -> None:
        super().__init__(runner, message)
        self.results: dict[int, dict[str, Any]] = {}

    def add(self, index: int, message: dict[str, Any]) -> None:
        if not 0 <= index < len(self.body["tests"]) or index in self.results:
            raise ValueError(index)
        keys = ("status", "reason", "message")
        result = {"index": index, **{key: message[key] for key in keys}}
        if result["status"] == "oom":
            result["message"] = self.at_limit(str(result["message"]))
        self.results[index] = result

    @property
    def answered(self) -> bool:
        return self.stopped is None and len(self.results) == len(self.body["tests"])

    def culprit(self) -> Result:
        """Why the tests without a result have none."""
        raise NotImplementedError

    def outcome(self) -> Result:
        if self.stopped is not None and self.stopped[0] in ("infra", "tampered"):
            self.results.clear()
        count = len(self.body["tests"])
        if len(self.results) < count:
            status, reason, message = self.stopped or self.culprit()
            for index in range(count):
                self.results.setdefault(
                    index, {"index": index, "status": status, "reason": reason, "message": message}
                )
        ordered = [self.results[index] for index in range(count)]
        if not ordered:
            return "failed", "no-verdict", "there are no tests to run"
        worst = next((r for r in ordered if r["status"] != "passed"), None)
        return ("passed", None, "") if worst is None else (worst["status"], worst["reason"], worst["message"])

    def report(self) -> dict[str, Any]:
        report = super().report()
        report["mode"] = self.mode
        report["tests"] = [self.results[index] for index in sorted(self.results)]
        return report


class SplitRequest(_Tests):
    """Tests judged by a checker process that gets only plain data from the solution process."""

    def start(self) -> None:
        self.one_process: str | None = None
        self.broken = False
        self.ended: float | None = None  # when the checker had nothing more to say
        for_solution, for_checker = socket.socketpair()
        body = self.body
        keys = ("tests", "entry_point", "prelude")
        self.checker = self._launch("checker", {key: body[key] for key in keys}, for_checker)
        payload = {"code": body["solution"], "entry_point": body["entry_point"]}
        self.solution = self._launch("solution", payload, for_solution)

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        if process is not self.checker:
            raise ValueError("the solution process has nothing to say to the runner")
        if message["op"] == "test":
            self.add(int(message["index"]), message)
        elif message["op"] == "in-process":
            why = str(message["why"])
            if self.body["mode"] == "split":
                self.stop(("failed", "no-verdict", f"the tests cannot be judged from another process: {why}"))
            else:
                self.one_process = why
                self.end_processes()
        elif message["op"] == "end":
            self.ended = time.monotonic()
            # With a result missing the solution is ending by itself, and how it does matters.
            if len(self.results) == len(self.body["tests"]):
                self.end_processes()

    def on_broken(self, process: Process) -> None:
        if process is self.solution:
            # The checker may be about to find that these tests need one process: it sees the end.
            self.broken = True
            process.kill()
        else:
            super().on_broken(process)

    def on_hangup(self, process: Process) -> None:
        """Both roles may close their control line early: how they end is what counts."""

    def check_limits(self, now: float) -> float:
        if self.ended is not None and now - self.ended > _GRACE_S:
            self.stop(("failed", "no-verdict", "the solution closed its connection"))
        return min(super().check_limits(now), 1.0 if self.ended is None else _GRACE_S)

    def culprit(self) -> Result:
        if self.broken:
            return BROKEN
        return self.ending_of(self.checker if self.ended is None else self.solution)


class OneProcessRequest(_Tests):
    """Tests that share a process with the solution; the order of frames is part of the tamper check."""

    mode = "in-process"

    def start(self) -> None:
        self.nonce: str | None = None
        keys = ("tests", "entry_point", "prelude")
        payload = {key: self.body[key] for key in keys}
        self._launch("inprocess", {**payload, "code": self.body["solution"]})

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        if message["op"] == "canaries" and self.nonce is None:
            found = message["found"]
            if found:
                self.stop(("tampered", None, "; ".join(str(item)[:200] for item in found[:5])))
                return
            self.nonce = os.urandom(16).hex()  # not `secrets`: it would load OpenSSL into every child
            process.send({"nonce": self.nonce})
        elif message["op"] == "verdict" and self.nonce is not None and message["nonce"] == self.nonce:
            tests = message["tests"]
            if len(tests) != len(self.body["tests"]):
                raise ValueError("the number of tests is wrong")
            for index, result in enumerate(tests):
                self.add(index, result)
            self.end_processes()
        else:
            self.stop(("tampered", None, "a verdict was sent before its turn"))

    def culprit(self) -> Result:
        return self.ending_of(self.processes[0])


def _check(runner: Runner, message: dict[str, Any]) -> Request:
    """Split, unless one process is asked for; where the mode is "auto" the checker may still ask for it."""
    kind = OneProcessRequest if message["body"]["mode"] == "in-process" else SplitRequest
    return kind(runner, message)


Factory = Callable[[Runner, dict[str, Any]], Request]
KINDS: dict[str, Factory] = {"call": Request, "program": Request, "check": _check}
