"""Code against tests, as its problem wants it: the image's limits, the mode, the tolerance, fair time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.problems import Problem
from sandbox.types import Limits, Sandbox, Verdict

_LIMITS = {
    "core": Limits(wall_s=25.0, cpu_s=5.0),
    # Importing, fitting and plotting take their time; BigCodeBench's own limits are 240 s and 30 GiB.
    "science": Limits(cpu_s=30.0, memory_mb=1024),
}
_REFERENCE_CPU_S = 60.0  # what the reference itself may take, when its time is wanted
_TIMES_REFERENCE = 4.0  # as evalplus: a solution may take so many times what the reference took


def limits_of_tests(problem: Problem) -> Limits:
    """What a problem's tests may use, which depends on the image they run in."""
    return _LIMITS.get(problem.image, _LIMITS["core"])


def options_of_tests(problem: Problem) -> dict[str, Any]:
    """How a problem's tests are judged, as `Sandbox.check` and `Sandbox.choose_mode` take it."""
    return {
        "entry_point": problem.entry_point,
        "prelude": problem.prelude,
        "limits": limits_of_tests(problem),
        "tolerance": problem.tolerance,
    }


async def judge(
    sandbox: Sandbox, problem: Problem, code: str, tests: Sequence[str], *, entry_point: str | None = None
) -> Verdict:
    """`code` against `tests`, some of the problem's or others. `entry_point`: where the problem names none.

    Code that ran out of time gets, once, four times what the reference solution takes here and now, where
    there is one and that is more than the limit was.

    Raises:
        SandboxError: the sandbox could not give a verdict twice.
    """
    named = problem.entry_point or entry_point
    options: dict[str, Any] = {**options_of_tests(problem), "mode": problem.mode, "entry_point": named}
    verdict = await sandbox.check(code, tests, **options)
    if not verdict.status.startswith("timeout"):
        return verdict
    limits = await _by_reference(sandbox, problem, tests, options)
    return verdict if limits is None else await sandbox.check(code, tests, **{**options, "limits": limits})


async def _by_reference(
    sandbox: Sandbox, problem: Problem, tests: Sequence[str], options: dict[str, Any]
) -> Limits | None:
    """The limits that the reference's own time suggests, where they are wider. None too where it fails."""
    given: Limits = options["limits"]
    if problem.reference is None:
        return None
    wide = replace(given, cpu_s=max(_REFERENCE_CPU_S, given.cpu_s), wall_s=0.0)
    measured = await sandbox.check(problem.reference, tests, **{**options, "limits": wide})
    cpu_s = _TIMES_REFERENCE * measured.usage.cpu_ms / 1000
    if measured.status != "passed" or cpu_s <= given.cpu_s:
        return None
    return replace(given, cpu_s=cpu_s, wall_s=0.0)
