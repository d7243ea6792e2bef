"""Where two texts stand beside each other, what differs is shown: revisions, repairs, forks, prompts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from engine import events as ev
from tests.tui.pilots import WIDE, app_of, record, shown, told, until
from tests.tui.playground_script import GRID, grid_run
from tests.tui.playground_script import parent_run as played_run
from tests.tui.scripted import (
    CODE,
    RUN_ID,
    SOLUTION,
    WRONG,
    Script,
    ScriptedWorkbench,
    failing_run,
    passing_run,
)
from tests.tui.test_tui_forks import forkable
from tests.tui.test_tui_playground import opened as playground
from tui.screens.compare.compare import CompareScreen
from tui.screens.run.run import RunScreen
from tui.trace import attempts
from tui.trace.state import RunState
from tui.widgets.both_sides import BothSides
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView
from tui.word_diff import ADDED, REMOVED, alike, expected_spans, unified

CHECKED = f"{SOLUTION}\n# checked"
STEP = ("step", "e0-0")


def revising(given: dict[str, Any], output: Any) -> RunState:
    """A run whose only step was given and gave this."""
    script = Script()
    script.start()
    script.execution("e0", 0)
    script.step("e0", 0, "Revise", 14, answer="text")
    state = RunState()
    for event in script.events:
        match event:
            case ev.StepStarted():
                state.apply(dataclasses.replace(event, inputs=given))
            case ev.StepFinished():
                state.apply(dataclasses.replace(event, output=output))
            case _:
                state.apply(event)
    return state


@pytest.mark.parametrize(
    ("given", "output", "title"),
    [
        (
            {"solution": SOLUTION},
            {"solution": f"{SOLUTION}\n# checked"},
            "output solution, against input solution",
        ),
        (
            {"solution": SOLUTION, "feedback": "no"},
            {"response": CHECKED},
            "output response, against",
        ),
        ({"solutions": [WRONG, SOLUTION]}, {"response": CHECKED}, "against input solutions.1"),
        ({"text": "one\ntwo\nthree"}, "one\ntwo\nfour", "output, against input text"),
    ],
)
def test_what_a_step_revised_is_set_against_what_it_was_given(
    given: dict[str, Any], output: Any, title: str
) -> None:
    state = revising(given, output)
    assert attempts.has_changes(state, STEP)
    assert title in attempts.diff(state, STEP, None)


@pytest.mark.parametrize(
    ("given", "output"),
    [
        ({"solution": SOLUTION}, {"solution": SOLUTION}),  # taken over as it was
        ({"problem": SOLUTION}, {"response": CHECKED}),  # the query is no earlier version
        ({"solution": "x\ny"}, {"solution": "a\nb\nc"}),  # written anew
        ({"solution": "42"}, {"solution": "43"}),
        ({"solution": SOLUTION}, {"result": True}),
        ({"solution": SOLUTION}, None),
        ({}, {"response": SOLUTION}),
    ],
)
def test_what_is_no_revision_has_none(given: dict[str, Any], output: Any) -> None:
    assert not attempts.has_changes(revising(given, output), STEP)


def test_a_repaired_workflow_is_set_against_the_one_as_written() -> None:
    written = CODE.replace("await self.sc_ensemble", "self.sc_ensemble")
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=0))
    script.call("meta", f"<graph>\n{written}</graph>")
    script.propose(0, repaired=True)
    state = RunState()
    for event in script.events:
        state.apply(event)
    (proposal,) = (key for key in state.tree.nodes if key[0] == "workflow")
    told_diff = attempts.diff(state, proposal, None)
    assert "against the workflow as written" in told_diff
    assert "+        solution = await self.sc_ensemble" in told_diff


async def test_a_fork_is_compared_with_its_parent(store: Path) -> None:
    child = forkable(passing_run("01child", 1.8e9), origin={"parent": RUN_ID, "forked_at": "e0-0"})
    await record(store, [forkable(failing_run()), child])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        app.open_trace(RUN_ID)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
        await pilot.press("D")
        await until(pilot, lambda: any("not forked from another" in text for text in told(app)))
        await pilot.press("escape")
        app.open_trace("01child")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.origin)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await until(pilot, lambda: "values.sort()" in app.screen.query_one("#step-a", TextView).whole)
        views = app.screen.query_one("#step", BothSides).query(TextView)
        marked = [span for view in views for spans in view._words.values() for span in spans]
        assert {ink for _, _, ink in marked} == {ADDED, REMOVED}


async def test_a_prompt_of_the_playground_is_set_against_the_recorded_one(store: Path) -> None:
    await record(store, [played_run(), grid_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        screen = await playground(pilot, GRID)
        await pilot.press("down", "right_square_bracket")
        await until(pilot, lambda: screen.query_one("#sides", TabStrip).active == "Variables")
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: "Sort a copy first" in shown(app, "side"))
        assert "── prompt, against the recorded one ──" in shown(app, "side")
        await until(
            pilot, lambda: "── reply, against the one to the recorded prompt ──" in shown(app, "side")
        )
        view = screen.query_one("#side", TextView)
        assert {ink for row in view._rows for _, _, ink in row.spans} >= {ADDED, REMOVED}


def test_expected_and_got_differ_by_the_word() -> None:
    lines = ["✗ f(1)", "    expected  [1, 2, 3]", "    got       [1, 2, 4]", "    expected  1", "other"]
    found = expected_spans(lines)
    assert {at: [lines[at][a:b] for a, b, _ in spans] for at, spans in found.items()} == {1: ["3"], 2: ["4"]}
    assert {ink for spans in found.values() for _, _, ink in spans} == {ADDED, REMOVED}
    assert expected_spans(["    expected  ", "    got       "]) == {0: [], 1: []}
    assert not expected_spans([]) and not expected_spans(["    got       1", "    expected  1"])


def test_a_diff_is_bounded_and_says_so() -> None:
    assert unified("a\nb\n", "a\nb\n") == ""
    assert "-b\n+c" in unified("a\nb", "a\nc")
    assert "compared up to line" in unified("a\n" * 100_000, "b\n" * 100_000)
    assert "more" in unified("x" * 5_000, "y" * 5_000)
    assert alike("one", "one") == 0 and alike("", "") == 0
    assert alike("a\nb\nc\nd", "a\nb\nx\ny") == 0.5
    assert alike("a\n" * 5_000, "a\n" * 5_000) == 0
