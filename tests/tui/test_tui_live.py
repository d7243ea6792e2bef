"""Live control on the screens: what is asked of the engine, and what is shown while a run stands."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, SelectionList

from engine import events as ev
from tests.tui.pilots import WIDE, app_of, shown, told, until
from tests.tui.scripted import ScriptedWorkbench, mid_stream_run
from tui.screens.breakpoints.breakpoints import BreakpointsScreen
from tui.screens.run.run import RunScreen
from tui.screens.run.stop_bar import StopBar
from tui.screens.stop.stop import StopScreen
from tui.trace.waiting import waiting_on
from tui.widgets.text_view import TextView
from tui.widgets.value_fields import ValueFields

HOSTILE = "[red]x[/] \x1b[31m \u202e \x00 [@click=app.quit]y[/]"


def paused(**more: Any) -> ev.RunPaused:
    before = mid_stream_run()[-1]
    values: dict[str, Any] = {
        "reason": "before test",
        "where": "before",
        "execution_id": "e",
        "step_id": None,
        "operator": "test",
        "line": 8,
        "locals": {"count": 1},
    }
    stamp = {"run_id": before.run_id, "seq": before.seq + 1, "at": before.at + 1, "mono": before.mono + 1}
    return ev.RunPaused(**(values | stamp | more))


def stop_of(event: ev.RunPaused, value: Any, **more: Any) -> dict[str, Any]:
    """A stop as the engine tells it."""
    keys = ("where", "reason", "operator", "line", "locals")
    return {k: getattr(event, k) for k in keys} | {"value": value, "error": None, "edited": False} | more


class Standing(ScriptedWorkbench):
    """A run that stands at a stop."""

    def __init__(self, store: Path, stop: dict[str, Any], event: ev.RunPaused) -> None:
        super().__init__(store, [*mid_stream_run(), event], hold=True)
        self._stop = stop

    async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
        await super().act(run_id, action, **args)
        return {"status": "paused", "stop": self._stop, "breakpoints": []}


@pytest.fixture
def workbench(store: Path) -> Standing:
    event = paused()
    return Standing(store, stop_of(event, {"solution": "x = 1"}), event)


async def test_a_standing_run_says_where_and_each_key_asks_the_engine(workbench: Standing) -> None:
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        bar = app.screen.query_one(StopBar)
        await until(pilot, lambda: bar.display)
        assert "stopped: before test, line 8" in str(bar.render())
        assert waiting_on(session.state).text == "a breakpoint: before test, line 8"
        await pilot.press("s", "S", "O", "p", "E")
        await until(pilot, lambda: len(workbench.acts) == 5)
    assert workbench.acts == [
        ("step", {"how": "over"}),
        ("step", {"how": "into"}),
        ("step", {"how": "out"}),
        ("continue", {}),
        ("finish", {}),
    ]


async def test_a_run_that_goes_on_can_be_paused_and_not_stepped(store: Path) -> None:
    workbench = ScriptedWorkbench(store, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.tree.meta_call is not None)
        assert not app.screen.query_one(StopBar).display
        await pilot.press("s", "c", "p")
        await until(pilot, lambda: workbench.acts)
    assert workbench.acts == [("pause", {})]


async def test_what_passes_is_looked_at_and_changed(workbench: Standing) -> None:
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, StopScreen))
        fields = app.screen.query_one("#value", ValueFields)
        shown_fields = [(field.border_title, field.text) for field in fields.shown]
        assert shown_fields == [("Inputs of the step · solution", "x = 1")]
        await until(pilot, lambda: "── count\n1" in shown(app, "locals"))
        fields.first.load_text("x = 2")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await until(pilot, lambda: len(workbench.acts) == 3)
    assert workbench.acts[1:] == [("edit", {"value": {"solution": "x = 2"}}), ("continue", {})]


async def test_a_step_can_be_skipped_from_the_stop(workbench: Standing) -> None:
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, StopScreen))
        await pilot.press("f2")
        await pilot.press("ctrl+t")
        output = app.screen.query_one("#output", ValueFields)
        output.first.load_text("{nonsense")
        await pilot.press("ctrl+r")
        assert isinstance(app.screen, StopScreen)
        assert "not JSON" in str(app.screen.query_one("#complaint").render())
        output.first.load_text('{"result": true}')
        await pilot.press("ctrl+r")
        await until(pilot, lambda: len(workbench.acts) == 2)
    assert workbench.acts[1] == ("skip", {"output": {"result": True}})


async def test_leaving_the_stop_changes_nothing(workbench: Standing) -> None:
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, StopScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
    assert workbench.acts == [("state", {})]


async def test_stops_are_picked_written_and_shown_in_the_source(store: Path) -> None:
    workbench = ScriptedWorkbench(store, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.tree.meta_call is not None)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, BreakpointsScreen))
        assert "error" in [option.value for option in app.screen.query_one(SelectionList)._options]
        own = app.screen.query_one(Input)
        own.focus()
        own.value = "sometimes"
        await pilot.press("enter")
        await until(pilot, lambda: "is not a breakpoint" in str(app.screen.query_one("#complaint").render()))
        own.value = "line  4"
        await pilot.press("enter")
        await pilot.press("escape")
        await until(pilot, lambda: workbench.acts)
        assert workbench.acts == [("break", {"breakpoints": ["line 4"]})]
        assert app.screen.query_one("#workflow", TextView)._stops == {4}


async def test_an_engine_that_is_gone_is_told(store: Path) -> None:
    from tui.service.engine_process.sockets import EngineError

    class Gone(ScriptedWorkbench):
        async def act(self, run_id: str, action: str, **args: Any) -> dict[str, Any]:
            raise EngineError("the engine is gone; what it had recorded is in the store")

    app = app_of(Gone(store, mid_stream_run(), hold=True))
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(app.workbench.default_request())
        await until(pilot, lambda: session.state.tree.meta_call is not None)
        await pilot.press("p")
        await until(pilot, lambda: any("engine is gone" in text for text in told(app)))


@pytest.mark.drawn
async def test_hostile_texts_at_a_stop_are_shown_as_text(store: Path) -> None:
    event = dataclasses.replace(
        paused(), operator=HOSTILE, reason=f"match /{HOSTILE}/", locals={"x": HOSTILE}
    )
    workbench = Standing(store, stop_of(event, {"problem": HOSTILE}), event)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.state.stop is not None)
        assert "[red]x[/]" in str(app.screen.query_one(StopBar).render())
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, StopScreen))
        text = app.screen.query_one("#value", ValueFields).first.text
        assert "\x1b" not in text and "\u202e" not in text
        assert "[red]x[/]" in shown(app, "locals")
        assert "\x1b" not in shown(app, "locals")
