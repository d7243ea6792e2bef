"""Requests that judge tests: a checker with the tests, and a process with the solution."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

from . import messages
from .desk import Sitting
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
        self.line: socket.socket | None = None  # the checker's to the solution, while another may need it
        for_solution, for_checker = socket.socketpair()
        body = self.body
        self.mode = "split" if body["mode"] == "auto" else body["mode"]
        shared = {key: body[key] for key in ("entry_point", "prelude", "mode", "tolerance")}
        self._for_checker = {**shared, "tests": body["tests"]}
        self.sitting = self.runner.sitting(self.limits) if self.mode == "split" else None
        if self.sitting is None:
            self.checker = self._launch("checker", self._for_checker, for_checker)
        else:
            self.checker = self._sit(self.sitting, for_checker)
        self.solution = self._launch("solution", {**shared, "code": body["solution"]}, for_solution)

    def _sit(self, sitting: Sitting, line: socket.socket) -> Process:
        """Have the resident checker look at the tests. What another would need is kept until it does."""
        self.line = line
        self.processes.append(sitting)
        sitting.sit(line)
        sitting.send(self._for_checker)
        return sitting

    def launched(self) -> None:
        if self.line is None:
            super().launched()

    def _settled(self) -> None:
        """No other checker will be needed."""
        if self.line is not None:
            self.line.close()
            self.line = None
            super().launched()

    def _apart(self) -> None:
        """These tests need a process of their own. Raises SchemaError where they have one."""
        line, self.line = self.line, None
        if line is None:
            raise SchemaError("the checker is its own already")
        self.checker = self._launch("checker", self._for_checker, line)
        self.runner.adopt(self, self.checker)
        super().launched()

    def close(self) -> None:
        super().close()
        if self.line is not None:
            self.line.close()

    def on_message(self, process: Process, message: dict[str, Any], body: bytes) -> None:
        op = message["op"]
        if self.sitting is not None and process is self.sitting and op in ("apart", "end"):
            self.sitting.rise()
        if op == "apart":
            self._apart()
            return
        self._settled()
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
        """With a resident checker not before that is free again: it must not be ended as others are."""
        done = self.sitting is None or self.sitting.end is not None
        return super().answered and self.ended is not None and done

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
        if self.sitting is not None and self.sitting.end is not None:
            self._settled()  # or it is gone, and only we keep the solution waiting
        if self.ended is not None and now - self.ended > _GRACE_S:
            self.stop(("failed", "no-verdict", "the solution closed its connection"))
        return min(super().check_limits(now), 1.0 if self.ended is None else _GRACE_S)

    def outcome(self) -> Result:
        if self.ended is None and len(self.results) == len(self.body["tests"]):
            self.results.clear()  # the checker had not said yet whether they count
        return super().outcome()

    def culprit(self) -> Result:
        if self.broken:
            return self.broken
        return self.ending_of(self.checker if self.ended is None else self.solution)


Factory = Callable[[Runner, dict[str, Any]], Request]
KINDS: dict[str, Factory] = {"call": Request, "program": Request, "check": CheckRequest}
