"""Whether two mathematical answers are equal. What text cannot decide, math-verify does in the sandbox."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from fractions import Fraction

from engine.scores.metrics import last_boxed
from sandbox.types import Limits, Sandbox, SandboxError

IMAGE = "math"
LIMITS = Limits(cpu_s=5.0)
# An answer to a competition problem is a line; a parser's time grows much faster than its input.
MAX_CHARS = 1000
_PROGRAM = "from engine.guest.math_verify import main"
_FILE = "answers.json"  # as engine/guest/math_verify.py reads it
_PLAIN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d{1,40})(?:\.\d{1,40})?|[-+]?\d{1,40}/\d{1,40}")
_DRESS = str.maketrans("", "", "$ \t\n")

Open = Callable[[str], Awaitable[Sandbox]]


@dataclass(frozen=True)
class Comparison:
    """Whether the answer is right and, where it is not, why in a few words."""

    equal: bool
    reason: str = ""


async def compare(answer: str, reference: str, open_sandbox: Open) -> Comparison:
    r"""Whether `answer` gives `reference`: its last `\boxed{}` counts, else its last line.

    Equal text and plain numbers are compared here. Everything else is given to math-verify, in a process of
    its own in the sandbox: sympy evaluates what it reads.

    Raises:
        SandboxError: there is no `math` sandbox, or it failed twice; that is no verdict.
    """
    wanted = last_boxed(reference)
    wanted = reference.strip() if wanted is None else wanted
    boxed = last_boxed(answer)
    said = _last_line(answer) if boxed is None else boxed
    if _bare(said) == _bare(wanted):
        return Comparison(True)
    numbers = _number(said), _number(wanted)
    if None not in numbers:
        return Comparison(numbers[0] == numbers[1], "" if numbers[0] == numbers[1] else "another number")
    if len(said) > MAX_CHARS:
        return Comparison(False, f"the answer has {len(said):,} characters; {MAX_CHARS:,} are read")
    as_latex = f"\\boxed{{{said}}}" if boxed is not None else said
    return await _by_math_verify(as_latex, f"\\boxed{{{wanted}}}", open_sandbox)


async def _by_math_verify(answer: str, reference: str, open_sandbox: Open) -> Comparison:
    sandbox = await open_sandbox(IMAGE)
    pair = json.dumps({"answer": answer, "reference": reference}).encode()
    outcome = await sandbox.run_program(_PROGRAM, entry="main", limits=LIMITS, files={_FILE: pair})
    if outcome.status != "passed":
        return Comparison(False, f"the answer could not be compared: {outcome.status}")
    value = outcome.value if isinstance(outcome.value, dict) else {}
    if "missing" in value:
        raise SandboxError(
            "image-missing",
            "this sandbox has no math-verify: use Docker, and run `flowreasoner sandbox build --image math`",
        )
    equal = value.get("equal") is True
    return Comparison(equal, "" if equal else "the answer differs from the reference")


def _last_line(text: str) -> str:
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "")


def _bare(text: str) -> str:
    return text.translate(_DRESS).rstrip(".")


def _number(text: str) -> Fraction | None:
    """A plain number, exactly; None for anything else."""
    text = _bare(text)
    if not _PLAIN.fullmatch(text):
        return None
    try:
        return Fraction(text.replace(",", ""))
    except ZeroDivisionError:
        return None
