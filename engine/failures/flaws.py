"""The flaws of an answer, as a verdict shows them: each different one once, with the first test that
shows it.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.source import parse

Kind = Literal[
    "syntax",
    "missing",
    "raised",
    "wrong-value",
    "wrong-answer",
    "timeout",
    "memory",
    "tampered",
    "no-verdict",
]
# How a flaw ranks: what keeps every test from running comes before what one test shows.
_ORDER: tuple[Kind, ...] = (
    "no-verdict", "tampered", "syntax", "missing", "timeout", "memory",
    "raised", "wrong-value", "wrong-answer",
)  # fmt: skip
_SYNTAX = re.compile(r"(?:SyntaxError|IndentationError|TabError)\b")
_MISSING = re.compile(r"NameError: the solution defines no\b")
_ERROR = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Interrupt|Exit|Iteration|Warning)\b")
_PLACE = re.compile(r"\s*\(solution\.py, line (\d+)\)\s*$")
_FRAME = re.compile(r'File "solution\.py", line (\d+)')
_GOT = "  # got "
_MOST_TESTS = 1_000
_MOST_CHARS = 4_000


@dataclass(frozen=True)
class Flaw:
    """One thing that is wrong with an answer. `test` is the index of the first test that shows it, `times`
    how many tests do.

    `error` is the exception's class and message. A wrong value has no error; it has the source of the `call`
    and the values `expected` and `got`, as far as the test tells. `line` counts from 1 in the answer.
    """

    kind: Kind
    error: str = ""
    call: str = ""
    expected: str = ""
    got: str = ""
    line: int | None = None
    test: int | None = None
    times: int = 1


def flaws(verdict: Mapping[str, Any]) -> list[Flaw]:
    """The flaws of an answer by its verdict (`Verdict.to_json`), the worst first; [] for an answer that
    passed.
    """
    tests = verdict.get("tests")
    tests = [t for t in tests if isinstance(t, Mapping)] if isinstance(tests, list | tuple) else []
    bad = [t for t in tests[:_MOST_TESTS] if t.get("status") != "passed"]
    if not bad and verdict.get("status") == "passed":
        return []
    first: dict[tuple[str, str, str], Flaw] = {}
    times: Counter[tuple[str, str, str]] = Counter()
    for result in bad or [verdict]:
        flaw = _flaw(result, verdict)
        same = (flaw.kind, flaw.error, flaw.call if flaw.kind == "wrong-value" else "")
        first.setdefault(same, flaw)
        times[same] += 1
    distinct = [replace(flaw, times=times[same]) for same, flaw in first.items()]
    return sorted(distinct, key=lambda f: (_ORDER.index(f.kind), f.test or 0))


def _flaw(result: Mapping[str, Any], verdict: Mapping[str, Any]) -> Flaw:
    status, reason = str(result.get("status") or ""), str(result.get("reason") or "")
    message = str(result.get("message") or "")[:_MOST_CHARS]
    index = result.get("index")
    test = index if isinstance(index, int) else None
    if status.startswith("timeout") or reason.startswith("timeout"):
        return Flaw("timeout", error="timeout", test=test)
    if status == "tampered":
        return Flaw("tampered", error=message, test=test)
    if status == "infra":
        return Flaw("no-verdict", error=message, test=test)
    if status == "oom":
        return Flaw("memory", error="out of memory", test=test)
    if verdict.get("metric") not in ("tests", None):
        return Flaw("wrong-answer", test=test)
    line, error = _place(message, str(verdict.get("stderr") or "")[-_MOST_CHARS:])
    if _MISSING.match(error):
        return Flaw("missing", error=error, test=test)
    if _SYNTAX.match(error):
        return Flaw("syntax", error=error, line=line, test=test)
    if reason != "assert" and _ERROR.match(error):
        return Flaw("raised", error=error, line=line, test=test)
    call, expected, got = _compared(message)
    return Flaw("wrong-value", call=call, expected=expected, got=got, test=test)


def _place(message: str, stderr: str) -> tuple[int | None, str]:
    """(the line of the answer that is blamed, the message without it)."""
    match = _PLACE.search(message)
    if match is not None:
        return int(match[1]), message[: match.start()]
    frames = _FRAME.findall(stderr)
    return int(frames[-1]) if frames else None, message


def _compared(message: str) -> tuple[str, str, str]:
    """(call, expected, got) of a message such as `f(1) == 2  # got 3`; the whole test as the call where it is
    not a comparison.
    """
    test, _, got = message.partition(_GOT)
    tree = parse(test.strip()).tree
    match tree.body if tree is not None else []:
        case [ast.Expr(value=ast.Compare(left=left, ops=[ast.Eq() | ast.Is()], comparators=[right]))]:
            call, expected = (ast.get_source_segment(test.strip(), part) or "" for part in (left, right))
            return call, expected, got
        case _:
            return test.strip(), "", got
