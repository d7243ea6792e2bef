"""Requests that judge tests: a checker with the tests, and a process with the solution."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from .process import Process
from .request import BROKEN, Request, Result, Runner

_STATUSES = ("passed", "failed", "oom", "tampered")
_REASONS = (None, "assert", "exception", "load", "not-plain-data", "too-big", "no-verdict")
_MODES = ("split", "objects", "in-process")
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


class CheckRequest(_Tests):
    """Tests judged by a checker process; the solution's process has no line to here that counts."""

    def start(self) -> None:
        self.broken = False
        self.ended: float | None = None  # when the checker had nothing more to say
        for_solution, for_checker = socket.socketpair()
        body = self.body
        self.mode = "split" if body["mode"] == "auto" else body["mode"]
        keys = ("tests", "entry_point", "prelude", "mode")
        self.checker = self._launch("checker", {key: body[key] for key in keys}, for_checker)
        payload = {key: body[key] for key in ("entry_point", "prelude", "mode")}
        self.solution = self._launch("solution", {**payload, "code": body["solution"]}, for_solution)

    def on_message(self, process: Process, message: dict[str, Any]) -> None:
        if process is not self.checker:
            raise ValueError("the solution process has nothing to say to the runner")
        op = message["op"]
        if op == "test":
            self.add(int(message["index"]), message)
        elif op == "mode" and message["mode"] in _MODES:
            self.mode = message["mode"]
        elif op == "refused":
            why = str(message["why"])
            self.stop(("failed", "no-verdict", f"the tests cannot be judged from another process: {why}"))
        elif op == "tampered":
            self.stop(("tampered", None, str(message["why"])[:1000]))
        elif op == "end":
            self.ended = time.monotonic()
            # With a result missing the solution is ending by itself, and how it does matters.
            if len(self.results) == len(self.body["tests"]):
                self.end_processes()

    @property
    def answered(self) -> bool:
        return super().answered and self.ended is not None

    def on_broken(self, process: Process) -> None:
        if process is self.solution:
            # The checker may be about to refuse these tests: it sees the end.
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


Factory = Callable[[Runner, dict[str, Any]], Request]
KINDS: dict[str, Factory] = {"call": Request, "program": Request, "check": CheckRequest}
