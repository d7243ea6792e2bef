"""Requests that judge tests: a checker with the tests, and a process with the solution."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from . import messages
from .process import Process
from .request import Request, Result, Runner
from .schema import SchemaError

_GRACE_S = 0.5  # for a solution that hung up to end by itself, so that how it ended is known


class _Tests(Request):
    """A request whose answer is a result per test."""

    def __init__(self, runner: Runner, message: dict[str, Any]) -> None:
        super().__init__(runner, message)
        self.results: dict[int, dict[str, Any]] = {}

    def add(self, index: int, message: dict[str, Any]) -> None:
        if index >= len(self.body["tests"]) or index in self.results:
            raise SchemaError(f"test {index} has a result already, or is none")
        keys = ("status", "reason")
        result = {
            "index": index,
            **{key: message[key] for key in keys},
            "message": message["message"][:4000],
        }
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
            missing = {"status": status, "reason": reason, "message": message[: messages.MAX_MESSAGE]}
            for index in range(count):
                self.results.setdefault(index, {"index": index, **missing})
        ordered = [self.results[index] for index in range(count)]
        if not ordered:
            return "failed", "no-verdict", "there are no tests to run"
        worst = next((r for r in ordered if r["status"] != "passed"), None)
        return ("passed", None, "") if worst is None else (worst["status"], worst["reason"], worst["message"])

    def report(self) -> dict[str, Any]:
        report = super().report()
        report["tests"] = [self.results[index] for index in sorted(self.results)]
        return report


class CheckRequest(_Tests):
    """Tests judged by a checker process; the solution's process has no line to here that counts."""

    def start(self) -> None:
        self.broken: Result | None = None
        self.ended: float | None = None  # when the checker had nothing more to say
        for_solution, for_checker = socket.socketpair()
        body = self.body
        self.mode = "split" if body["mode"] == "auto" else body["mode"]
        shared = {key: body[key] for key in ("entry_point", "prelude", "mode", "tolerance")}
        self.checker = self._launch("checker", {**shared, "tests": body["tests"]}, for_checker)
        self.solution = self._launch("solution", {**shared, "code": body["solution"]}, for_solution)

    def on_message(self, process: Process, message: dict[str, Any], body: bytes) -> None:
        op = message["op"]
        if op == "test":
            self.add(message["index"], message)
        elif op == "mode":
            self.mode = message["mode"]
        elif op == "refused":
            why = message["why"]
            self.stop(("failed", "no-verdict", f"the tests cannot be judged from another process: {why}"))
        elif op == "tampered":
            self.stop(("tampered", None, message["why"]))
        else:
            self.ended = time.monotonic()
            # With a result missing the solution is ending by itself, and how it does matters.
            if len(self.results) == len(self.body["tests"]):
                self.end_processes()

    @property
    def answered(self) -> bool:
        return super().answered and self.ended is not None

    def on_broken(self, process: Process, result: Result) -> None:
        if process is self.solution:
            # The checker may be about to refuse these tests: it sees the end.
            self.broken = result
            process.kill()
        else:
            super().on_broken(process, result)

    def on_hangup(self, process: Process) -> None:
        """Both roles may close their control line early: how they end is what counts."""

    def check_limits(self, now: float) -> float:
        if self.ended is not None and now - self.ended > _GRACE_S:
            self.stop(("failed", "no-verdict", "the solution closed its connection"))
        return min(super().check_limits(now), 1.0 if self.ended is None else _GRACE_S)

    def culprit(self) -> Result:
        if self.broken:
            return self.broken
        return self.ending_of(self.checker if self.ended is None else self.solution)


Factory = Callable[[Runner, dict[str, Any]], Request]
KINDS: dict[str, Factory] = {"call": Request, "program": Request, "check": CheckRequest}
