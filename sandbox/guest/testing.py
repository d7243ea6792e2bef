"""Requests that judge tests: in a process of their own beside the solution's, or in one with it."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from .desk import Seat
from .process import Process
from .request import BROKEN, Request, Result, Runner

_STATUSES = ("passed", "failed", "oom", "tampered")
_REASONS = (None, "assert", "exception", "load", "not-plain-data", "too-big", "no-verdict")
_GRACE_S = 0.5  # for a solution that hung up to end by itself, so that how it ended is known


class _Tests(Request):
    """A request whose answer is a result per test."""

    def __init__(self, runner: Runner, message: dict[str, Any]) -> None:
        super().__init__(runner, message)
        self.results: dict[int, dict[str, Any]] = {}

    def add(self, index: int, message: dict[str, Any]) -> None:
        if not 0 <= index < len(self.body["tests"]) or index in self.results:
            raise ValueError(index)
        if message["status"] not in _STATUSES or message["reason"] not in _REASONS:
            raise ValueError(message["status"])  # from a process that the solution shares, it may be anything
        keys = ("status", "reason")
        result = {
            "index": index,
            **{key: message[key] for key in keys},
            "message": str(message["message"])[:4000],
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
        report["mode"] = self.mode
        report["tests"] = [self.results[index] for index in sorted(self.results)]
        return report


class SplitRequest(_Tests):
    """Tests judged by a checker process that gets only plain data from the solution process."""

    def start(self) -> None:
        self.one_process: str | None = None
        self.broken = False
        self.ended: float | None = None  # when the checker had nothing more to say
        self.line: socket.socket | None = None
        for_solution, for_checker = socket.socketpair()
        body = self.body
        self.seat = self.runner.seat(self.limits)
        if self.seat is None:
            self.checker = self._launch("checker", self._for_checker, for_checker)
        else:
            self.checker = self._sit(self.seat, for_checker)
        payload = {"code": body["solution"], "entry_point": body["entry_point"], "prelude": body["prelude"]}
        self.solution = self._launch("solution", payload, for_solution)

    @property
    def _for_checker(self) -> dict[str, Any]:
        keys = ("tests", "entry_point", "prelude", "tolerance")
        return {key: self.body[key] for key in keys}

    def _sit(self, seat: Seat, line: socket.socket) -> Process:
        """Have the resident checker look at the tests. What another would need is kept until it does."""
        self.line = line
        self.processes.append(seat)
        seat.sit(line)
        seat.send({**self._for_checker, "result_bytes": self.limits["result_bytes"]})
        return seat

    def launched(self) -> None:
        if self.line is None:
            super().launched()

    def _accepted(self) -> None:
        """It judges them itself."""
        if self.line is not None:
            self.line.close()
            self.line = None
            self.output.close_writers()

    def _apart(self) -> None:
        """These tests need a process of their own."""
        line, self.line = self.line, None
        if line is not None:
            self.checker = self._launch("checker", self._for_checker, line)
            self.runner.adopt(self, self.checker)
            self.output.close_writers()

    @property
    def answered(self) -> bool:
        """With a resident checker not before that is free again: it must not be ended as others are."""
        return super().answered and (self.seat is None or self.seat.end is not None)

    def close(self) -> None:
        super().close()
        if self.line is not None:
            self.line.close()

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        if process is not self.checker:
            raise ValueError("the solution process has nothing to say to the runner")
        op = message["op"]
        if self.seat is not None and process is self.seat:
            if op != "test":
                self.seat.rise()
            if op == "apart":
                self._apart()
                return
            self._accepted()
        if op == "test":
            self.add(int(message["index"]), message)
        elif op == "in-process":
            why = str(message["why"])
            if self.body["mode"] == "split":
                self.stop(("failed", "no-verdict", f"the tests cannot be judged from another process: {why}"))
            else:
                self.one_process = why
                self.end_processes()
        elif op == "end":
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
        if self.seat is not None and self.seat.end is not None:
            self._accepted()  # or it is gone, and only we keep the solution waiting
        if self.ended is not None and now - self.ended > _GRACE_S:
            self.stop(("failed", "no-verdict", "the solution closed its connection"))
        return min(super().check_limits(now), 1.0 if self.ended is None else _GRACE_S)

    def culprit(self) -> Result:
        if self.broken:
            return BROKEN
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

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        op = message["op"]
        if op == "test" and self.nonce is None and message["index"] == len(self.reported_by_test):
            self.reported_by_test.append(message)
        elif op == "canaries" and self.nonce is None:
            found = message["found"]
            if found:
                self.stop(("tampered", None, "; ".join(str(item)[:200] for item in found[:5])))
                return
            self.nonce = os.urandom(16).hex()  # not `secrets`: it would load OpenSSL into every child
            process.send({"nonce": self.nonce})
        elif op == "verdict" and self.nonce is not None and message["nonce"] == self.nonce:
            if len(self.reported_by_test) != len(self.body["tests"]):
                raise ValueError("the number of tests is wrong")
            for index, result in enumerate(self.reported_by_test):
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
