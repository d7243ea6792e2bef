"""Files that a program left are named in the trace, as live so from the store."""

from __future__ import annotations

import engine.events as ev
from sandbox import File, Outcome, RefusedFile
from tui.reports.plain import PlainTrace
from tui.trace.left_files import left_files

OUTCOME = Outcome(
    "passed",
    files=(File("plot.png", b"x" * 12_300), File("table.csv", b"1234")),
    refused=(RefusedFile("x\x1b[31m", "it is a symbolic link"),),
)


def test_the_plain_trace_names_them() -> None:
    event = ev.CodeExecuted(step_id=None, purpose="program", code="", verdict=OUTCOME.to_json())
    (line,) = PlainTrace().lines(event)
    assert "plot.png (12.3 kB), table.csv (4 B)" in line
    assert "(refused: it is a symbolic link)" in line
    assert "\x1b" not in line


def test_a_stored_trace_may_hold_anything() -> None:
    assert left_files({}) == ""
    assert left_files({"files": 7, "refused": [1, {"name": None}]}) == "None (refused: None)"
    many = {"files": [{"name": f"{n}.png", "size": 2_000_000} for n in range(30)]}
    assert left_files(many).endswith("7.png (2.0 MB) and 22 more")
