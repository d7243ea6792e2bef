"""Tests of whole programs: what one reads on its standard input, and what it must print.

The answer runs as a program, in a process of its own for each test. What is expected stays on the host, where
what was printed is compared with it, so nothing that runs in the sandbox can know or forge a verdict.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from engine.records import ProblemError
from sandbox.files import MAX_INPUT_BYTES
from sandbox.types import Limits, Sandbox, TestResult, Verdict

MAX_OUTPUT_BYTES = 3 << 20  # of what is expected; with what a program printed besides, one frame holds it
_SPARE_BYTES = 64 << 10  # that a program may print beyond what is expected
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_MOST_DIGITS = 5_000  # of a number; a longer token is compared as text
_SHOWN = 300  # characters of an input or a line, in what people and models read
_PRINTED = 64 << 10  # characters of what a program printed, as verdicts of other tests keep it
_FIELDS = {"stdin", "stdout"}


@dataclass(frozen=True)
class ProgramTest:
    """The texts of one test."""

    stdin: str
    stdout: str

    @property
    def too_large(self) -> str:
        """Which part is too large to be run, in a sentence; "" where none is."""
        for name, text, most in (
            ("stdin", self.stdin, MAX_INPUT_BYTES),
            ("stdout", self.stdout, MAX_OUTPUT_BYTES),
        ):
            if (size := len(text.encode())) > most:
                return f'"{name}" has {size:,} bytes, and at most {most:,} can be run'
        return ""

    def __str__(self) -> str:
        """The test as a source among a problem's tests: a JSON object."""
        return json.dumps({"stdin": self.stdin, "stdout": self.stdout}, ensure_ascii=False)


def program_test(stdin: object, stdout: object, where: str) -> ProgramTest:
    """A test of a program. Raises ProblemError where a part is not a text that can be sent."""
    for name, value in (("stdin", stdin), ("stdout", stdout)):
        if not isinstance(value, str):
            raise ProblemError(f'{where}: "{name}" is a {type(value).__name__}, not a text')
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ProblemError(f'{where}: "{name}" has half of a character; write the whole of it') from None
    return ProgramTest(str(stdin), str(stdout))


def as_program_test(source: str) -> ProgramTest | None:
    """A test's source as one of a program; None where it is of another form."""
    if not source.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(source)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or set(data) != _FIELDS:
        return None
    stdin, stdout = data["stdin"], data["stdout"]
    return ProgramTest(stdin, stdout) if isinstance(stdin, str) and isinstance(stdout, str) else None


def shown_test(source: str) -> str:
    """A test as models and people read it: its source, or the texts of a program's test, long ones cut."""
    test = as_program_test(source)
    if test is None:
        return source.strip()
    return f"Input:\n{_cut(test.stdin)}\nOutput:\n{_cut(test.stdout)}"


def same_output(printed: str, expected: str, tolerance: float = 0.0) -> bool:
    """Whether a program printed what was expected; see `difference`."""
    return not difference(printed, expected, tolerance)


def difference(printed: str, expected: str, tolerance: float = 0.0) -> str:
    """Where a program's output differs from what was expected, in a few words; "" where it does not.

    Empty lines and the space around and between words do not count. Words are equal as texts, or as numbers:
    exactly, or with a `tolerance` where they differ by no more than it, absolutely or relative to what was
    expected. It is the rule of LiveCodeBench's scorer, with APPS's tolerance where a problem asks for it.
    """
    lines, wanted = _lines(printed), _lines(expected)
    for number, (line, want) in enumerate(zip(lines, wanted, strict=False), 1):
        same = len(line) == len(want) and all(
            word == other or _same_number(word, other, tolerance)
            for word, other in zip(line, want, strict=True)
        )
        if not same:
            return f"line {number} is {_quoted(line)}, expected {_quoted(want)}"
    if len(lines) < len(wanted):
        missing = _quoted(wanted[len(lines)])
        return f"it printed {len(lines)} of {len(wanted)} lines; the next is {missing}"
    if len(lines) > len(wanted):
        return f"it printed {len(lines)} lines, expected {len(wanted)}"
    return ""


async def judge_program(
    sandbox: Sandbox, code: str, test: ProgramTest, limits: Limits, *, prelude: str, tolerance: float
) -> Verdict:
    """The verdict of one test on a program, which starts with the names of `prelude` that it mentions.

    Raises SandboxError where the sandbox failed to give a verdict twice.
    """
    kept = len(test.stdout.encode()) * 5 // 4 + _SPARE_BYTES
    outcome = await sandbox.run_program(
        code, stdin=test.stdin, prelude=prelude, limits=replace(limits, output_kept=kept)
    )
    result = TestResult(0, outcome.status, outcome.reason, outcome.message)
    if outcome.status == "passed" and (wrong := difference(outcome.stdout, test.stdout, tolerance)):
        result = TestResult(0, "failed", "assert", wrong)
    if result.status != "passed":
        told = json.dumps(_cut(test.stdin), ensure_ascii=False)
        result = replace(result, message=f"{result.message} (with the input {told})")
    return Verdict(
        result.status,
        result.reason,
        result.message,
        (result,),
        "split",
        outcome.sandbox,
        outcome.stdout[:_PRINTED],
        outcome.stderr[:_PRINTED],
        outcome.usage,
    )


def _lines(text: str) -> list[list[str]]:
    return [words for line in text.split("\n") if (words := line.split())]


def _same_number(word: str, other: str, tolerance: float) -> bool:
    if max(len(word), len(other)) > _MOST_DIGITS:
        return False
    if not (_NUMBER.fullmatch(word) and _NUMBER.fullmatch(other)):
        return False
    if tolerance:
        printed, expected = float(word), float(other)
        near = abs(printed - expected) <= tolerance * max(1.0, abs(expected))
        return near and math.isfinite(expected)
    try:
        return Decimal(word) == Decimal(other)
    except InvalidOperation:
        return False


def _quoted(words: list[str]) -> str:
    return json.dumps(_cut(" ".join(words)), ensure_ascii=False)


def _cut(text: str) -> str:
    text = text.strip("\n")
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
