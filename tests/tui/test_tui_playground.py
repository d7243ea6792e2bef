"""The playground on the screen: from a step to an edit, a grid, a fork and a variant."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Checkbox, Input, TextArea

from engine.events import Event
from engine.playground.plan import plan_from_json
from tests.tui.pilots import SMALL, WIDE, app_of, record, told, until
from tests.tui.playground_script import EDITED, GRID, PARENT, PLAN, STEP, TEMPLATE, grid_run, parent_run
from tests.tui.scripted import ScriptedWorkbench
from tui.app import WorkbenchApp
from tui.screens.ask.ask import AskScreen
from tui.screens.playground.grid import GridTable
from tui.screens.playground.playground import PlaygroundScreen
from tui.screens.playground.prompts import PromptEditor
from tui.screens.run.run import RunScreen
from tui.widgets.outline_view import OutlineView
from tui.widgets.text_view import TextView

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]


async def opened(pilot: Pilot[Any], run_id: str = PARENT, *, down: int = 2) -> PlaygroundScreen:
    """The playground, opened from a step of a trace as a user does."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    app.open_trace(run_id)
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
    await until(pilot, lambda: app.focused is not None and app.screen.query_one(OutlineView).count > 3)
    outline = app.screen.query_one(OutlineView)
    if run_id == PARENT:
        await until(pilot, lambda: _to_step(outline))
    await pilot.press("a")
    await until(pilot, lambda: app.screen.query(PromptEditor) and app.screen.query_one(PromptEditor).rows)
    screen = app.screen
    assert isinstance(screen, PlaygroundScreen)
    await until(pilot, lambda: screen.focused is not None)  # the template, or a grid that was filled
    return screen


def _to_step(outline: OutlineView) -> bool:
    outline.follow = False
    for row in range(outline.count):
        outline.move(row)
        if outline.selected == ("step", STEP):
            return True
    return False


@pytest.fixture
async def stored(store: Path) -> Path:
    await record(store, [parent_run()])
    return store


def side(screen: PlaygroundScreen) -> str:
    return screen.query_one("#side", TextView).plain_text


def cells(screen: PlaygroundScreen) -> list[list[str]]:
    grid = screen.query_one(GridTable)
    return [[str(cell) for cell in grid.get_row_at(row)] for row in range(grid.row_count)]


async def test_from_a_step_to_an_edit_a_grid_and_a_fork(stored: Path) -> None:
    workbench = ScriptedWorkbench(stored, grid_run())
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        area = screen.query_one("#template", TextArea)
        assert area.text == TEMPLATE
        assert "{{problem}}  input problem" in side(screen)
        assert "Workflow prompts in it: GENERATE" in side(screen)

        area.load_text(EDITED)
        await pilot.press("ctrl+l", *"local/big")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: screen.filling is not None and screen.filling.cells.finished)
        await until(pilot, lambda: "2/2 tests" in cells(screen)[1][0])

        assert plan_from_json(workbench.requests[0].plan) == PLAN
        shown = cells(screen)
        assert "1/2 tests" in shown[0][0] and "1.8s" in shown[0][0] and "310→182 tok $0" in shown[0][0]
        assert "2/2 tests" in shown[0][1]
        assert "median([5]) == 5" in side(screen)  # the cell under the cursor is the first
        await pilot.press("j")
        await until(pilot, lambda: "edit 1 · pocket-worker" in side(screen))
        assert "Here it is:" in side(screen)

        await pilot.press("F")
        await until(pilot, lambda: len(workbench.requests) == 2)
        fork = workbench.requests[1]
        assert fork is not None
        assert (fork.parent, fork.at) == (PARENT, STEP)
        assert fork.prompt is not None and fork.prompt.startswith("Sort a copy first; mind lists")
        assert "{{" not in fork.prompt
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_an_edit_is_saved_as_a_variant(stored: Path) -> None:
    app = app_of(ScriptedWorkbench(stored, grid_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot)
        screen.query_one("#template", TextArea).load_text(EDITED)
        screen.query_one("#grid").focus()
        await pilot.press("j", "S")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press(*"sorted", "enter")
        await until(pilot, lambda: any("Saved" in text for text in told(app)))
        folder = stored.parent / "variants" / "sorted"
        assert "Sort a copy first; mind lists" in (folder / "prompt.py").read_text()
        assert "class Workflow" in (folder / "graph.py").read_text()
        # The recorded prompt is no edit.
        await pilot.press("k", "S")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press(*"same", "enter")
        await until(pilot, lambda: "leaves the workflow's prompts as they are" in _complaint(screen))
        assert not (stored.parent / "variants" / "same").exists()


def _complaint(screen: PlaygroundScreen) -> str:
    return str(screen.query_one("#complaint").render())


async def test_a_form_that_cannot_be_asked_says_why(stored: Path) -> None:
    workbench = ScriptedWorkbench(stored, grid_run())
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        area, models = screen.query_one("#template", TextArea), screen.query_one("#models", Input)
        area.load_text("{{problm}}")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "there is no variable {{problm}}" in _complaint(screen))
        area.load_text(EDITED)
        models.value = " , "
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "needs a model" in _complaint(screen))
        models.value = "m"
        screen.query_one("#repeats", Input).value = ""
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "at least one repeat" in _complaint(screen))
    assert workbench.requests == []


async def test_a_grid_is_cancelled_and_one_that_cannot_begin_says_so(stored: Path) -> None:
    workbench = ScriptedWorkbench(stored, grid_run(busy=True), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        screen.query_one("#template", TextArea).load_text(EDITED)
        screen.query_one("#models", Input).value = "pocket-worker, local/big"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "characters" in cells(screen)[1][0])
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "cancel it first" in _complaint(screen))
        await pilot.press("X")
        await until(pilot, lambda: "cancelled" in cells(screen)[1][0])
        assert workbench.acts == [("cancel", {})]

    app = app_of(ScriptedWorkbench(stored, grid_run(), error=RuntimeError("no engine")))
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        await pilot.press("ctrl+r")
        grid = screen.query_one(GridTable)
        await until(pilot, lambda: "no engine" in str(grid.border_subtitle))


async def test_a_stored_grid_opens_as_it_was_filled(stored: Path) -> None:
    await record(stored, [grid_run()])
    app = app_of(ScriptedWorkbench(stored))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, GRID)
        await until(pilot, lambda: "2/2 tests" in cells(screen)[1][1])
        assert screen.query_one("#template", TextArea).text == EDITED
        assert screen.query_one("#models", Input).value == "pocket-worker, local/big"
        assert screen.query_one("#test", Checkbox).value


async def test_a_step_without_a_prompt_says_so(stored: Path) -> None:
    app = app_of(ScriptedWorkbench(stored))
    async with app.run_test(size=SMALL) as pilot:
        app.open_trace(PARENT)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        outline = app.screen.query_one(OutlineView)
        await until(pilot, lambda: outline.count > 3)
        outline.follow = False
        outline.move(next(i for i in range(outline.count) if _at(outline, i) == ("step", "e-1")))
        await pilot.press("a")
        await until(pilot, lambda: any("called no model" in text for text in told(app)))


def _at(outline: OutlineView, row: int) -> object:
    outline.move(row)
    return outline.selected


@pytest.mark.drawn
async def test_hostile_and_huge_texts_are_shown_safely_and_kept_whole(store: Path) -> None:
    hostile = "\x1b[31m[red]\x00‮[/] " + "x" * 300_000
    events = [_with_message(e, hostile) for e in parent_run()]
    await record(store, [events])
    workbench = ScriptedWorkbench(store, grid_run())
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        screen = await opened(pilot)
        area = screen.query_one("#template", TextArea)
        assert area.read_only and "\x1b" not in area.text and len(area.text) < 110_000
        assert "too long to edit here" in str(area.border_title)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: len(workbench.requests) == 1)
        # Nobody touched it, so it is not asked as an edit.
        assert len(plan_from_json(workbench.requests[0].plan).edits) == 1
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: screen.query_one(PromptEditor).rows[1].text == hostile)


def _with_message(event: Event, text: str) -> Event:
    messages = getattr(event, "messages", None)
    return dataclasses.replace(event, messages=({"role": "user", "content": text},)) if messages else event  # type: ignore[call-arg]


@pytest.fixture
def snapshot_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return Path("store.db")


@SIZES
def test_an_empty_playground(snap_compare: Compare, size: tuple[int, int], snapshot_store: Path) -> None:
    app = app_of(ScriptedWorkbench(snapshot_store))

    async def ready(pilot: Pilot[Any]) -> None:
        await record(snapshot_store, [parent_run()])
        await opened(pilot)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
@pytest.mark.parametrize("how", ["busy", "failed"])
def test_a_playground(snap_compare: Compare, size: tuple[int, int], snapshot_store: Path, how: str) -> None:
    script = grid_run(busy=how == "busy", broken=how == "failed")
    app = app_of(ScriptedWorkbench(snapshot_store, script, hold=how == "busy"))

    async def ready(pilot: Pilot[Any]) -> None:
        await record(snapshot_store, [parent_run()])
        screen = await opened(pilot)
        screen.query_one("#template", TextArea).load_text(EDITED)
        screen.query_one("#models", Input).value = "pocket-worker, local/big"
        await pilot.press("ctrl+r")
        await until(
            pilot, lambda: screen.filling is not None and screen.filling.cells.last_seq == len(script) - 1
        )
        await pilot.press("j")
        await until(pilot, lambda: "edit 1 · pocket-worker" in side(screen))

    assert snap_compare(app, terminal_size=size, run_before=ready)
