"""Whether two mathematical answers are equal, by math-verify. It is guest code because sympy evaluates
its input.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "answers.json"  # {"reference", "answer"}, put beside the program by the host


def main() -> dict[str, Any]:
    """{"equal": bool}, or {"missing": why} where this sandbox has no math-verify."""
    pair = json.loads(Path(FILE).read_text(encoding="utf-8"))
    try:
        return {"equal": equal(pair["answer"], pair["reference"])}
    except ImportError as error:
        return {"missing": str(error)}


def equal(answer: str, reference: str) -> bool:
    """Whether math-verify finds the two equal. An answer that cannot be read equals nothing.

    Fractions, decimals, percents, sets, intervals, matrices, equations and units are read with its defaults,
    and numbers are compared to 6 digits. Raises ImportError without math-verify.
    """
    from math_verify import parse, verify  # type: ignore[import-not-found]  # only in the sandbox

    # The sandbox limits the time: math-verify's alarm cannot interrupt a power of large integers.
    expected, stated = (parse(text, parsing_timeout=None) for text in (reference, answer))
    return bool(verify(expected, stated, timeout_seconds=None))
