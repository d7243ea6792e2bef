"""Whether two mathematical answers are equal, by math-verify in the sandbox where the text differs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from engine.scores.metrics import last_boxed
from engine.scores.numerals import only_number
from sandbox.types import Limits, Sandbox, SandboxError

IMAGE = "math"
LIMITS = Limits(cpu_s=5.0)
# An answer to a competition problem is a line; a parser's time grows much faster than its input.
MAX_CHARS = 1000
_PROGRAM = "from engine.guest.math_verify import main"
_FILE = "answers.json"  # as engine/guest/math_verify.py reads it
_OUTER = "$ \t\r\n"  # characters around an answer that change nothing about it

Open = Callable[[str], Awaitable[Sandbox]]


@dataclass(frozen=True)
class Comparison:
    """Whether an answer equals the reference and, where it does not, why in a few words."""

    equal: bool
    reason: str = ""


async def compare(answer: str, reference: str, open_sandbox: Open) -> Comparison:
    r"""Whether `answer` gives `reference`: its last `\boxed{}` counts, else its last line.

    Texts that are the same, up to blanks and dollar signs around them, are equal without further ado.
    Everything else goes to math-verify, in a process of its own in the sandbox because sympy evaluates what
    it reads. Where math-verify says no, two plain numbers of the same value are equal all the same, such as
    `2 1/2` and 5/2. `open_sandbox` opens the sandbox of an image.

    Raises:
        SandboxError: there is no `math` sandbox, or it failed twice; there is no verdict then.
    """
    boxed_reference = last_boxed(reference)
    expected = reference.strip() if boxed_reference is None else boxed_reference
    boxed = last_boxed(answer)
    stated = _last_line(answer) if boxed is None else boxed
    if stated.strip(_OUTER) == expected.strip(_OUTER) != "":
        return Comparison(True)
    if len(stated) > MAX_CHARS:
        return Comparison(False, f"the answer has {len(stated):,} characters; {MAX_CHARS:,} are read")
    bare = stated.rstrip(" .")  # a full stop makes `12.` a number that math-verify cannot read
    as_latex = f"\\boxed{{{bare}}}" if boxed is not None else bare
    comparison = await _by_math_verify(as_latex, f"\\boxed{{{expected.rstrip(' .')}}}", open_sandbox)
    number = None if comparison.equal else only_number(stated)
    return Comparison(True) if number is not None and number == only_number(expected) else comparison


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
