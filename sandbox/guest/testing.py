"""Requests that judge tests: in a process of their own beside the solution's, or in one with it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

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
        report["tests"] = [self.results[index] for index in sorted(self.results)]
        return report


class SplitRequest(_Tests):
    """Tests judged by a checker process that gets only plain data from the solution process."""

    def start(self) -> None:
        self.one_process: str | None = None
        self.broken: Result | None = None
        self.ended: float | None = None  # when the checker had nothing more to say
        for_solution, for_checker = socket.socketpair()
        body = self.body
        keys = ("tests", "entry_point", "prelude", "tolerance")
        self.checker = self._launch("checker", {key: body[key] for key in keys}, for_checker)
        payload = {"code": body["solution"], "entry_point": body["entry_point"], "prelude": body["prelude"]}
        self.solution = self._launch("solution", payload, for_solution)

    def on_message(self, process: Process, message: dict[str, Any], body: bytes) -> None:
        if message["op"] == "test":
            self.add(message["index"], message)
        elif message["op"] == "in-process":
            why = message["why"]
            if self.body["mode"] == "split":
                self.stop(("failed", "no-verdict", f"the tests cannot be judged from another process: {why}"))
            else:
                self.one_process = why
                self.end_processes()
        else:
            self.ended = time.monotonic()
            # With a result missing the solution is ending by itself, and how it does matters.
            if len(self.results) == len(self.body["tests"]):
                self.end_processes()

    def on_broken(self, process: Process, result: Result) -> None:
        if process is self.solution:
            # The checker may be about to find that these tests need one process: it sees the end.
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


class OneProcessRequest(_Tests):
    """Tests that share a process with the solution; the order of frames is part of the tamper check.

    A result leaves that process as soon as there is one, and counts when the verdict comes in its turn.
    """

    mode = "in-process"

    def start(self) -> None:
        self.nonce: str | None = None
        self.reported_by_test: list[dict[str, Any]] = []
        keys = ("tests", "entry_point", "prelude", "tolerance")
        payload = {key: self.body[key] for key in keys}
        self._launch("inprocess", {**payload, "code": self.body["solution"]})

    def on_message(self, process: Process, message: dict[str, Any], body: bytes) -> None:
        op = message["op"]
        if op == "test" and self.nonce is None and message["index"] == len(self.reported_by_test):
            self.reported_by_test.append(message)
        elif op == "canaries" and self.nonce is None:
            found = message["found"]
            if found:
                self.stop(("tampered", None, "; ".join(found[:5])))
                return
            self.nonce = os.urandom(16).hex()  # not `secrets`: it would load OpenSSL into every child
            process.send({"nonce": self.nonce})
        elif op == "verdict" and self.nonce is not None and message["nonce"] == self.nonce:
            if len(self.reported_by_test) != len(self.body["tests"]):
                raise SchemaError("the number of tests is wrong")
            for index, result in enumerate(self.reported_by_test):
                self.add(index, result)
            self.end_processes()
        else:
            self.stop(("tampered", None, "a verdict was sent before its turn"))

    def on_broken(self, process: Process, result: Result) -> None:
        """Our part of the process sends what it may: this is the solution's doing."""
        self.stop(("tampered", None, result[2]))

    def culprit(self) -> Result:
        return self.ending_of(self.processes[0])


def _check(runner: Runner, message: dict[str, Any]) -> Request:
    """Split, unless one process is asked for; where the mode is "auto" the checker may still ask for it."""
    kind = OneProcessRequest if message["body"]["mode"] == "in-process" else SplitRequest
    return kind(runner, message)


Factory = Callable[[Runner, dict[str, Any]], Request]
KINDS: dict[str, Factory] = {"call": Request, "program": Request, "check": _check}
