"""Judging code by tests, as its problem requires: the image's limits, the mode, the tolerance, enough
time.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from engine.problems import SPLITS, Problem
from engine.program_tests import as_program_test, judge_program
from sandbox.types import Limits, Mode, ModeChoice, Sandbox, Usage, Verdict

# A verdict's mode in words, and in a word or two where there is little room.
MODES: dict[str, str] = {
    "split": "from outside: only values crossed",
    "objects": "from outside: objects of the solution answered for themselves",
    "in-process": "in one process: cheats are detected, not prevented",
}
SHORT: dict[str, str] = {"objects": "objects", "in-process": "one process"}

_LIMITS = {
    "core": Limits(wall_s=25.0, cpu_s=5.0),
    # Importing, fitting and plotting take time; BigCodeBench's own limits are 240 s and 30 GiB.
    "science": Limits(cpu_s=30.0, memory_mb=1024),
}
# One test in a process of its own, by default: LiveCodeBench's limit.
_APART_CPU_S = 6.0
_REFERENCE_CPU_S = 60.0  # the limit of the reference itself
_TIMES_REFERENCE = 4.0  # as in EvalPlus: a solution may take this many times as long as the reference


def limits_of_tests(problem: Problem) -> Limits:
    """The limits of a problem's tests, which depend on the image they run in; those of a single test where
    each has processes of its own.
    """
    limits = _LIMITS.get(problem.image, _LIMITS["core"])
    if problem.cpu_s is None and not problem.is_program:
        return limits
    return replace(limits, cpu_s=problem.cpu_s or _APART_CPU_S, wall_s=0.0)


def _limits_of_reference(problem: Problem) -> Limits:
    """The limits of the reference solution: it gets more time, since it is known to end."""
    limits = limits_of_tests(problem)
    return replace(limits, cpu_s=max(_REFERENCE_CPU_S, limits.cpu_s), wall_s=0.0)


async def mode_for(problem: Problem, tests: Sequence[str], sandbox: Sandbox) -> ModeChoice:
    """The mode for `tests`, which is chosen before any solution is seen and never depends on one.

    It is the problem's own where it names one, else the strongest in which its reference solution passes. It
    is "auto", so that the text of the tests decides, for a problem without a reference that passes, and for
    tests that are not the problem's.

    Raises:
        SandboxError: the sandbox failed to give a verdict twice.
    """
    own = {test for split in SPLITS for test in getattr(problem.tests, split)}
    chosen = problem.mode != "auto" or problem.is_program  # what a program prints is compared outside
    if chosen or problem.reference is None or not tests or not own.issuperset(tests):
        return problem.mode
    try:
        return await sandbox.choose_mode(
            problem.reference,
            tests,
            entry_point=problem.entry_point,
            prelude=problem.prelude,
            limits=_limits_of_reference(problem),
            tolerance=problem.tolerance,
        )
    except ValueError:  # its reference passes in none, which `engine.benchmarks.verify` reports
        return "auto"


async def judge(
    sandbox: Sandbox, problem: Problem, code: str, tests: Sequence[str], *, entry_point: str | None = None
) -> Verdict:
    """The verdict of `tests`, the problem's or others, on `code`. `entry_point` is the function to test where
    the problem names none.

    Code that ran out of time is judged once more where four times the time that the reference solution takes
    on this machine is more than the limit was; that is its limit then. Tests of a whole program, and those of
    a problem with a time for each test, run in processes of their own and keep to that time.

    Raises:
        SandboxError: the sandbox failed to give a verdict twice.
    """
    options: dict[str, Any] = {
        "entry_point": problem.entry_point or entry_point,
        "prelude": problem.prelude,
        "limits": limits_of_tests(problem),
        "tolerance": problem.tolerance,
        "mode": await mode_for(problem, tests, sandbox),
    }

    async def alone(source: str) -> Verdict:
        test = as_program_test(source)
        if test is None:
            return await sandbox.check(code, [source], **options)
        given = {name: options[name] for name in ("limits", "prelude", "tolerance")}
        return await judge_program(sandbox, code, test, **given)

    if tests and (problem.cpu_s is not None or any(map(as_program_test, tests))):
        return await _one_by_one(tests, alone)
    verdict = await sandbox.check(code, tests, **options)
    if not verdict.status.startswith("timeout"):
        return verdict
    limits = await _by_reference(sandbox, problem, tests, options)
    return verdict if limits is None else await sandbox.check(code, tests, **{**options, "limits": limits})


async def _one_by_one(tests: Sequence[str], one: Callable[[str], Awaitable[Verdict]]) -> Verdict:
    """The verdict of tests that are judged apart, each by `one`. Once one runs into a limit, the others are
    not run and count as that one does. The mode is the weakest of theirs.
    """
    verdicts: list[Verdict] = []
    for test in tests:
        verdicts.append(await one(test))
        if verdicts[-1].status not in ("passed", "failed"):
            break
    results = [v.tests[0] for v in verdicts]
    results += results[-1:] * (len(tests) - len(results))
    worst = next((v for v in verdicts if v.status != "passed"), verdicts[-1])
    modes = get_args(Mode)
    return replace(
        worst,
        tests=tuple(replace(result, index=index) for index, result in enumerate(results)),
        mode=max((v.mode for v in verdicts), key=modes.index),
        usage=_together([v.usage for v in verdicts]),
    )


def _together(usages: Sequence[Usage]) -> Usage:
    """What requests after one another cost."""
    return Usage(
        wall_ms=sum(u.wall_ms for u in usages),
        cpu_ms=sum(u.cpu_ms for u in usages),
        max_rss_kb=max(u.max_rss_kb for u in usages),
        output_bytes=sum(u.output_bytes for u in usages),
        queue_ms=sum(u.queue_ms for u in usages),
    )


async def _by_reference(
    sandbox: Sandbox, problem: Problem, tests: Sequence[str], options: dict[str, Any]
) -> Limits | None:
    """The limits by the reference's own time; None where these are no wider, or the reference fails."""
    given: Limits = options["limits"]
    if problem.reference is None:
        return None
    wide = _limits_of_reference(problem)
    measured = await sandbox.check(problem.reference, tests, **{**options, "limits": wide})
    cpu_s = _TIMES_REFERENCE * measured.usage.cpu_ms / 1000
    if measured.status != "passed" or cpu_s <= given.cpu_s:
        return None
    return replace(given, cpu_s=cpu_s, wall_s=0.0)


def told(mode: object) -> str:
    """A verdict's mode in words; "" where it is not a known one."""
    return MODES.get(mode, "") if isinstance(mode, str) else ""


def remedy(verdict: Mapping[str, Any]) -> str:
    """What would allow tests to be judged whose results could not be compared, from a verdict's JSON; ""
    where there are none.
    """
    tests = verdict.get("tests")
    known = tests if isinstance(tests, list | tuple) else ()
    reasons = [test.get("reason") for test in known if isinstance(test, Mapping)]
    if verdict.get("mode") == "in-process" or not {"not-plain-data", "too-big"} & {*map(str, reasons)}:
        return ""
    weaker = '"objects" or "in-process"' if verdict.get("mode") == "split" else '"in-process"'
    return f'a reference solution, or "mode": {weaker} in its metadata, would let such answers be judged'
