"""How the screens of training jobs look. Update with `--snapshot-update`."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.support.job_folders import BEGUN, JobFolder, group
from tests.tui.pilots import SMALL, WIDE, until
from tests.tui.test_tui_training import app_on, listed, opened, plots, static, table
from tui.screens.training.launch import LaunchScreen

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store named the same on every machine, with jobs that run, are done and have failed."""
    monkeypatch.chdir(tmp_path)
    jobs = Path("jobs")
    failed = JobFolder(jobs, "01a", name="score-dpo, beta 0.1", kind="dpo", created=BEGUN - 200)
    failed.start(50)
    failed.step(1, loss=0.69)
    failed.end("failed", "the loss is not a number at step 2: halve optimizer.learning_rate")
    failed.ended_as("failed", 3)
    done = JobFolder(jobs, "01b", name="sft rounds", created=BEGUN - 100, dataset="/data/sets/pocket")
    done.start(40)
    for step in range(1, 41):
        done.step(step, loss=0.4 + 2 * math.exp(-step / 12), learning_rate=3e-4, tokens_per_s=2100.0)
    done.end()
    done.ended_as("done")
    _grpo(JobFolder(jobs, "01c", name="grpo rounds", kind="grpo", dataset="/data/sets/grpo"))
    return Path("store.db")


def _grpo(job: JobFolder) -> None:
    job.recipe("grpo-embedded")
    job.start(30)
    for step in range(1, 21):
        share = step / 20
        job.step(
            step, reward_mean=0.2 + 0.5 * share, reward_std=0.3 - 0.2 * share, loss=0.1 - share / 20,
            kl=share / 50, entropy=1.2 - share / 2, valid_share=0.75, no_signal_share=0.25,
            completion_tokens=420.0 + step, tokens_per_s=812.0, seconds_wait_generation=22.0,
            seconds_execution=9.0, seconds_training=7.5, seconds_other=1.0,
        )  # fmt: skip
    job.rollouts(20, group("pocket/median", 0.0, 1.0, 0.4, None), group("pocket/reverse", 0.5, 0.5, 0.5, 0.5))
    job.runs()


@SIZES
def test_the_curves_of_two_jobs(snap_compare: Compare, size: tuple[int, int], store: Path) -> None:
    app = app_on(store)

    async def ready(pilot: Pilot[Any]) -> None:
        await listed(pilot, app, 3)
        await pilot.press("down", "space", "up", "up", "enter")
        await until(pilot, lambda: plots(app)[:2] == ["reward_mean", "loss"])
        await until(pilot, lambda: "sft rounds" in static(app, "legend"))

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_the_rollouts_of_a_step(snap_compare: Compare, size: tuple[int, int], store: Path) -> None:
    app = app_on(store)

    async def ready(pilot: Pilot[Any]) -> None:
        await opened(pilot, app, 3)
        await pilot.press("right_curly_bracket")
        await until(pilot, lambda: table(app, "groups").count == 2)
        await pilot.press("enter", "l")

    assert snap_compare(app, terminal_size=size, run_before=ready)


def test_the_form(snap_compare: Compare, store: Path) -> None:
    app = app_on(store)

    async def ready(pilot: Pilot[Any]) -> None:
        await listed(pilot, app, 3)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)

    assert snap_compare(app, terminal_size=SMALL, run_before=ready)
