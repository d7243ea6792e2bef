"""Which experiments compare a checkpoint with its base, whichever way they name it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from engine.experiments.plan import Plan
from store.experiment_log import create
from store.experiment_reader import ExperimentRow
from tests.support.job_folders import BEGUN, JobFolder
from tests.tui.experiment_samples import plan_of
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.training.job import JobScreen
from tui.screens.training.training import TrainingScreen
from tui.service.jobs.evaluation import compared_in
from tui.widgets.table_view import TableView

MADE = {10: 100.0, 20: 200.0}  # when the checkpoints of the job 01a were complete


def experiment(name: str, *specs: str, started: float = 500.0, digest: str = "d") -> ExperimentRow:
    plan = {"variants": {s: s for s in specs}, "digest": digest, "meta_agent": "pocket-meta"}
    variants: Any = tuple(specs)
    return ExperimentRow(name, "b", plan, started, None, 0, 0.0, 0.0, 0, 0, variants)


def found(step: int, *experiments: ExperimentRow, base: str = "pocket-meta") -> list[str]:
    return compared_in(experiments, "01a", step, base, MADE)


def test_an_experiment_with_the_checkpoint_by_its_step_is_found() -> None:
    both = experiment("both", "flowreasoner", "flowreasoner,meta_agent=job:01a@10")
    assert found(10, both) == ["both"]
    assert found(20, both) == []
    assert found(10, experiment("maas", "vanilla", "maas,controller=job:01a@10")) == ["maas"]


def test_without_a_step_it_is_the_newest_checkpoint_of_its_time() -> None:
    late = experiment("late", "flowreasoner", "flowreasoner,meta_agent=job:01a")
    early = experiment("early", "flowreasoner", "flowreasoner,meta_agent=job:01a", started=150.0)
    before = experiment("before", "flowreasoner", "flowreasoner,meta_agent=job:01a", started=50.0)
    assert found(20, late, early, before) == ["late"]
    assert found(10, late, early, before) == ["early"]


def test_two_experiments_on_the_same_problems_are_compared_the_base_first() -> None:
    alone = experiment("sft", "flowreasoner,rounds=1,meta_agent=job:01a")
    base = experiment("base", "flowreasoner,rounds=1")
    assert found(20, alone, base) == ["base", "sft"]
    assert found(20, alone, experiment("named", "rounds=1,flowreasoner,meta_agent=pocket-meta")) == [
        "named",
        "sft",
    ]
    for other in (
        experiment("other problems", "flowreasoner,rounds=1", digest="e"),
        experiment("other rounds", "flowreasoner,rounds=2"),
        experiment("other model", "flowreasoner,rounds=1,meta_agent=job:01b@10"),
        experiment("other job", "flowreasoner,rounds=1,meta_agent=job:01ab"),
    ):
        assert found(20, alone, other) == []


def test_the_base_of_a_job_may_be_another_job_s_checkpoint() -> None:
    alone = experiment("grpo", "flowreasoner,meta_agent=job:01a@20")
    sft = experiment("sft", "flowreasoner,meta_agent=job:00s")
    pocket = experiment("pocket", "flowreasoner")
    assert found(20, alone, pocket, sft, base="job:00s") == ["sft", "grpo"]
    both = experiment("both", "flowreasoner", "flowreasoner,meta_agent=job:01a")
    assert found(20, alone, both, sft, base="job:00s") == ["both"]


async def test_the_key_opens_the_experiments_of_a_checkpoint_without_a_step(store: Path) -> None:
    job = JobFolder(store.parent / "jobs", "01job")
    job.recipe("sft-embedded")
    job.start()
    job.runs()
    job.checkpoint(5)
    plan = plan_of().to_json() | {"meta_agent": "pocket-meta"}
    for name, spec in (("base", "flowreasoner"), ("checkpoint", "flowreasoner,meta_agent=job:01job")):
        create(store, Plan.from_json(plan | {"name": name, "variants": {spec: spec}}))
    app = app_of(ScriptedWorkbench(store))
    app.jobs._clock = lambda: BEGUN + 60
    compared: list[Any] = []
    async with app.run_test(size=WIDE) as pilot:
        app.open_comparison = compared.append  # type: ignore[method-assign]
        await pilot.press("8")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        await until(pilot, lambda: app.screen.query_one("#jobs", TableView).count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen._job is not None)
        await pilot.press("b")
        await until(pilot, lambda: compared)
    assert compared == [["base", "checkpoint"]]
