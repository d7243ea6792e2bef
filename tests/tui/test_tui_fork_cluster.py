"""One edit for all runs of a cluster: carried over where it fits, and said where it does not."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine import events as ev
from sandbox.errors import UsageError
from tests.tui.pilots import SMALL, WIDE, app_of, record, told, until
from tests.tui.scripted import CODE, RUN_ID, ScriptedWorkbench, failing_run, mid_stream_run, passing_run
from tests.tui.test_tui_forks import forkable
from tui.screens.compare.compare import CompareScreen
from tui.screens.failures.edit_all import EditAllScreen
from tui.screens.failures.failures import FailuresScreen
from tui.screens.failures.paired import PairedScreen
from tui.screens.pick.pick import PickScreen
from tui.screens.run.run import RunScreen
from tui.service.asked.edit_all import EditError, carried, carried_inputs, edit_of, edit_request, editable
from tui.service.requests import NewFork
from tui.widgets.table_view import TableView
from tui.widgets.text_field import TextField
from tui.widgets.text_view import TextView
from tui.widgets.value_fields import ValueFields

INNER = "a = 1\nb = 2\nfor i in x:\n    b = 3\nreturn b\n"
MORE = "a = 1\nb = 2\nfor i in x:\n    b = 2\nb += 1\nreturn b\n"
OLD = "a = 1\nb = 2\nfor i in x:\n    b = 2\nreturn b\n"


@pytest.mark.parametrize(
    ("new", "other", "wanted"),
    [
        (OLD.replace("a = 1", "a = 9"), OLD, OLD.replace("a = 1", "a = 9")),
        (OLD.replace("a = 1", "a = 9"), "# top\na = 1\nz", "# top\na = 9\nz"),
        (OLD.replace("a = 1", "a = 9"), "a = 1  \nz\n", "a = 9\nz\n"),  # spaces at a line's end are none
        (INNER, "b = 2\nfor i in x:\n    b = 2\n", "b = 2\nfor i in x:\n    b = 3\n"),
        (OLD.replace("a = 1\n", ""), "a = 1\nq", "q"),
        (MORE, "y\n    b = 2\nreturn b", "y\n    b = 2\nb += 1\nreturn b"),
        (f"{OLD}end\n", "q\nreturn b\n", "q\nreturn b\nend\n"),
        (f"# first\n{OLD}", "a = 1\nq", "# first\na = 1\nq"),
        (OLD.replace("a = 1", "a = 9").replace("return b", "return 0"), "a = 1\nreturn b", "a = 9\nreturn 0"),
        (OLD, "unlike\r\n", "unlike\r\n"),
    ],
)  # fmt: skip
def test_an_edit_is_carried_to_a_text_that_has_its_lines(new: str, other: str, wanted: str) -> None:
    assert carried(OLD, new, other, "workflow") == wanted


@pytest.mark.parametrize(
    ("new", "other", "why"),
    [
        (OLD.replace("a = 1", "a = 9"), "b = 2\n", "line 1, `a = 1`, nowhere"),
        (OLD.replace("a = 1", "a = 9"), "  a = 1\n", "nowhere"),  # another indentation is another block
        (OLD.replace("a = 1", "a = 9"), "a = 1\nz\na = 1\n", "more than once"),
        (OLD.replace("a = 1", "a = 9"), "a = 1\nb = 2\na = 1\nb = 2\n", "more than once"),
        (OLD.replace("return b", "b += 1\nreturn b"), "return b", "nowhere"),
        (OLD.replace("a = 1", "a = 9"), "", "nowhere"),
        (OLD.replace("a = 1", "a = 9"), "x\n" * 3_000, "more than 2,000 lines"),
    ],
)
def test_an_edit_that_does_not_fit_says_what_is_not_there(new: str, other: str, why: str) -> None:
    with pytest.raises(EditError, match=why):
        carried(OLD, new, other, "workflow")


@pytest.mark.parametrize(
    ("old", "new", "other", "wanted"),
    [
        ({"a": "x", "n": 1}, {"a": "y", "n": 1}, {"a": "x", "n": 5}, {"a": "y", "n": 5}),
        ({"n": 1}, {"n": 2}, {"n": 1}, {"n": 2}),
        ({"n": 1}, {"n": 2}, {"n": 3}, "input n is another one"),
        ({"a": "x"}, {"a": "x", "more": 1}, {"a": "q"}, {"a": "q", "more": 1}),
        ({"a": "x", "b": 1}, {"a": "x"}, {"a": "q", "b": 2}, {"a": "q"}),
        ({"a": "x"}, {"a": "y"}, {}, "no input a"),
        ({"s": ["p", "q"]}, {"s": ["p", "r"]}, {"s": ["other", "q"]}, {"s": ["other", "r"]}),
        ({"s": ["p", "q"]}, {"s": ["p"]}, {"s": ["z", "q"]}, "input s is another one"),
        ({"t": "one\ntwo"}, {"t": "one\n2"}, {"t": "zero\ntwo"}, {"t": "zero\n2"}),
    ],
)  # fmt: skip
def test_inputs_are_carried_argument_by_argument(
    old: dict[str, Any], new: dict[str, Any], other: dict[str, Any], wanted: Any
) -> None:
    if isinstance(wanted, str):
        with pytest.raises(EditError, match=wanted):
            carried_inputs(old, new, other)
    else:
        assert carried_inputs(old, new, other) == wanted


def with_workflow(events: list[ev.Event], code: str) -> list[ev.Event]:
    return [dataclasses.replace(e, code=code) if isinstance(e, ev.WorkflowProposed) else e for e in events]


@pytest.fixture
def cluster(store: Path) -> Path:
    """Three runs that failed alike; the first has another workflow."""
    code = f"import asyncio\n\n\n{CODE}".replace("self.revise(", "self.revise(problem=problem, ")
    codes = [code.replace("for _ in range(3)", "for attempt in range(3)"), code, code]
    runs = [forkable(failing_run(f"{RUN_ID}{n}", 1.78e9 + n * 977)) for n in range(3)]
    asyncio.run(record(store, [with_workflow(*one) for one in zip(runs, codes, strict=True)]))
    return store


async def opened(pilot: Pilot[Any], app: Any) -> EditAllScreen:
    await pilot.press("4")
    await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
    await until(pilot, lambda: app.screen.query_one("#runs", TableView).count == 3)
    await pilot.press("F")
    await until(pilot, lambda: isinstance(app.screen, EditAllScreen) and app.focused is not None)
    return app.screen


async def test_a_workflow_is_edited_once_and_all_that_fit_are_forked(cluster: Path) -> None:
    workbench = ScriptedWorkbench(cluster, forkable(passing_run("01child"), origin={"parent": f"{RUN_ID}2"}))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        form = await opened(pilot, app)
        assert "One edit for 3 runs" in str(form.query_one("#place").render())
        await pilot.press("ctrl+r")
        assert "Nothing is edited" in str(form.query_one("#complaint").render())
        code = form.query_one("#code", TextField)
        code.fill(code.text.replace("for _ in range(3)", "for _ in range(5)"))
        inputs = form.query_one("#inputs", ValueFields)
        inputs.first.fill("Other.")
        await pilot.press("ctrl+r")
        assert "both are two forks" in str(form.query_one("#complaint").render())
        await pilot.press("escape", "F")  # what was edited is still there
        await until(pilot, lambda: isinstance(app.screen, EditAllScreen) and app.focused is not None)
        form = app.screen
        assert "range(5)" in form.query_one("#code", TextField).text
        form.query_one("#inputs", ValueFields).fill({})
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, PairedScreen))
        table = app.screen.query_one("#forks", TableView)
        await until(pilot, lambda: "2 of 2 forks pass now" in str(table.border_subtitle))
        assert "1 run not forked" in str(table.border_subtitle)
        assert "nowhere" in table.plain_text and "not forked" in table.plain_text
        forks = [r for r in workbench.requests if isinstance(r, NewFork)]
        assert {r.parent for r in forks} == {f"{RUN_ID}1", f"{RUN_ID}2"}
        assert all(r.workflow and "range(5)" in r.workflow[0] and r.inputs is None for r in forks)
        assert app.memory.draft(f"fork-all:{RUN_ID}2") is None
        await record(cluster, [forkable(passing_run("01child"), origin={"parent": f"{RUN_ID}2"})])
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await until(pilot, lambda: "01child" in app.screen.query_one("#summary", TextView).whole)


async def test_from_a_cluster_to_its_label_and_a_passing_fork_in_ten_keys(cluster: Path) -> None:
    child = forkable(passing_run("01child"), origin={"parent": f"{RUN_ID}2"})
    app = app_of(ScriptedWorkbench(cluster, child))
    keys: list[str] = []
    async with app.run_test(size=WIDE) as pilot:

        async def press(*pressed: str) -> None:
            keys.extend(pressed)
            await pilot.press(*pressed)

        await press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        runs = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: runs.count == 3)
        await press("l")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await press(*"gram", "enter")  # a label of one's own
        await until(pilot, lambda: "gram" in runs.plain_text)
        await press("F")
        await until(pilot, lambda: isinstance(app.screen, EditAllScreen) and app.focused is not None)
        code = app.screen.query_one("#code", TextField)
        code.fill(code.text.replace("for _ in range(3)", "for _ in range(5)"))  # typed, not pressed
        await press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, PairedScreen))
        table = app.screen.query_one("#forks", TableView)
        await until(pilot, lambda: "2 of 2 forks pass now" in str(table.border_subtitle))
    assert len(keys) <= 10


async def test_a_steps_input_is_edited_once(cluster: Path) -> None:
    workbench = ScriptedWorkbench(cluster, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        form = await opened(pilot, app)
        form.query_one("#inputs", ValueFields).shown[1].fill("median_of")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, PairedScreen))
        await until(pilot, lambda: len(workbench.requests) == 3)
        assert all(r.workflow is None and r.inputs["entry_point"] == "median_of" for r in workbench.requests)
        assert len({r.parent for r in workbench.requests}) == 3 and all(r.at for r in workbench.requests)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_steps_prompt_is_edited_once(cluster: Path) -> None:
    workbench = ScriptedWorkbench(cluster, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        form = await opened(pilot, app)
        prompt = form.query_one("#prompt", TextField)
        recorded = prompt.text
        prompt.fill(f"{recorded}\nThink of the empty list.")
        await pilot.press("escape", "F")  # what was edited is still there
        await until(pilot, lambda: isinstance(app.screen, EditAllScreen) and app.focused is not None)
        assert app.screen.query_one("#prompt", TextField).text.endswith("empty list.")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, PairedScreen) and len(workbench.requests) == 3)
        assert all(r.prompt == f"{recorded}\nThink of the empty list." for r in workbench.requests)
        # The other executions of a run have the step too; it cannot pass where they stay as they are.
        assert all(r.everywhere and r.at and r.inputs is r.workflow is None for r in workbench.requests)


async def test_before_and_now_is_found_again(cluster: Path) -> None:
    grid = forkable(passing_run("01grid", 1.79e9), origin={"parent": f"{RUN_ID}1"})
    assert isinstance(grid[0], ev.RunStarted)
    grid[0] = dataclasses.replace(grid[0], variant="playground")  # asked of a step; no fork of the run
    forks = [
        forkable(passing_run("01fork1", 1.79e9), origin={"parent": f"{RUN_ID}1"}),
        forkable(failing_run("01fork2", 1.79e9 + 9), origin={"parent": f"{RUN_ID}2"}),
        grid,
    ]
    await record(cluster, forks)
    app = app_of(ScriptedWorkbench(cluster))
    async with app.run_test(size=WIDE) as pilot:

        async def found(line: str) -> TableView:
            await until(pilot, lambda: isinstance(app.screen, PairedScreen))
            table = app.screen.query_one("#forks", TableView)
            await until(pilot, lambda: line in str(table.border_subtitle))
            return table

        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: app.screen.query_one("#runs", TableView).count)
        await pilot.press("B")  # from the cluster
        table = await found("1 of 2 forks pass now")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("escape")
        paired = app.screen
        assert isinstance(paired, PairedScreen)
        assert paired.shown_run == "01fork2"
        for run_id in ("01fork1", f"{RUN_ID}0"):  # from a fork, and from a run that was not forked itself
            app.open_trace(run_id)
            await until(
                pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished
            )
            await pilot.press("B")
            table = await found("1 of 2 forks pass now")
            assert table.count == 2


def test_the_command_lines_edit_says_what_does_not_fit(cluster: Path, tmp_path: Path) -> None:
    run_id = f"{RUN_ID}2"
    of = editable(cluster, run_id)
    assert of.prompt is not None
    flow, prompt = tmp_path / "flow.py", f"Be brief.\n{of.prompt}"
    flow.write_text(f"{of.code}\n")
    for options, why in [
        ({}, "say what to change"),
        ({"workflow": flow, "prompt": prompt}, "say what to change"),
        ({"workflow": flow}, "edit it first"),
        ({"workflow": tmp_path / "none.py"}, "readable file for the workflow"),
        ({"sets": ["nothing=1"]}, "'nothing' is not in inputs"),
        ({"sets": ["problem"]}, "write PATH=VALUE"),
    ]:
        with pytest.raises(UsageError, match=re.escape(why)):
            edit_of(cluster, run_id, **options)
    edit = edit_of(cluster, run_id, sets=["entry_point=median_of"], prompt=prompt)
    request = edit_request(cluster, f"{RUN_ID}1", edit)
    assert (request.prompt, request.inputs and request.inputs["entry_point"]) == (prompt, "median_of")
    flow.write_text(of.code.replace("range(3)", "range(9)"))
    edit = edit_of(cluster, run_id, workflow=flow)
    assert edit.workflow == (flow.read_text(), of.prompts)  # without a prompt.py beside it, the run's stay
    (tmp_path / "prompt.py").write_text('X = "y"\n')
    assert edit_of(cluster, run_id, workflow=flow).workflow == (flow.read_text(), 'X = "y"\n')


async def test_a_run_without_a_workflow_says_so(store: Path) -> None:
    events = [e for e in failing_run() if e.kind in ("run_started", "run_finished")]
    await record(store, [events])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: app.screen.query_one("#runs", TableView).count == 1)
        await pilot.press("F")
        await until(pilot, lambda: any("it has no workflow" in text for text in told(app)))
