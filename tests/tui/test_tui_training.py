"""The screens of training jobs: what they show of jobs' folders as these grow, and what their keys do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Button, Input, Label, Static, TextArea

from engine.experiments.plan import Plan
from engine.host_config import Host
from sandbox.errors import UsageError
from store.experiment_log import create
from tests.store.samples import store as store_runs
from tests.store.samples import whole_run
from tests.support.job_folders import BEGUN, JobFolder, group
from tests.tui.experiment_samples import plan_of
from tests.tui.pilots import SMALL, WIDE, app_of, shown, told, until
from tests.tui.scripted import ScriptedSettings, ScriptedWorkbench
from tests.tui.test_tui_typing import burst
from tui.app import WorkbenchApp
from tui.screens.ask.ask import AskScreen
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.new_experiment.new_experiment import NewExperimentScreen
from tui.screens.run.run import RunScreen
from tui.screens.training.job import JobScreen
from tui.screens.training.launch import LaunchScreen
from tui.screens.training.plots_pane import PlotsPane
from tui.screens.training.training import TrainingScreen
from tui.widgets.candidates_view import CandidatesView
from tui.widgets.footer import Footer
from tui.widgets.metric_plot import MetricPlot
from tui.widgets.table_view import TableView

HOSTILE = "\x1b]0;owned\x07\u202e[red]name\n"


@pytest.fixture
def jobs(store: Path) -> Path:
    return store.parent / "jobs"


def app_on(store: Path) -> WorkbenchApp:
    """The app with a clock for jobs that stands a minute after the first one began."""
    app = app_of(ScriptedWorkbench(store))
    app.jobs._clock = lambda: BEGUN + 60
    return app


def table(app: WorkbenchApp, id: str) -> TableView:
    return app.screen.query_one(f"#{id}", TableView)


def static(app: WorkbenchApp, id: str) -> str:
    return str(app.screen.query_one(f"#{id}", Static).render())


def plots(app: WorkbenchApp) -> list[str]:
    return [str(plot.border_title) for plot in app.screen.query(MetricPlot) if plot.display]


async def listed(pilot: Any, app: WorkbenchApp, count: int = 1) -> None:
    await pilot.press("8")
    await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
    await until(pilot, lambda: table(app, "jobs").count == count)


async def opened(pilot: Any, app: WorkbenchApp, count: int = 1) -> None:
    await listed(pilot, app, count)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, JobScreen) and app.screen._job is not None)


def a_job(jobs: Path, id: str = "01job", steps: int = 5, **job: Any) -> JobFolder:
    """A job that runs and has taken some steps."""
    folder = JobFolder(jobs, id, **job)
    folder.recipe("sft-embedded")
    folder.start()
    for step in range(1, steps + 1):
        folder.step(step, loss=3.0 - step / 4, reward_mean=step / 10, reward_std=0.2, seconds_training=1.0)
    folder.runs()
    return folder


async def test_a_job_is_listed_and_its_numbers_grow_while_one_watches(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app)
        text = table(app, "jobs").plain_text
        assert "first 01job" in text and "running" in text and "5/10" in text and "0.500 ± 0.20" in text
        assert "pocket-meta" in static(app, "facts") and "64 rows" in static(app, "facts")
        await until(pilot, lambda: "training 100%" in static(app, "time"))
        job.step(6, loss=0.125)
        await until(pilot, lambda: "6/10" in table(app, "jobs").plain_text)
        job.end()
        job.ended_as("done")
        await until(pilot, lambda: "done" in table(app, "jobs").plain_text)


async def test_no_job_and_a_folder_that_is_none_are_told(store: Path, jobs: Path) -> None:
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await listed(pilot, app, 0)
        await until(pilot, lambda: "No job yet" in table(app, "jobs").empty)
        (jobs / "x").mkdir(parents=True)
        (jobs / "x" / "job.json").write_text("[]")
        await until(pilot, lambda: "is not a job's" in str(table(app, "jobs").border_subtitle))
        a_job(jobs)
        await until(pilot, lambda: table(app, "jobs").count == 1)


async def test_home_names_a_job_that_goes_on_and_leads_to_it(store: Path, jobs: Path) -> None:
    a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "active").count == 1)
        assert "first 01job" in table(app, "active").plain_text and "50%" in table(app, "active").plain_text
        table(app, "active").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))


async def test_curves_are_paged_filtered_smoothed_and_inspected(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, app)
        await until(pilot, lambda: plots(app) == ["reward_mean", "loss", "reward_std", "seconds_training"])
        first = app.screen.query_one("#plot-1", MetricPlot)
        assert str(first.border_subtitle) == "1.75"
        job.step(6, loss=0.5, kl=0.1)
        await until(pilot, lambda: str(first.border_subtitle) == "0.5")
        await until(pilot, lambda: "page 1 of 2" in static(app, "legend"))
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: plots(app) == ["seconds_training"])
        burst(app, "/", *"reward|R1", "backspace", "backspace", "backspace", "enter")  # in one read
        await until(pilot, lambda: plots(app) == ["reward_mean", "reward_std"])
        await pilot.press("escape")  # clears the filter, and does not leave
        await until(pilot, lambda: len(plots(app)) == 4 and "/reward/" not in static(app, "legend"))
        await pilot.press("slash", *"los")
        await pilot.press("escape")
        assert isinstance(app.screen, JobScreen) and not app.screen.query_one("#filter").display
        await pilot.press("slash", *"loss|kl", "enter")
        await until(pilot, lambda: plots(app) == ["loss", "kl"])
        await pilot.press("L", "m", "a")
        await until(pilot, lambda: "by time, smoothed 0.6, log scale, /loss|kl/" in static(app, "legend"))
        await pilot.press("a", "left", "left", "plus")
        await until(pilot, lambda: "zoomed" in static(app, "legend") and "at step" in static(app, "legend"))
        await pilot.press("0")
        await until(pilot, lambda: "zoomed" not in static(app, "legend"))
        await pilot.press("slash", "(", "enter")
        await until(pilot, lambda: told(app) and "no regular expression" in told(app)[-1])


async def test_marked_jobs_lie_behind_the_one_that_is_pinned(store: Path, jobs: Path) -> None:
    a_job(jobs, "01a", created=BEGUN)
    a_job(jobs, "01b", created=BEGUN + 1)
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app, 2)
        await pilot.press("space")  # the newest, and on to the next
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await until(pilot, lambda: "first 01a  ● first 01b" in static(app, "legend"))
        await pilot.press("p")
        await until(pilot, lambda: "first 01b  ● first 01a" in static(app, "legend"))


async def test_rollouts_of_a_step_stand_side_by_side_and_lead_to_their_traces(
    store: Path, jobs: Path
) -> None:
    job = a_job(jobs, kind="grpo")
    job.rollouts(4, group("p1", 0.0, 0.0))
    job.rollouts(5, group("p1", 0.0, 1.0, None), group("p2", 0.5, 0.5))
    store_runs(job.path / "store.db", whole_run("r-p1-1"))
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("right_curly_bracket")
        await until(pilot, lambda: table(app, "groups").count == 2)
        assert str(table(app, "groups").border_title) == "Rollouts of step 5, the newest"
        view = app.screen.query_one(CandidatesView)
        assert "reward +1.000" in view.plain_text and "dropped" in view.plain_text
        assert "candidate 1 passed some of val" in view.plain_text
        await pilot.press("enter", "enter")
        await until(pilot, lambda: told(app) and "not in the store yet" in told(app)[-1])
        await pilot.press("l", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, JobScreen))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: str(table(app, "groups").border_title) == "Rollouts of step 4 of 5")
        job.rollouts(6, group("p3", 1.0))
        await pilot.press("backslash")
        await until(pilot, lambda: str(table(app, "groups").border_title) == "Rollouts of step 6, the newest")


async def test_the_log_is_followed_and_only_matching_lines_are_kept(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    (job.path / "log").write_text(f"step 1\nERROR {HOSTILE}", encoding="utf-8")
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, app)
        await pilot.press("right_curly_bracket", "right_curly_bracket")
        await until(pilot, lambda: "step 1" in shown(app, "log"))
        assert "\x1b" not in shown(app, "log") and "\u202e" not in shown(app, "log")
        await pilot.press("slash", *"error", "enter")
        await until(pilot, lambda: "step 1" not in shown(app, "log"))
        with (job.path / "log").open("a") as log:
            log.write("step 2\nerror: again\n")
        await until(pilot, lambda: "again" in shown(app, "log") and "step 2" not in shown(app, "log"))
        await pilot.press("escape")
        await until(pilot, lambda: "step 2" in shown(app, "log"))
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(app.screen, JobScreen))


async def test_events_checkpoints_and_the_recipe_have_tabs_of_their_own(store: Path, jobs: Path) -> None:
    parent = a_job(jobs, "01a")
    parent.recipe("sft-embedded")
    job = a_job(jobs, "01b", parent="01a", created=BEGUN + 1)
    job.recipe("sft-embedded", "max_steps=9")
    job.checkpoint(5, loss=1.75)
    job.line("alert", name="entropy", text=f"too low {HOSTILE}")
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app, 2)
        app.screen.show_tab("Events")
        await until(pilot, lambda: table(app, "events").count == 3)
        events = table(app, "events").plain_text
        assert "entropy: too low" in events and "checkpoint abababababab loss 1.75" in events
        assert "\x1b" not in events
        app.screen.show_tab("Checkpoints")
        await until(pilot, lambda: "job:01b@5" in table(app, "checkpoints").plain_text)
        app.screen.show_tab("Recipe")
        await until(pilot, lambda: "max_steps: – → 9" in shown(app, "recipe"))


async def test_a_checkpoint_is_tried_against_its_base_and_then_compared(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        await pilot.press("E")
        await until(pilot, lambda: told(app))
        assert "no checkpoint" in told(app)[-1]
        job.checkpoint(5)
        app.screen.show_tab("Checkpoints")
        await until(pilot, lambda: table(app, "checkpoints").count == 1)
        await pilot.press("b")
        await until(pilot, lambda: told(app) and "E starts one" in told(app)[-1])
        await pilot.press("E")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        assert app.screen.query_one("#variants", TextArea).text.splitlines() == [
            "flowreasoner,meta_agent=pocket-meta",
            "flowreasoner,meta_agent=job:01job@5",
        ]


async def test_a_comparison_that_there_is_is_opened(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    job.checkpoint(5)
    plan = plan_of().to_json()
    labels = ["flowreasoner,meta_agent=pocket-meta", "flowreasoner,meta_agent=job:01job@5"]
    create(store, Plan.from_json(plan | {"variants": {label: label for label in labels}}))
    app = app_on(store)
    compared: list[Any] = []
    async with app.run_test(size=WIDE) as pilot:
        app.open_comparison = compared.append  # type: ignore[method-assign]
        await opened(pilot, app)
        await until(pilot, lambda: "b Compare" in str(app.screen.query_one(Footer).render()))
        await pilot.press("b")
        await until(pilot, lambda: compared)
    assert compared == [["first"]]


async def test_a_form_takes_only_what_the_recipe_takes_and_says_what_it_would_run(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    data = store.parent / "set"
    data.mkdir()

    def estimate(recipe: Any) -> list[str]:
        asked.append(recipe)
        return ["rows        24"]

    monkeypatch.setattr("tui.service.jobs.launch.estimate", estimate)
    app = app_on(store)
    started: list[Any] = []

    async def submit(launch: Any) -> str:
        started.append(launch)
        return "01new"

    app.jobs.submit = submit  # type: ignore[method-assign]
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app, 0)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)
        form, settings = app.screen, table(app, "fields")
        settings.move([row.key for row in settings._rows].index("max_steps"))
        for value, complaint in (("many", "max_steps"), ("-3", "max_steps"), ("7", "")):
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, AskScreen))
            await pilot.press(*value, "enter")
            await until(pilot, lambda: app.screen is form)
            said = form.query_one("#complaint", Label)
            await until(pilot, lambda: bool(str(said.render())) == bool(complaint))  # noqa: B023
            assert complaint in str(said.render())
        assert "max_steps\t7" in settings.plain_text
        form.query_one("#name-data", Input).value = str(data)
        await pilot.press("f2")  # tries it first
        await until(pilot, lambda: "rows        24" in shown(app, "preview"))
        told_command = shown(app, "preview").replace("\n", "")
        assert f"--set max_steps=7 --data {data}" in told_command
        form.query_one("#name-gpus", Input).value = "first"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "numbers of GPUs" in str(form.query_one("#complaint", Label).render()))
        form.query_one("#name-gpus", Input).value = ""
        form.query_one("#name-host", Input).value = "nowhere"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "no host 'nowhere'" in str(form.query_one("#complaint", Label).render()))
        form.query_one("#name-host", Input).value = "local"
        await pilot.press("f2")
        await until(pilot, lambda: form._tried is not None)
        assert started == []
        await pilot.press("f2")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
    (launch,) = started
    assert (launch.recipe, launch.changes, launch.data) == (
        "sft-embedded",
        (("max_steps", "7"),),
        str(data),
    )
    assert asked[0].max_steps == 7


async def test_a_job_that_has_just_been_started_is_under_the_cursor(store: Path, jobs: Path) -> None:
    a_job(jobs, "01a", created=BEGUN)
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await listed(pilot, app)
        assert table(app, "jobs").selected == "01a"
        a_job(jobs, "01b", created=BEGUN + 1)
        app.open_training("01b")
        await until(pilot, lambda: table(app, "jobs").selected == "01b")


async def test_a_clone_begins_with_its_parents_recipe(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    job.recipe("sft-embedded", "max_steps=9", 'data.path="/data/of/parent"')
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await listed(pilot, app)
        await pilot.press("c")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen) and table(app, "fields").count > 30)
        assert "max_steps\t9" in table(app, "fields").plain_text
        assert app.screen.query_one("#name-name", Input).value == "first 01job, changed"
        await until(pilot, lambda: app.screen.query_one("#name-data", Input).value == "/data/of/parent")
        app.screen.query_one("#name-recipe", Input).value = "sft-embeded"
        app.screen.query_one("#name-recipe", Input).focus()
        await pilot.press("enter")
        said = app.screen.query_one("#complaint", Label)
        await until(pilot, lambda: "did you mean" in str(said.render()))


async def test_a_job_is_stopped_and_removed_only_when_one_says_so(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await listed(pilot, app)
        await pilot.press("D")
        await until(pilot, lambda: told(app) and "stop it first" in told(app)[-1])
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        job.ended_as("stopped", None)
        await until(pilot, lambda: "stopped" in table(app, "jobs").plain_text)
        await pilot.press("X")
        await until(pilot, lambda: told(app) and "ended already" in told(app)[-1])
        await pilot.press("D")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        app.screen.query_one("#yes", Button).press()
        await until(pilot, lambda: isinstance(app.screen, TrainingScreen))
        await until(pilot, lambda: table(app, "jobs").count == 0)
    assert not job.path.exists()


@pytest.mark.drawn
async def test_nothing_a_job_says_reaches_the_terminal(store: Path, jobs: Path) -> None:
    job = a_job(jobs, name=HOSTILE, base=HOSTILE, dataset=HOSTILE, host=HOSTILE)
    wild = group(HOSTILE, 1.0)
    wild["candidates"][0]["words"] = HOSTILE
    job.rollouts(5, wild)
    job.raw(json.dumps({"kind": "end", "time": BEGUN, "status": HOSTILE, "error": HOSTILE}).encode() + b"\n")
    app = app_on(store)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot, app)
        for name in ("Rollouts", "Events"):
            app.screen.show_tab(name)
            await until(pilot, lambda: table(app, "groups" if name == "Rollouts" else "events").count)  # noqa: B023
        picture = app.export_screenshot()
        texts = [table(app, id).plain_text for id in ("groups", "events")]
        texts.append(app.screen.query_one(CandidatesView).plain_text)
        texts += ["".join(t for t, _ in line) for line in app.screen.query_one(CandidatesView)._columns]
    for mark in ("\u202e", "owned", "\x1b"):
        assert [text for text in texts if mark in text] == []
        assert mark not in picture, picture[max(picture.find(mark) - 100, 0) :][:200]


async def test_a_page_is_filled_again_when_the_window_grows(store: Path, jobs: Path) -> None:
    a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=(60, 20)) as pilot:
        await opened(pilot, app)
        await until(pilot, lambda: len(plots(app)) == 1)
        await pilot.resize_terminal(*WIDE)
        await until(pilot, lambda: len(plots(app)) == 4)
        assert app.screen.query_one(PlotsPane).pages == 1


async def test_one_can_stay_with_a_job_or_follow_the_newest(store: Path, jobs: Path) -> None:
    a_job(jobs, "01a", created=BEGUN)
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, app)
        a_job(jobs, "01b", created=BEGUN + 1)
        await pilot.press("F")
        await until(pilot, lambda: "first 01b" in static(app, "legend"))
        assert "follows the newest job" in static(app, "standing")


async def test_a_checkpoint_that_cannot_be_served_is_one_sentence(store: Path, jobs: Path) -> None:
    a_job(jobs).checkpoint(5)
    app = app_on(store)

    async def serve(model: str) -> str:
        raise UsageError(f"serving {model} needs vLLM")

    app.jobs.serve = serve  # type: ignore[method-assign]
    async with app.run_test(size=SMALL) as pilot:
        await opened(pilot, app)
        await pilot.press("s")
        await until(pilot, lambda: any("serving job:01job@5 needs vLLM" in line for line in told(app)))


async def test_an_alert_is_told_on_any_screen(store: Path, jobs: Path) -> None:
    job = a_job(jobs)
    app = app_on(store)
    async with app.run_test(size=SMALL) as pilot:
        await until(pilot, lambda: table(app, "active").count == 1)
        job.line("alert", name="entropy", text="too low")
        await until(pilot, lambda: any("first 01job: entropy: too low" in line for line in told(app)))


async def test_a_host_that_cannot_be_asked_is_one_sentence(store: Path, unused_tcp_port: int) -> None:
    host = Host(address="127.0.0.1", port=unused_tcp_port)
    app = app_of(ScriptedWorkbench(store, settings=ScriptedSettings(hosts={"a100": host})))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: app.screen.query("#job-hosts"))
        assert "not checked yet" in table(app, "job-hosts").plain_text
        table(app, "job-hosts").focus()
        await pilot.press("enter")
        await until(pilot, lambda: "a100" in table(app, "job-hosts").plain_text.split("\t")[-1])
        assert "✗" in table(app, "job-hosts").plain_text
