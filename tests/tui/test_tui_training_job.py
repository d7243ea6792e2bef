"""From stored runs to a trained model, through the screens: a data set, a real job, its checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input, Static, TextArea

from sandbox.errors import UsageError
from tests.store.samples import store as store_runs
from tests.store.samples import whole_run
from tests.tui.pilots import SMALL, WIDE, app_of, told, until
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_training import listed, static, table
from tui.screens.ask.ask import AskScreen
from tui.screens.failures.failures import FailuresScreen
from tui.screens.new_experiment.new_experiment import NewExperimentScreen
from tui.screens.training.dataset import DatasetScreen
from tui.screens.training.job import JobScreen
from tui.screens.training.launch import LaunchScreen
from tui.screens.training.training import TrainingScreen


@dataclass
class Report:
    """What a build found."""

    rows: int = 3

    def to_json(self) -> dict[str, Any]:
        runs = {"matched": 5, "read": 4}
        return {"rows": self.rows, "problems": 2, "runs": runs, "dropped": {"no score": 2}}


async def test_failures_become_a_training_set_a_data_set_and_a_job(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def build(settings: Any, request: Any, progress: Any) -> Report:
        asked.append(request)
        if len(asked) == 1:
            raise UsageError("no row is left")
        return Report()

    monkeypatch.setattr("tui.service.datasets.build_in_thread", build)
    store_runs(store, whole_run("r1", status="failed", score=0.0, error="1 of 2 tests failed"))
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen) and table(app, "runs").count == 1)
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press(*"bad-1", "enter")
        await until(pilot, lambda: isinstance(app.screen, DatasetScreen))
        dialog = app.screen
        assert dialog.query_one("#wanted", Input).value == "training-set:bad-1"
        folder = dialog.query_one("#folder", Input).value
        assert folder == str(store.parent / "datasets" / "training-set-bad-1-repair")
        dialog.query_one("#build", Button).press()
        await until(pilot, lambda: "no row is left" in str(dialog.query_one("#told", Static).render()))
        assert dialog.query_one("#train", Button).disabled
        dialog.query_one("#build", Button).press()
        await until(pilot, lambda: not dialog.query_one("#train", Button).disabled)
        said = str(dialog.query_one("#told", Static).render())
        assert "3 rows on 2 problems, 4 of 5 runs read" in said and "2 no score" in said
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)
        assert app.screen.query_one("#name-data", Input).value == folder
        assert app.screen.query_one("#name-recipe", Input).value == "sft-embedded"
    assert asked[0].kind == "repair"


async def test_a_real_job_outlives_the_workbench_and_its_checkpoint_is_tried(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a dry run says is tested with recipes; here it would only cost time.
    monkeypatch.setattr("tui.service.jobs.launch.estimate", lambda recipe: [])
    data = tmp_path / "data"
    _rows(data)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app, 0)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)
        app.screen.query_one("#name-data", Input).value = str(data)
        app.screen.query_one("#name-name", Input).value = "small"
        for key, value in (("max_steps", "2"), ("batch.rows", "2"), ("batch.rows_at_once", "2")):
            await app.screen._set(key, value)
        await pilot.press("f2")
        await until(pilot, lambda: app.screen._tried is not None)
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen) and table(app, "jobs").count == 1)
    # The workbench is closed; the job goes on.
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app)
        await until(pilot, lambda: "done" in table(app, "jobs").plain_text)
        assert "2/2" in table(app, "jobs").plain_text and told(app) == []
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and "small" in static(app, "legend"))
        plot = app.screen.query_one("#plot-0")
        await until(pilot, lambda: str(plot.border_title) == "loss")
        assert 0 < float(str(plot.border_subtitle)) < 20
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        base, tried = app.screen.query_one("#variants", TextArea).text.splitlines()
    job = next((store.parent / "jobs").iterdir()).name
    assert base.endswith("meta_agent=pocket-meta") and tried.endswith(f"meta_agent=job:{job}@2")


def _rows(folder: Path) -> None:
    """A data set of two rows, as `dataset build sft` writes them."""
    from datasets import Dataset

    row = {
        "prompt": [{"role": "user", "content": "Write a workflow."}],
        "reasoning": "One draft is enough.",
        "reply": "<graph>\nclass Workflow: ...\n</graph>",
        "run": "r",
        "round": 1,
        "problem": "p",
        "reward": 1.0,
    }
    Dataset.from_list([row, row]).save_to_disk(folder)
