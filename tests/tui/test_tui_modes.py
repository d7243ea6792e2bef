"""In what mode tests were judged shows wherever a verdict does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import engine.events as ev
from tests.tui.scripted import passing_run, verdict
from tui.reports.plain import PlainTrace
from tui.trace import detail
from tui.trace.nodes import EvaluationNode
from tui.trace.outline import cells
from tui.trace.state import RunState

MODES = {
    "split": ("from outside: only values crossed", ""),
    "objects": ("from outside: objects of the solution answered for themselves", "objects"),
    "in-process": ("in one process: cheats are detected, not prevented", "one process"),
}


def evaluated(mode: object, **more: Any) -> ev.EvaluationFinished:
    found = next(event for event in passing_run() if isinstance(event, ev.EvaluationFinished))
    return replace(found, verdict={**verdict("passed"), "mode": mode, **more})


@pytest.mark.parametrize("mode", MODES)
def test_the_plain_trace_names_the_mode(mode: str) -> None:
    words, _ = MODES[mode]
    (line,) = PlainTrace().lines(evaluated(mode))
    assert f"judged {words}" in line
    tests = ev.CodeExecuted(
        step_id=None, purpose="visible-tests", code="", verdict={**verdict("passed"), "mode": mode}
    )
    assert f"1 of 1 passed (judged {words})" in next(iter(PlainTrace().lines(tests)))


@pytest.mark.parametrize("mode", MODES)
def test_the_screen_names_the_mode(mode: str) -> None:
    words, short = MODES[mode]
    state = RunState()
    for event in passing_run():
        state.apply(event if not isinstance(event, ev.EvaluationFinished) else evaluated(mode))
    node = next(node for node in state.tree.nodes.values() if isinstance(node, EvaluationNode))
    assert words in detail.sections(state, node.key)["Overview"].text
    label = "".join(text for text, _ in cells(state, node).label)
    assert [word for word in ("objects", "one process") if word in label] == [short] * bool(short)


def test_what_could_not_be_judged_is_told_with_the_remedy() -> None:
    unjudged = [{"index": 0, "status": "failed", "reason": "not-plain-data", "message": "a value of type L"}]
    (line,) = PlainTrace().lines(evaluated("split", status="failed", tests=unjudged))
    assert 'a reference solution, or "mode": "objects" or "in-process" in its metadata' in line


def test_a_stored_mode_may_be_anything() -> None:
    for mode in (None, 7, ["split"], "x\x1b[31m"):
        (line,) = PlainTrace().lines(evaluated(mode))
        assert "judged" not in line
        assert "\x1b" not in line
