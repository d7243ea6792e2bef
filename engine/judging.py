"""In which mode a problem's tests are judged: chosen before any solution is seen, and never by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.problems import Problem
from sandbox.types import Limits, ModeChoice, Sandbox

# How a verdict's mode is told to people, and in a word where there is little room.
MODES: dict[str, str] = {
    "split": "from outside: only values crossed",
    "objects": "from outside: objects of the solution answered for themselves",
    "in-process": "in one process: cheats are detected, not prevented",
}
SHORT: dict[str, str] = {"objects": "objects", "in-process": "one process"}


async def mode_for(problem: Problem, tests: Sequence[str], sandbox: Sandbox, limits: Limits) -> ModeChoice:
    """The mode for `tests` under `limits`: the problem's own where it names one, else the strongest in which
    its reference solution passes. Without one that passes, "auto": the text of the tests decides.

    Raises SandboxError.
    """
    reference = problem.metadata.get("reference")
    if problem.mode != "auto" or not tests or not isinstance(reference, str) or not reference.strip():
        return problem.mode
    try:
        return await sandbox.choose_mode(
            reference,
            tests,
            entry_point=problem.entry_point,
            prelude=problem.prelude,
            limits=limits,
        )
    except ValueError:  # its reference passes in none: `verify` says so
        return "auto"


def told(mode: object) -> str:
    """A verdict's mode in words; "" for what is none."""
    return MODES.get(mode, "") if isinstance(mode, str) else ""


def remedy(verdict: Mapping[str, Any]) -> str:
    """What would let a test be judged whose answer could not be, by a verdict's JSON; "" where all were."""
    tests = verdict.get("tests")
    known = tests if isinstance(tests, list | tuple) else ()
    reasons = [test.get("reason") for test in known if isinstance(test, Mapping)]
    if verdict.get("mode") == "in-process" or not {"not-plain-data", "too-big"} & {*map(str, reasons)}:
        return ""
    weaker = '"objects" or "in-process"' if verdict.get("mode") == "split" else '"in-process"'
    return f'a reference solution, or "mode": {weaker} in its metadata, would let such answers be judged'
