"""Whether two mathematical answers are equal, by math-verify. Guest code: sympy evaluates what it reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = "answers.json"  # {"reference", "answer"}, put beside the program by the host


def main() -> dict[str, Any]:
    """{"equal": bool}, or {"missing": why} where this sandbox has no math-verify.

    Fractions, decimals, percents, sets, intervals, matrices, equations and units are read as
    math-verify's defaults do, numbers compared to 6 digits. An answer that cannot be read equals nothing.
    """
    try:
        from math_verify import parse, verify  # type: ignore[import-not-found]  # only in the sandbox
    except ImportError as error:
        return {"missing": str(error)}
    pair = json.loads(Path(FILE).read_text(encoding="utf-8"))
    # Time is the sandbox's to limit: an alarm cannot interrupt a power of large integers.
    reference = parse(pair["reference"], parsing_timeout=None)
    answer = parse(pair["answer"], parsing_timeout=None)
    return {"equal": bool(verify(reference, answer, timeout_seconds=None))}
