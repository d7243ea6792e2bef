"""Variables as a person sees them, and stops in a workflow's source. (Guest code, on trusted sources.)"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from engine.guest.inspection import LINE_HOOK, variables, with_stops

SOURCE = """\
class Workflow:
    async def __call__(self, problem):
        x = 1

        for n in range(2):
            # a comment
            x += n
        if x > 100:
            x = 0
        return (
            x
        )
"""


def stops(lines: list[int]) -> list[tuple[int, int]]:
    """(line, x) at each stop."""
    seen: list[tuple[int, int]] = []

    async def hook(line: int) -> None:
        seen.append((line, sys._getframe(1).f_locals.get("x", -1)))

    namespace: dict[str, Any] = {LINE_HOOK: hook}
    exec(with_stops(SOURCE, "<w>", lines), namespace)  # our own source, above
    assert asyncio.run(namespace["Workflow"]().__call__("p")) == 2
    return seen


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (2, [(3, -1)]),
        (3, [(3, -1)]),
        (4, [(5, 1)]),
        (5, [(5, 1)]),
        (6, [(7, 1), (7, 1)]),
        (7, [(7, 1), (7, 1)]),
        (9, []),
        (10, [(10, 2)]),
        (11, []),
        (1, []),
        (99, []),
    ],
)
def test_a_line_stops_where_its_statement_begins(line: int, expected: list[tuple[int, int]]) -> None:
    assert stops([line]) == expected


def test_line_numbers_stay_as_written() -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        namespace: dict[str, Any] = {LINE_HOOK: lambda _: asyncio.sleep(0)}
        exec(with_stops("async def f():\n    x = 1\n    return x / 0\n", "<w>", [2, 3]), namespace)
        asyncio.run(namespace["f"]())
    assert caught.traceback[-1].lineno + 1 == 3


class Hostile:
    def __repr__(self) -> str:
        raise RuntimeError("called")

    __str__ = __repr__


def test_variables_are_cut_and_never_called() -> None:
    self, problem = "not shown", "p" * 10_000  # noqa: F841
    nested: dict[str, Any] = {"a": [1, (2.5, {"deep": {"er": [1]}})], "many": list(range(80))}  # noqa: F841
    hostile, big = Hostile(), 1 << 5000  # noqa: F841
    frame = sys._getframe()
    shown = variables(frame)

    assert "self" not in shown
    assert shown["problem"].startswith("ppp")
    assert shown["problem"].endswith("… 6000 more characters")
    assert shown["nested"]["many"][-1] == "… 30 more"
    assert shown["nested"]["a"][1][0] == 2.5
    assert shown["hostile"].endswith("Hostile>")
    assert shown["big"] == "<int of 5001 bits>"


def test_all_variables_together_have_a_size() -> None:
    texts = {f"v{n}": "x" * 4000 for n in range(40)}
    namespace: dict[str, Any] = {}
    code = "\n".join(f"    {k} = {v!r}" for k, v in texts.items())
    exec(f"import sys\ndef f():\n{code}\n    return sys._getframe()", namespace)
    shown = variables(namespace["f"]())
    assert sum(len(v) for v in shown.values()) < 66_000
