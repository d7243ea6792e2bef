"""A run that was imported, not executed: nothing is said of a sandbox, and what is unknown is not free."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.events import RunFinished
from tests.tui.pilots import WIDE, app_of, record, until
from tests.tui.scripted import RUN_ID, Script, ScriptedWorkbench
from tui.screens.run.run import RunScreen
from tui.widgets.title_bar import TitleBar


@pytest.mark.parametrize(("sandbox", "warns"), [("none", False), ("docker", False), ("bwrap", True)])
async def test_only_a_run_that_was_executed_can_have_had_a_weaker_sandbox(
    store: Path, sandbox: str, warns: bool
) -> None:
    script = Script(RUN_ID, 1.7e9)
    script.start(sandbox=sandbox, rounds=1)
    script.end()
    finished: Any = script.events[-1]
    assert isinstance(finished, RunFinished)
    script.events[-1] = replace(finished, cost_usd=None, model_calls=0)
    await record(store, [script.events])
    app = app_of(ScriptedWorkbench(store), initial_run_id=RUN_ID)
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)

        def status() -> str:
            return "\n".join(str(line.render()) for line in app.screen.query("StatusLine"))

        def warned() -> bool:
            return "isolates less" in app.screen.query_one(TitleBar).note

        await until(pilot, lambda: "cost ?" in status() and warned() is warns)
        assert "$0" not in status()
        assert warned() is warns
