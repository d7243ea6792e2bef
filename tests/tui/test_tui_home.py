"""Home: how the variants of an experiment do, and what is known of other hosts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from engine.config import Settings
from engine.host_config import Host
from engine.models.pulls.catalogue import FIRST
from engine.models.pulls.shelf import MANIFEST
from tests.support.trials import FAIL, PASS, Ran, store_experiment
from tests.tui.experiment_samples import filled, standing
from tests.tui.pilots import SMALL, WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_experiments import Engines, table
from training.jobs.remote.hosts import HostReport
from tui.app import WorkbenchApp
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.screens.home.progress import sparkline
from tui.service.workbench import EngineWorkbench

LONG = "flowreasoner,rounds=12,budget=0.25,meta-agent=local/deepseek-r1-7b"
SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store that is named the same on every machine."""
    monkeypatch.chdir(tmp_path)
    return Path("store.db")


def row(app: WorkbenchApp, label: str) -> list[str]:
    lines = table(app, "variants").plain_text.splitlines()
    return next(line.split("\t") for line in lines if line.startswith(label))


def three_variants(store: Path) -> None:
    """One that gets better and cheaper, one of which nothing is priced, one that has not begun."""
    learns = [Ran("failed", worker_usd=0.04), *[Ran(worker_usd=0.01)] * 3]
    rans: dict[str, list[Ran]] = {LONG: learns, "vanilla": [PASS, Ran("failed", worker_usd=None)], "cot": []}
    trials = {label: {f"p{n}": [ran] for n, ran in enumerate(of_label)} for label, of_label in rans.items()}
    store_experiment(store, "zero", {"vanilla": {"p0": [FAIL]}})
    store_experiment(store, "pocket", trials)


@SIZES
async def test_each_variant_of_the_newest_experiment_has_its_course(
    path: Path, size: tuple[int, int]
) -> None:
    three_variants(path)
    app = app_of(ScriptedWorkbench(path))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: table(app, "variants").count == 3)
        assert "pocket" in str(table(app, "variants").border_title)
        label, done, rate, course, cost, costs = row(app, LONG)
        assert (label, done, rate, cost) == (LONG, "4/4", "75%", "$0.0175")
        assert course.rstrip() == "▁▅▆▆" and costs.rstrip() == "█▅▅▄"
        assert row(app, "vanilla")[4] == "~$0"  # of one of two trials
        assert [cell.strip() for cell in row(app, "cot")] == ["cot", "0/4", "–", "", "", ""]
        table(app, "variants").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        await until(pilot, lambda: table(app, "experiments").selected == "pocket")


async def test_an_experiment_in_progress_comes_before_the_newest(path: Path) -> None:
    filled(path, [PASS, FAIL] * 20)
    store_experiment(path, "earlier", {"cot": {"p0": [PASS]}})
    app = app_of(Engines(path, standing()))
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "first" in str(table(app, "variants").border_title))
        assert row(app, "vanilla")[1:3] == ["40/40", "50%"]
        assert len(row(app, "vanilla")[3]) == 10
        await until(pilot, lambda: "2/8" in table(app, "active").plain_text)
        await pilot.resize_terminal(*WIDE)  # the lines are longer there
        await until(pilot, lambda: len(row(app, "vanilla")[3]) == 32)


async def test_without_an_experiment_there_is_no_table(path: Path) -> None:
    app = app_of(ScriptedWorkbench(path))
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "recent").empty.startswith("No run yet"))
        assert not table(app, "variants").display


def test_many_values_are_thinned_out_and_the_last_one_stays() -> None:
    assert sparkline([0.0] * 50 + [1.0], 1.0, 8) == "▁▁▁▁▁▁▁█"
    assert sparkline([1.0, None, 0.5], 1.0, 5) == "█ ▅  "
    assert sparkline([0.0, 0.0], 0.0, 2) == "▁▁"
    assert sparkline([], 1.0, 2) == "  "


async def test_hosts_are_named_with_what_the_last_check_found_and_nobody_is_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a host was asked")

    monkeypatch.setattr("tui.service.jobs.hosts.check_host", refuse)
    workbench = ScriptedWorkbench(path)
    hosts = {name: Host(address=f"{name}.lab") for name in ("gpu1", "gpu2", "old")}
    workbench.settings.hosts.update(hosts)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        note = "GPUs: gpu1 not checked, gpu2 not checked, old not checked"
        await until(pilot, lambda: str(table(app, "active").border_subtitle) == note)
        gpus = {0: "", 1: "process 7 of ann", 2: "", 3: "4 GB of memory"}
        found = HostReport("gpu1", "3.12.3", "x86_64", gpus, 1 << 40, "", 0.0, (), ())
        app.jobs.note_check("gpu1", found)
        app.jobs.note_check("gpu2", None)
        app.jobs.checks["gpu2"] = app.jobs.checks["gpu2"]._replace(at=0.0)
        await until(pilot, lambda: "gpu1 2 of 4 free, gpu2 no answer" in gpus_line(app))
        assert "ago, old not checked" in gpus_line(app)


def gpus_line(app: WorkbenchApp) -> str:
    return str(table(app, "active").border_subtitle)


@SIZES
def test_home_with_an_experiment(
    snap_compare: Callable[..., bool], size: tuple[int, int], path: Path
) -> None:
    three_variants(path)
    app = app_of(Engines(path, standing(experiment="pocket")))

    async def ready(pilot: Pilot[Any]) -> None:
        await until(pilot, lambda: table(app, "variants").count == 3 and table(app, "active").count == 1)

    assert snap_compare(app, terminal_size=size, run_before=ready)


async def test_a_real_model_is_offered_while_there_is_none(path: Path) -> None:
    workbench = ScriptedWorkbench(path)
    workbench.pull_first = ("some-coder", 1.0)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: "flowreasoner models pull" in table(app, "active").empty)
        offer = table(app, "active").empty
        assert "1 GB" in offer and "some-coder" in offer
        room = table(app, "active").scrollable_content_region
        assert len(offer.split("\n")) <= room.height and max(map(len, offer.split("\n"))) <= room.width
        workbench.pull_first = None
        app.open_experiments()
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        await pilot.press("escape")
        await until(pilot, lambda: "models pull" not in table(app, "active").empty)


async def test_a_real_model_is_offered_beside_the_variants_of_an_experiment_as_well(path: Path) -> None:
    store_experiment(path, "first", {"vanilla": {f"p{n}": [PASS] for n in range(9)}})
    workbench = ScriptedWorkbench(path)
    workbench.pull_first = ("some-coder", 1.0)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "variants").count)
        await until(pilot, lambda: "models pull" in table(app, "active").empty)
        await pilot.pause()
        active = table(app, "active")
        rows = [active.render_line(y).text.strip() for y in range(active.scrollable_content_region.height)]
        assert rows == [
            "Nothing is running.  r, then Enter: the bundled example",
            "Want a real model? 1 GB: flowreasoner models pull some-coder",
        ]


def test_a_model_to_pull_is_named_while_there_is_only_the_embedded_pair(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    alone = EngineWorkbench(Settings(store=tmp_path / "store.db", endpoints={}))
    assert alone.first_pull() == (FIRST.name, FIRST.gigabytes)
    pulled = tmp_path / "models" / "mine"
    pulled.mkdir(parents=True)
    (pulled / MANIFEST).write_text("{}", "utf-8")
    assert alone.first_pull() is None
