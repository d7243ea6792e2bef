"""Plain data from the sandbox as JSON-ready data for events, and answers out of what workflows return.

The values come from generated code: they have builtin types only, but may hold integers that Python refuses
to write in decimal, and texts that would take seconds to parse. Nothing here raises for any of them.
"""

from __future__ import annotations

import copy
import math
from typing import Any

from engine.operators.solutions import REPAIRED
from engine.operators.support import extract_code, parses
from engine.problems import Problem

_LIST_ITERATOR = type(iter([]))  # what an iterator arrives as
ANSWER_KEYS = ("response", "solution", "answer", "output", "code", "result")


def jsonable(value: Any) -> Any:
    """`value` with only JSON types: an iterator becomes the list of its items, anything else that JSON cannot
    hold its repr. Integers from 2**53 on become text, because other readers of JSON would round them.
    """
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else written(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else repr(value)
    if isinstance(value, dict):
        return {k if isinstance(k, str) else _repr(k): jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    if isinstance(value, _LIST_ITERATOR):
        return [jsonable(v) for v in copy.copy(value)]
    return _repr(value)


def written(value: Any) -> str:
    """`value` as `str` writes it; integers with too many digits for that in hexadecimal."""
    try:
        return str(value)
    except ValueError:
        return hex(value) if isinstance(value, int) else _repr(value)


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except ValueError:  # somewhere in it is an integer with too many digits
        return hex(value) if isinstance(value, int) else f"<{type(value).__name__} of very large numbers>"


def answer_text(value: Any, problem: Problem) -> str | None:
    """The answer in what a workflow returned: a string, a number, an (answer, cost) pair or an operator's
    dict; None where there is no answer in it.

    For code problems the code is taken out of prose and fences (Figure 10 of the FlowReasoner paper returns a
    Markdown essay), and a function's body is put after the head that the prompt gives.
    """
    if isinstance(value, tuple | list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = next((value[k] for k in ANSWER_KEYS if isinstance(value.get(k), str)), None)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        value = written(value)
    if not isinstance(value, str) or not value.strip():
        return None
    if problem.kind != "code" or (problem.entry_point is None and parses(value)):
        return value
    code = extract_code(value, problem.entry_point, problem.prompt)
    return code.removesuffix(REPAIRED).rstrip() if problem.asks_for_class else code
