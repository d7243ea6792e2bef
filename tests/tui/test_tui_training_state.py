"""What the screens of training compute, without a terminal: curves, standings, cells, logs, launches."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from store.jobs.reading import JobRow, Point
from training.jobs.directory import JobStatus
from training.recipes import RecipeError, load
from training.recipes.fields import fields
from tui.jobs.curves import PlotView, curve, extent, matching, ordered, smoothed, ticks, value_text
from tui.jobs.fields import choices_of, kind_of, text_of
from tui.reports.jobs import profile_table
from tui.screens.training.rows import job_row, time_bar
from tui.service.jobs.evaluation import contestants, experiments_of
from tui.service.jobs.launch import Launch, differences
from tui.service.jobs.log import LogTail, only_matching
from tui.service.jobs.news import JobNews
from tui.service.jobs.standing import JobStanding


def row(**changes: Any) -> JobRow:
    values: dict[str, Any] = {
        "id": "j", "kind": "grpo", "name": "n", "host": "local", "parent": None, "base": "pocket-meta",
        "dataset": None, "created_at": 0.0, "attempt": 1, "total_steps": 100, "rows": None, "tokens": None,
        "step": 20, "begun_at": 1000.0, "begun_step": 1, "heard_at": 1200.0, "ended": None, "error": None,
        "damaged": 0, "latest": {}, "alert": None,
    }  # fmt: skip
    return JobRow(**(values | changes))


def standing(state: Any = "running", now: float = 1200.0, **changes: Any) -> JobStanding:
    return JobStanding(row(**changes), JobStatus(state), now)


# -- curves ----------------------------------------------------------------------------------------


def test_smoothing_starts_at_the_first_value_and_forgets_it() -> None:
    assert smoothed([5.0, 5.0, 5.0], 0.9) == pytest.approx([5.0, 5.0, 5.0])
    values = smoothed([0.0] * 5 + [1.0] * 200, 0.9)
    assert values[0] == 0.0 and values[5] < 0.3 and values[-1] == pytest.approx(1.0, abs=1e-6)
    assert smoothed([1.0, 2.0], 0.5) == pytest.approx([1.0, (0.25 * 1 + 0.5 * 2) / 0.75])


def test_a_curve_is_drawn_by_step_or_time_on_a_plain_or_logarithmic_scale() -> None:
    points = [Point(1, 10.0, 100.0), Point(2, 20.0, None), Point(3, 30.0, 0.0), Point(4, 40.0, 0.01)]
    plain = curve(points, PlotView(), 5.0)
    assert (plain.xs, plain.ys) == ((1, 3, 4), (100.0, 0.0, 0.01))
    timed = curve(points, PlotView(axis="time", log=True), 5.0)
    assert (timed.xs, timed.ys, timed.raw) == ((5.0, 35.0), (2.0, -2.0), (100.0, 0.01))
    assert curve(points, PlotView(window=(2.0, 3.5)), 0.0).xs == (3,)
    assert extent([plain, timed]) == (1, 35.0)
    assert extent([curve([], PlotView(), 0.0)]) is None
    assert plain.at(3.4) == 0.0
    assert curve([], PlotView(), 0.0).at(1.0) is None


def test_zooming_stays_inside_and_around_what_is_inspected() -> None:
    whole = (0.0, 100.0)
    view = PlotView().moved(-0.1, whole)
    assert view.cursor == 100.0
    view = view.moved(-0.1, whole)
    assert view.cursor == 90.0
    view = view.zoomed(0.5, whole)
    assert view.window == (50.0, 100.0)
    assert view.moved(-5.0, whole).cursor == 50.0
    assert view.zoomed(2.0, whole).window is None
    assert view.other_axis() == PlotView(axis="time")


def test_metrics_come_in_the_order_people_look_at_them_and_can_be_filtered() -> None:
    names = ordered(["seconds_execution", "zeta", "loss", "cpu_train", "reward_mean", "alpha"])
    assert names == ["reward_mean", "loss", "alpha", "zeta", "cpu_train", "seconds_execution"]
    assert matching(names, "LOSS|^a") == ["loss", "alpha"]
    for wrong in ("(", "*", "[a", "(?P<"):
        with pytest.raises(ValueError, match="is no regular expression"):
            matching(names, wrong)


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "NaN"), (0.0, "0"), (3.0, "3"), (0.5, "0.5"), (123456.0, "123456"), (1e-5, "1.00e-05"),
     (2.5e9, "2.50e+09"), (-0.12345, "-0.1235"), (1e300, "1.00e+300")],
)  # fmt: skip
def test_a_value_fits_its_column(value: float | None, text: str) -> None:
    assert value_text(value) == text
    assert ticks(1.0, 1.0, 3, log=False) == ([1.0], ["1"])
    assert ticks(0.0, 2.0, 3, log=True)[1] == ["1", "10", "100"]


# -- standings -------------------------------------------------------------------------------------


def test_what_is_left_follows_from_the_pace_of_this_attempt() -> None:
    assert standing().seconds_per_step == 10.0
    assert standing().eta_s == 800.0
    assert standing(now=1203.0).eta_s == 797.0
    resumed = standing(begun_step=11, begun_at=1100.0)
    assert resumed.seconds_per_step == 10.0
    for unknown in ({"step": None}, {"total_steps": None}, {"begun_at": None}, {"heard_at": None}):
        assert standing(**unknown).eta_s is None
    assert standing("done").eta_s is None
    assert standing("done").heartbeat_s is None


def test_silence_is_told_once_it_is_longer_than_a_few_steps() -> None:
    assert standing(now=1490.0).trouble == ""
    assert standing(now=1600.0).trouble == "No step for 7 minutes."
    slow = {"begun_at": 0.0, "heard_at": 12_000.0, "step": 20}
    assert standing(now=13_000.0, **slow).trouble == ""
    assert standing(now=14_000.0, **slow).trouble != ""
    assert standing("failed", error="the loss is NaN").trouble == "the loss is NaN"
    assert "resumed" in standing("lost").trouble
    assert "supervisor" in standing("unsupervised").trouble


def test_news_are_told_once_and_not_of_what_was_there_before() -> None:
    news = JobNews()
    news.look([standing("failed", error="it was so before")])
    assert news.take() == []
    news.look([standing(id="k")])
    news.look([standing(id="k", alert="entropy: too low")])
    news.look([standing(id="k", alert="entropy: too low")])
    assert [n.text for n in news.take()] == ["n: entropy: too low"]
    news.look([standing(id="k", alert="entropy: too low", now=1600.0)])
    news.look([standing(id="k", alert="entropy: too low", now=1605.0)])
    news.look([standing("done", id="k", alert="entropy: too low")])
    assert [(n.text, n.is_bad) for n in news.take()] == [
        ("n: No step for 7 minutes.", True),
        ("n is done.", False),
    ]
    news.look([standing("failed", id="k", alert="entropy: too low", error="the disk is full")])
    assert [n.text for n in news.take()] == ["n has failed. the disk is full"]


def test_a_link_that_is_down_is_told_and_is_no_state() -> None:
    job = JobStanding(row(), JobStatus("running", link="the host does not answer"), 9999.0)
    assert job.state == "running"
    assert "does not answer" in job.trouble


def test_cells_are_safe_whatever_a_job_says() -> None:
    hostile = "\x1b[31m\u202ename\n"
    latest = {"loss": None, "reward_mean": 0.5, "reward_std": None, "tokens_per_s": -1.0, "gpu_use": 1e308}
    job = standing(name=hostile, host=hostile, kind=hostile, error=hostile, latest=latest)
    text = "".join(text for text, _ in job_row(job, marked=True).cells)
    assert "\x1b" not in text and "\u202e" not in text and "\n" not in text
    assert "NaN" in text and "0.500" in text


def test_the_time_bar_fills_its_width_and_names_its_parts() -> None:
    latest = {
        "seconds_wait_generation": 6.0,
        "seconds_execution": 3.0,
        "seconds_training": 1.0,
        "seconds_other": None,
    }
    for width in (10, 33, 80):
        bar, legend = time_bar(latest, width)
        assert sum(len(text) for text, _ in bar) == width
        words = "".join(text for text, _ in legend)
        assert "60%" in words and "30%" in words and "of 10.0s" in words
    assert time_bar({"seconds_training": 0.0, "loss": 1.0}, 10) == ([], [])


# -- logs ------------------------------------------------------------------------------------------


def test_a_log_is_followed_by_byte_and_never_cuts_a_character(tmp_path: Path) -> None:
    path = tmp_path / "log"
    tail = LogTail(path)
    assert not tail.read()
    data = "Schritt 1 – läuft\nstep 2 ✓\n".encode()
    for at in range(len(data)):
        with path.open("ab") as file:
            file.write(data[at : at + 1])
        assert tail.read()
    assert tail.text == data.decode()
    assert not tail.read()
    path.write_bytes(b"new\n")
    assert tail.read()
    assert tail.text == "new\n"


def test_only_the_lines_that_match_are_kept() -> None:
    assert only_matching("a\nError b\nc error\n", "error") == "Error b\nc error"
    assert only_matching("a\n", "") == "a\n"
    with pytest.raises(ValueError, match="no regular expression"):
        only_matching("a", "(")


# -- launches --------------------------------------------------------------------------------------


def test_a_launch_is_a_recipe_with_changes_and_the_command_that_does_the_same(tmp_path: Path) -> None:
    (tmp_path / 'a "b" c').mkdir()
    launch = Launch(
        recipe="sft-embedded",
        changes=(("max_steps", "7"), ("optimizer.schedule", "constant")),
        data=str(tmp_path / 'a "b" c'),
        name="mine",
    )
    spec = launch.spec(tmp_path / "jobs", None)
    assert (spec.kind, spec.name, spec.base) == ("sft", "mine", "pocket-meta")
    assert spec.dataset == str(tmp_path / 'a "b" c')
    assert launch.command == [
        "flowreasoner", "train", "sft-embedded", "--set", "max_steps=7", "--set",
        "optimizer.schedule=constant", "--data", str(tmp_path / 'a "b" c'), "--name", "mine",
    ]  # fmt: skip
    with pytest.raises(RecipeError, match="did you mean"):
        Launch(recipe="sft-embedded", changes=(("optimizer.learning_rat", "1"),)).resolved()


def test_a_clone_says_what_it_changes_of_its_parent(tmp_path: Path) -> None:
    parent = tmp_path / "recipe.toml"
    recipe = load("sft-embedded", [f"data.path={tmp_path}"])
    parent.write_text(recipe.to_toml(), encoding="utf-8")
    launch = Launch(recipe=str(parent), changes=(("max_steps", "7"), ("lora.enabled", "true")), parent="p")
    assert differences(parent, launch.resolved()) == [
        ("lora.enabled", "False", "True"),
        ("max_steps", "–", "7"),
    ]
    assert launch.spec(tmp_path, None).parent == "p"


@pytest.mark.parametrize("preset", ["sft-embedded", "grpo-embedded", "dpo-embedded"])
def test_every_value_of_a_recipe_can_be_typed_as_it_is_shown(preset: str) -> None:
    recipe = load(preset)
    for field in fields(recipe):
        assert field.description and kind_of(field)
        shown = text_of(field.default)
        assert not choices_of(field) or shown in choices_of(field)
        if shown:
            assert load(preset, [f"{field.name}={shown}"]) == recipe


def test_a_checkpoint_is_tried_against_its_base_with_the_variant_it_was_trained_for(tmp_path: Path) -> None:
    run_dir = tmp_path / "01job"
    run_dir.mkdir()
    assert contestants(run_dir, 40, "pocket-meta") == (
        "flowreasoner,meta_agent=pocket-meta",
        "flowreasoner,meta_agent=job:01job@40",
    )
    text = load("grpo-embedded", ["rollouts.variant=metaflow"]).to_toml()
    (run_dir / "recipe.toml").write_text(text, encoding="utf-8")
    assert contestants(run_dir, 40, "b")[1] == "metaflow,meta_agent=job:01job@40"


def test_numbers_that_are_no_numbers_do_not_reach_a_plot() -> None:
    points = [Point(step, float(step), value) for step, value in enumerate((1e308, -1e308, 5e-324))]
    drawn = curve(points, PlotView(smoothing=0.6), 0.0)
    assert all(map(math.isfinite, drawn.ys))


def test_a_profile_says_what_rollouts_cost_beside_the_models(tmp_path: Path) -> None:
    steps = [
        {"cpu_train": 4.0, "cpu_policy": 3.0, "cpu_engine": 0.5, "cpu_recorder": 0.2, "cpu_containers": 1.0},
        {"cpu_train": 6.0, "cpu_policy": 1.0, "cpu_engine": 0.5, "cpu_recorder": 0.0, "cpu_containers": 2.0},
    ]
    lines = [json.dumps({"kind": "step", "step": n, "values": values}) for n, values in enumerate(steps)]
    (tmp_path / "progress.jsonl").write_text("\n".join(lines) + "\n")
    *_, last = profile_table(tmp_path).splitlines()
    assert last == "engine, recorder and containers: 23.1 % of the CPU time; the recorder alone: 1.1 %"
    (tmp_path / "progress.jsonl").write_text(
        json.dumps({"kind": "step", "values": {"cpu_train": 4.0}}) + "\n"
    )
    assert "recorder" not in profile_table(tmp_path)


def test_the_experiments_of_a_job_are_those_with_any_of_its_checkpoints() -> None:
    def experiment(name: str, *labels: str) -> Any:
        return SimpleNamespace(name=name, variants=[SimpleNamespace(label=label) for label in labels])

    found = [
        experiment("newest", "flowreasoner,meta_agent=job:01a"),
        experiment("step", "vanilla", "flowreasoner,rounds=1,meta_agent=job:01a@40"),
        experiment("controller", "maas,controller=job:01a@4"),
        experiment("another", "flowreasoner,meta_agent=job:01ab", "flowreasoner,worker=job:01a"),
        experiment("base", "flowreasoner,meta_agent=pocket-meta"),
    ]
    assert experiments_of(found, "01a") == ["newest", "step", "controller"]
