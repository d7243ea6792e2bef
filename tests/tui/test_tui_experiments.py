"""The Experiments screen: what it shows of the store and of engines, and what its keys ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input, Label, Static, TextArea

from engine.experiments.plan import Plan, PlanError
from engine.experiments.standing import Standing
from engine.experiments.tally import VariantState
from store.experiment_log import create
from tests.support.trials import PASS, Ran
from tests.tui.experiment_samples import HOSTILE, filled, plan_of, standing
from tests.tui.pilots import SMALL, WIDE, app_of, told, until
from tests.tui.scripted import ScriptedWorkbench
from tui.app import WorkbenchApp
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.screens.experiments.trials import TrialsScreen
from tui.screens.new_experiment.new_experiment import NewExperimentScreen
from tui.screens.run.run import RunScreen
from tui.service.engine_process.sockets import EngineError
from tui.service.requests import ExperimentRequest, NewExperiment, Placement, Resume
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView


class Engines(ScriptedWorkbench):
    """Experiments stand as the test says; what is asked is noted."""

    def __init__(self, store: Path, *standings: Standing, refuse: Exception | None = None) -> None:
        super().__init__(store)
        self.standings, self.refuse = list(standings), refuse
        self.started: list[tuple[ExperimentRequest, Placement]] = []
        self.asked: list[tuple[str, str]] = []
        self.left_out: list[str] = []

    async def experiments(self, left_out: Callable[[str], object]) -> list[Standing]:
        for sentence in self.left_out:
            left_out(sentence)
        return self.standings

    async def estimate(self, request: ExperimentRequest) -> list[dict[str, Any]]:
        assert isinstance(request, NewExperiment)
        if self.refuse:
            raise self.refuse
        numbers = {
            f"{role}_{k}": 1 for role in ("meta", "worker") for k in ("calls", "tokens_in", "tokens_out")
        }
        row = {"runs": 4, "earlier_runs": 2, "search": None, "is_bound": False, "cost_usd": 0.25, "leaks": []}
        return [{"label": v, **numbers, **row} for v in request.variants]

    async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
        if self.refuse:
            raise self.refuse
        self.started.append((request, placement))
        return request.name or "made"

    async def act_on_experiment(self, name: str, action: str) -> Standing:
        self.asked.append((name, action))
        if action == "pause":
            self.standings = [standing(status="paused")]
        return standing()


async def test_an_engine_that_is_left_out_is_told_once(tmp_path: Path) -> None:
    engines = Engines(tmp_path / "store.db", standing())
    engines.left_out = ["the engine on 1.sock has another version"]
    app = app_of(engines)
    async with app.run_test(size=WIDE) as pilot:
        for _ in range(2):
            assert [now.experiment for now in await app.engines.standings()] == [standing().experiment]
        await until(pilot, lambda: told(app))
        assert [text for text in told(app) if "1.sock" in text] == engines.left_out


def table(app: WorkbenchApp, id: str) -> TableView:
    return app.screen.query_one(f"#{id}", TableView)


async def opened(pilot: Any, app: WorkbenchApp, count: int = 1) -> None:
    await pilot.press("5")
    await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
    await until(pilot, lambda: table(app, "experiments").count == count)


async def test_what_the_store_has_is_shown_with_its_trials_and_they_open(store: Path) -> None:
    filled(store)
    app = app_of(Engines(store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await until(pilot, lambda: table(app, "trials").count == 8)
        text = table(app, "experiments").plain_text
        assert "first" in text and "8/8" in text and "50% (1 error) vanilla" in text
        assert "\x1b" not in table(app, "trials").plain_text
        plan = str(app.screen.query_one("#plan", Static).render())
        assert "humaneval aflow-1:4" in plan and "meta, w" in plan
        await pilot.press("f")
        await until(pilot, lambda: table(app, "trials").count == 3)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, TrialsScreen) and table(app, "trials").count == 8)
        await pilot.press("f")
        await until(pilot, lambda: table(app, "trials").count == 3)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape", "escape", "escape")  # the second shows all trials again
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        await pilot.press("u")
        await until(pilot, lambda: told(app)[-1:] == ["All 8 trials of first are done."])


async def test_one_in_progress_is_shown_as_it_stands_and_controlled(
    store: Path,
) -> None:
    filled(store)
    workbench = Engines(store, standing())
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "active").count == 1)
        assert "first" in table(app, "active").plain_text
        assert "3 for local/worker" in table(app, "active").plain_text
        await opened(pilot, app)
        await until(pilot, lambda: "2/8" in table(app, "experiments").plain_text)
        assert "1:05" in table(app, "experiments").plain_text
        await pilot.press("u")
        await until(pilot, lambda: told(app)[-1:] == ["first is in progress."])
        await pilot.press("p")
        await until(pilot, lambda: "paused" in table(app, "experiments").plain_text)
        await pilot.press("p")
        await until(pilot, lambda: len(workbench.asked) == 2)
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        app.screen.query_one("#yes", Button).press()
        await until(pilot, lambda: len(workbench.asked) == 3)
        workbench.standings = [standing(status="ended", end="budget", stopped="it has spent 1 USD")]
        await pilot.press("ctrl+r")
        await until(pilot, lambda: any("it has spent 1 USD" in line for line in told(app)))
    assert workbench.asked == [("first", "pause"), ("first", "continue"), ("first", "cancel")]


async def test_home_leads_to_the_one_in_progress(store: Path) -> None:
    filled(store)
    app = app_of(Engines(store, standing()))
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "active").count == 1)
        table(app, "active").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))


async def test_what_is_left_is_resumed_and_only_what_the_sandbox_failed_is_retried(store: Path) -> None:
    filled(store, [Ran("infra"), PASS])
    workbench = Engines(store)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("u")
        await until(pilot, lambda: len(workbench.started) == 1)
        await pilot.press("R")
        await until(pilot, lambda: len(workbench.started) == 2)
    assert [request for request, _ in workbench.started] == [
        Resume(name="first"),
        Resume(name="first", retry=("infra",)),
    ]


async def test_a_form_tells_the_cost_before_it_starts_anything(store: Path) -> None:
    workbench = Engines(store)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app, 0)
        await until(pilot, lambda: "No experiment yet" in table(app, "experiments").empty)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        form = app.screen
        assert form.query_one("#begin", Button).disabled
        form.query_one("#variants", TextArea).load_text("vanilla\n\naflow,rounds=2\n")
        form.query_one("#limit", Input).value = "none"
        await pilot.press("ctrl+r")
        await until(
            pilot,
            lambda: "Limit: Must be a valid integer" in str(form.query_one("#complaint", Label).render()),
        )
        form.query_one("#limit", Input).value = "4"
        form.query_one("#budget_usd", Input).value = "1.5"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: not form.query_one("#begin", Button).disabled)
        assert "8 runs, estimated cost $0.50" in str(form.query_one("#preview", Static).render())
        form.query_one("#seed", Input).value = "7"  # what was told is no longer what would start
        await until(pilot, lambda: form.query_one("#begin", Button).disabled)
        assert workbench.started == []
        await pilot.press("f2")
        await until(pilot, lambda: not form.query_one("#begin", Button).disabled)
        await pilot.press("f2")
        await until(pilot, lambda: len(workbench.started) == 1)
    ((request, placement),) = workbench.started
    assert isinstance(request, NewExperiment)
    assert request.variants == ("vanilla", "aflow,rounds=2")
    assert (request.benchmark, request.limit, placement.budget_usd, request.seed) == ("pocket", 4, 1.5, 7)


async def test_a_name_of_a_variant_is_completed(store: Path) -> None:
    app = app_of(Engines(store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app, 0)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        area = app.screen.query_one("#variants", TextArea)
        area.load_text("")
        await pilot.press(*"vanil", "right")
        await until(pilot, lambda: area.text == "vanilla")


@pytest.mark.parametrize("error", [PlanError(f"no {HOSTILE}"), EngineError("the engine ended at once")])
async def test_what_cannot_be_planned_or_started_is_one_safe_sentence(store: Path, error: Exception) -> None:
    filled(store, [Ran("infra"), PASS])
    app = app_of(Engines(store, refuse=error))
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, app)
        await pilot.press("u")
        await until(pilot, lambda: told(app))
        assert "\x1b" not in told(app)[-1]
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        form = app.screen
        await pilot.press("ctrl+r")
        await until(pilot, lambda: str(form.query_one("#complaint", Label).render()))
        assert "\x1b" not in str(form.query_one("#complaint", Label).render())
        assert form.query_one("#begin", Button).disabled


@pytest.mark.drawn
async def test_hostile_names_and_a_broken_store_show_safely(store: Path, tmp_path: Path) -> None:
    create(store, Plan.from_json(plan_of().to_json() | {"benchmark": HOSTILE}))
    state = VariantState(HOSTILE, 8, 0, 0, None, 0, 0, HOSTILE[:9])
    app = app_of(Engines(store, standing(variants=(state,), waits=(f"1 for {HOSTILE}",))))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        for id in ("experiments", "variants"):
            assert "\x1b" not in table(app, id).plain_text and "\u202e" not in table(app, id).plain_text
    broken = tmp_path / "broken.db"
    await asyncio.to_thread(broken.write_text, "this is no database" * 400)
    app = app_of(Engines(broken))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        await until(pilot, lambda: "cannot be read" in table(app, "experiments").empty)


async def test_the_cursor_among_the_trials_is_not_put_back_by_a_message_that_comes_late(store: Path) -> None:
    filled(store)
    app = app_of(Engines(store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        trials = table(app, "trials")
        await until(pilot, lambda: trials.count == 8)
        trials.focus()
        await pilot.press("j", "j")
        selected = trials.selected
        experiments = table(app, "experiments")
        experiments.post_message(LineList.Highlighted(experiments, 0))
        await pilot.pause()
        assert (trials.count, trials.cursor, trials.selected) == (8, 2, selected)


async def test_an_estimate_that_comes_late_is_not_what_starts(store: Path) -> None:
    gate = asyncio.Event()

    class Slow(Engines):
        async def estimate(self, request: ExperimentRequest) -> list[dict[str, Any]]:
            await gate.wait()
            return await super().estimate(request)

    app = app_of(Slow(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        form = app.screen
        await pilot.press("ctrl+r")
        name = form.query_one("#name", Input)
        name.focus()
        await pilot.press("x")
        gate.set()
        await until(pilot, lambda: all(w.is_finished for w in form.workers))
        assert form.query_one("#begin", Button).disabled and form.focused is name and name.value == "x"
