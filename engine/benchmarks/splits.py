"""Divisions of a benchmark's problems by name: `all`, `official`, `aflow-1:4`, `flowreasoner`.

A window of dates, `2024-08..2025-01`, is a division of problems that have a date.
`NAME/train`, `NAME/val` and `NAME/test` are a division's parts, `NAME` is all of them. Sizes are the papers'.
Not all papers publish which problems are in which part, so here the parts follow from the seed and the
problems' ids alone: problems are ordered by SHA-256 of "SEED:ID", and each part takes its number from that
order. The same seed gives the same parts on every machine, whatever the order of the file.

This divides problems. A problem's own tests are divided by its adapter (`visible`, `val`, `test`).
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from engine.problems import Problem, ProblemError

# (val, test) where it is not a fifth and the rest: sizes that AFlow's and MaAS's reports give.
_AFLOW_SIZES = {"math": (119, 486), "hotpotqa": (200, 800), "drop": (200, 800)}
_AFLOW_SUBJECTS = ("counting & probability", "number theory", "prealgebra", "precalculus")
FLOWREASONER_BIGCODEBENCH = 300  # test problems behind the paper's Tables 1 and 2
# MBPP's own test part: task ids 11 to 510 (Austin et al. 2021, Section 2.1).
_MBPP_TEST = range(11, 511)
_POCKET_SIZES = (8, 8)  # train and val; the rest is test
_DATE = r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01]))?)?"
_WINDOW = re.compile(rf"(?=.*\d)(?P<first>{_DATE})?\.\.(?P<last>{_DATE})?", re.ASCII)
WINDOW = ("FROM..TO", "LiveCodeBench: contests in these months or days as test, older ones as val")


PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Parts:
    """A division: `train` is for training, `val` is what a search may learn from, `test` what is reported;
    all in the benchmark's order.
    """

    val: tuple[Problem, ...]
    test: tuple[Problem, ...]
    train: tuple[Problem, ...] = ()


def split(problems: Sequence[Problem], name: str, seed: int = 0) -> list[Problem]:
    """The problems of a division (`NAME`) or one of its parts (`NAME/train`, `NAME/val`, `NAME/test`), in the
    benchmark's order.

    Raises:
        ProblemError: there is no such division or part, it does not apply to this benchmark, or is empty.
    """
    division, _, part = name.partition("/")
    if part not in ("", *PARTS):
        raise ProblemError(f"there is no part {part!r} of {division}; use {division}/val or {division}/test")
    parts = divide(problems, division, seed)
    chosen = [p for name in ([part] if part else PARTS) for p in getattr(parts, name)]
    if not chosen:
        raise ProblemError(
            f"{name} is empty for {_benchmark(problems) or 'these problems'}; use {division}/test, or all"
        )
    ids = {problem.id for problem in chosen}
    return [problem for problem in problems if problem.id in ids]


def divide(problems: Sequence[Problem], division: str, seed: int = 0) -> Parts:
    """Both parts of a division. `all` has everything in `test`.

    Raises:
        ProblemError: there is no such division, or it does not apply to this benchmark.
    """
    if (window := _WINDOW.fullmatch(division)) is not None:
        return _dated(problems, window["first"] or "", window["last"] or "")
    if division not in DIVISIONS:
        names = ", ".join(DIVISIONS)
        raise ProblemError(
            f"there is no split {division!r}; there are {names}, dates as in 2024-08..2025-01, and their "
            "/val and /test"
        )
    return DIVISIONS[division][0](problems, seed)


def _all(problems: Sequence[Problem], seed: int) -> Parts:
    return Parts((), tuple(problems))


def _official(problems: Sequence[Problem], seed: int) -> Parts:
    if _benchmark(problems) == "pocket":
        train, val = _POCKET_SIZES
        rest = _take(problems, train, len(problems) - train, seed)
        kept = _take(rest.test, val, len(rest.test) - val, seed)
        return Parts(kept.val, kept.test, rest.val)
    if not _benchmark(problems).startswith("mbpp"):
        return _all(problems, seed)
    held = [p.metadata.get("task_id") in _MBPP_TEST for p in problems]
    pairs = list(zip(problems, held, strict=True))
    return Parts(tuple(p for p, test in pairs if not test), tuple(p for p, test in pairs if test))


def _aflow(problems: Sequence[Problem], seed: int) -> Parts:
    """A fifth, rounded up, is `val` (33 of 164, 86 of 427, 264 of 1319) and the rest `test`; of MATH 119 and
    486 of level 5 in four subjects; of HotpotQA and DROP 200 and 800. With fewer problems, a fifth again.
    """
    name = _benchmark(problems)
    eligible = [p for p in problems if name != "math" or _of_aflow_math(p)]
    val, test = _AFLOW_SIZES.get(name, (0, 0))
    if not val or len(eligible) < val + test:
        val = math.ceil(len(eligible) / 5)
        test = len(eligible) - val
    return _take(eligible, val, test, seed)


def _flowreasoner(problems: Sequence[Problem], seed: int) -> Parts:
    """BigCodeBench: 300 for `test` and none for `val`; HumanEval and MBPP as `aflow-1:4` (131 and 341)."""
    if _benchmark(problems).startswith("bigcodebench"):
        return _take(problems, 0, min(FLOWREASONER_BIGCODEBENCH, len(problems)), seed)
    if not _benchmark(problems).startswith(("humaneval", "mbpp")):
        raise ProblemError(
            f"the FlowReasoner paper does not use {_benchmark(problems)}; choose another split"
        )
    return _aflow(problems, seed)


def _dated(problems: Sequence[Problem], first: str, last: str) -> Parts:
    """Contests from `first` to `last`, both included, are `test`; those before are `val`, so that what a
    search learns from is older than what is reported.
    """
    dates = [str(p.metadata.get("contest_date", "")) for p in problems]
    if not all(dates):
        raise ProblemError(f"{_benchmark(problems) or 'these problems'} have no dates; choose another split")
    if last and last[: len(first)] < first[: len(last)]:
        raise ProblemError(f"the split {first}..{last} ends before it begins; write EARLIER..LATER")
    pairs = list(zip(problems, dates, strict=True))
    val = tuple(p for p, date in pairs if first and date[: len(first)] < first)
    test = (p for p, date in pairs if date[: len(first)] >= first and (not last or date[: len(last)] <= last))
    return Parts(val, tuple(test))


Division = Callable[[Sequence[Problem], int], Parts]
# Name → how problems are divided, and what it is.
DIVISIONS: dict[str, tuple[Division, str]] = {
    "all": (_all, "every problem, as test"),
    "official": (
        _official,
        "MBPP: task ids 11 to 510 as test; pocket: 8 train, 8 val, 25 test; elsewhere every problem",
    ),
    "aflow-1:4": (_aflow, "AFlow's and MaAS's sizes: one part val, four parts test"),
    "flowreasoner": (_flowreasoner, "the paper's test sizes: BigCodeBench 300, HumanEval 131, MBPP 341"),
}


def _take(problems: Sequence[Problem], val: int, test: int, seed: int) -> Parts:
    def order(problem: Problem) -> str:
        return hashlib.sha256(f"{seed}:{problem.id}".encode()).hexdigest()

    drawn = sorted(problems, key=order)
    first, second = {p.id for p in drawn[:val]}, {p.id for p in drawn[val : val + test]}
    return Parts(tuple(p for p in problems if p.id in first), tuple(p for p in problems if p.id in second))


def _of_aflow_math(problem: Problem) -> bool:
    """Level 5 of the four subjects; a record that does not say is taken as chosen already."""
    level, subject = problem.metadata.get("level"), problem.metadata.get("type")
    return level in (None, "Level 5") and (subject is None or str(subject).lower() in _AFLOW_SUBJECTS)


def _benchmark(problems: Sequence[Problem]) -> str:
    return str(problems[0].metadata.get("benchmark", "")) if problems else ""
