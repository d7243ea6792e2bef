"""A run leaves by a dialog, and comes in by one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.sharing.otlp_server import OtlpServer
from tests.tui.pilots import SMALL, WIDE, app_of, record, told, until
from tests.tui.scripted import RUN_ID, ScriptedWorkbench, failing_run, passing_run
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.screens.share.share import ImportScreen, ShareScreen


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


async def test_a_bundle_goes_from_one_workbench_to_another(store: Path, tmp_path: Path) -> None:
    await record(store, [failing_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.shown_run)
        run_id = app.screen.shown_run
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, ShareScreen))
        await pilot.press("enter")
        await until(pilot, lambda: any("wrote 1 run" in text for text in told(app)))
        path = store.parent / "exports" / f"{run_id}.zip"
        assert path.is_file() and any(path.name in text for text in told(app)), "it says where the file is"
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, ShareScreen))
        await pilot.press("enter")
        await until(pilot, lambda: any("exists already" in text for text in told(app)))

    (tmp_path / "other").mkdir()
    other = app_of(ScriptedWorkbench(tmp_path / "other" / "store.db"))
    async with other.run_test(size=SMALL) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: isinstance(other.screen, RunsScreen))
        await pilot.press("I")
        await until(pilot, lambda: isinstance(other.screen, ImportScreen))
        await pilot.press(*str(path), "enter")
        await until(pilot, lambda: "imported 1 run" in told(other))
        await until(pilot, lambda: isinstance(other.screen, RunsScreen) and other.screen.shown_run == run_id)
        await pilot.press("I")
        await until(pilot, lambda: isinstance(other.screen, ImportScreen))
        await pilot.press(*str(store), "enter")
        await until(pilot, lambda: any("not a bundle" in text for text in told(other)))


async def test_a_trace_is_written_as_another_format(store: Path, tmp_path: Path) -> None:
    await record(store, [passing_run()])
    app = app_of(ScriptedWorkbench(store), initial_run_id=RUN_ID)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.shown_run)
        await pilot.press("W")
        await until(pilot, lambda: isinstance(app.screen, ShareScreen))
        await pilot.press("down", "down", "down", "tab")
        field = app.screen.query_one("#where")
        field.value = str(tmp_path / "events.jsonl")  # type: ignore[attr-defined]
        await pilot.press("enter")
        await until(pilot, lambda: any("events.jsonl" in text for text in told(app)))
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["kind"] == "run_finished"


async def test_spans_go_to_an_endpoint_and_escape_sends_nothing(store: Path) -> None:
    await record(store, [passing_run()])
    app = app_of(ScriptedWorkbench(store), initial_run_id=RUN_ID)
    with OtlpServer() as server:
        async with app.run_test(size=SMALL) as pilot:
            await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.shown_run)
            for last in ("escape", "enter"):
                await pilot.press("W")
                await until(pilot, lambda: isinstance(app.screen, ShareScreen))
                await pilot.press(*["down"] * 4, "tab")
                app.screen.query_one("#where").value = server.url  # type: ignore[attr-defined]
                await pilot.press(last)
                await until(pilot, lambda: isinstance(app.screen, RunScreen))
            await until(pilot, lambda: any(text.startswith("sent 1 run") for text in told(app)))
        assert len(server.requests) == 1


async def test_without_a_run_it_says_so(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("W")
        await until(pilot, lambda: any("select one" in text for text in told(app)))
