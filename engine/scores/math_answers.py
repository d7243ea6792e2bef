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
_OUTER = "$ \t\r\n"  # what around an answer changes nothing of it

Open = Callable[[str], Awaitable[Sandbox]]


@dataclass(frozen=True)
class Comparison:
    """Whether the answer is right and, where it is not, why in a few words."""

    equal: bool
    reason: str = ""


async def compare(answer: str, reference: str, open_sandbox: Open) -> Comparison:
    r"""Whether `answer` gives `reference`: its last `\boxed{}` counts, else its last line.

    The same text is equal without asking, up to blanks and dollar signs around it. Everything else is given
    to math-verify, in a process of its own in the sandbox: sympy evaluates what it reads. Of what it does
    not accept, numbers that are equal as they are written are right all the same, such as `2 1/2` and 5/2.

    Raises:
        SandboxError: there is no `math` sandbox, or it failed twice; that is no verdict.
    """
    wanted = last_boxed(reference)
    wanted = reference.strip() if wanted is None else wanted
    boxed = last_boxed(answer)
    said = _last_line(answer) if boxed is None else boxed
    if said.strip(_OUTER) == wanted.strip(_OUTER) != "":
        return Comparison(True)
    if len(said) > MAX_CHARS:
        return Comparison(False, f"the answer has {len(said):,} characters; {MAX_CHARS:,} are read")
    bare = said.rstrip(" .")  # a full stop makes `12.` a number that math-verify cannot read
    as_latex = f"\\boxed{{{bare}}}" if boxed is not None else bare
    found = await _by_math_verify(as_latex, f"\\boxed{{{wanted.rstrip(' .')}}}", open_sandbox)
    number = None if found.equal else only_number(said)
    return Comparison(True) if number is not None and number == only_number(wanted) else found


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
