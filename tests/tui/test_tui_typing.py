"""What is typed is never lost, and never carried out as something else."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import pytest
from textual import events
from textual._compositor import CompositorUpdate
from textual.screen import Screen
from textual.widgets import Input, OptionList, TextArea

from store.errors import StoreError
from tests.tui.experiment_samples import filled
from tests.tui.pilots import WIDE, app_of, record, told, until
from tests.tui.scripted import (
    RUN_ID,
    ScriptedWorkbench,
    failing_run,
    mid_stream_run,
    passing_run,
)
from tests.tui.test_tui_live import paused
from tui.app import WorkbenchApp
from tui.screens.compare.compare import CompareScreen
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.screens.home.home import HomeScreen
from tui.screens.new_experiment.new_experiment import NewExperimentScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.pick.pick import PickScreen
from tui.screens.run.run import RunScreen
from tui.screens.run.search_bar import SearchBar
from tui.screens.runs.runs import RunsScreen
from tui.service.records import Records
from tui.widgets.check_box import CheckBox, CheckList
from tui.widgets.tab_strip import TabStrip
from tui.widgets.table_view import TableView


def burst(app: WorkbenchApp, *keys: str) -> None:
    """Keys that come in one read of the terminal: all are there before the first is looked at."""
    names = {"/": "slash", " ": "space"}
    for key in keys:
        app.post_message(events.Key(names.get(key, key), key if len(key) == 1 else None))


# The screen's keys, the key that opens, and where what follows must arrive.
OPENERS = [
    (("2",), "/", "#search"),
    (("2", "enter"), "/", "#search-words"),
    (("2",), "I", "#where"),
    (("4",), "l", "#words"),
    (("4",), "n", "#line"),
    (("4",), "t", "#words"),
    (("5",), "n", "#variants"),
    ((), "ctrl+p", "CommandInput"),
]


@pytest.mark.parametrize(("there", "opener", "field"), OPENERS, ids=str)
async def test_keys_behind_the_one_that_opens_are_typed(
    store: Path, there: tuple[str, ...], opener: str, field: str
) -> None:
    await record(store, [failing_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        for key in there:
            await pilot.press(key)
            await until(pilot, partial(_filled, app))
        # Of these, f, q, r, W, 1 and X are commands on one or another of the screens.
        burst(app, opener, *"fqrW1X")
        await until(pilot, lambda: app.screen.query(field) and "fqrW1X" in _text(app, field))
        assert not told(app)
        # The palette is Textual's: closed while it gathers commands, it looks for a list that is gone.
        await until(pilot, lambda: all(w.is_finished for w in app.workers if w.node is app.screen))


def _filled(app: WorkbenchApp) -> bool:
    """Whether what the screen shows of the store has come."""
    if isinstance(app.screen, RunScreen):
        return not app.screen.session.loading
    return all(table.count for table in app.screen.query(TableView) if table.id in ("runs", "clusters"))


def _text(app: WorkbenchApp, field: str) -> str:
    widget = app.screen.query_one(field)
    return widget.text if isinstance(widget, TextArea) else getattr(widget, "value", "")


async def test_keys_behind_one_that_needs_a_moment_wait_for_it(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        burst(app, "r", "shift+tab", "shift+tab", "tab", "tab", "enter")  # back at the button: it starts
        await until(pilot, lambda: isinstance(app.screen, RunScreen))


async def test_a_paste_behind_a_key_arrives_where_the_key_leads(store: Path) -> None:
    await record(store, [failing_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        burst(app, "/")
        app.post_message(events.Paste("status:failed"))
        burst(app, "enter")
        await until(pilot, lambda: _text(app, "#search") == "status:failed")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: app.focused is table)


# From Home, in one burst: each list is still being read as the key for one of its rows comes.
BEFORE_THE_READ = [
    (("2", "enter"), RunScreen),
    (("5", "enter", "enter"), RunScreen),
    (("5", "c"), CompareScreen),
    (("5", "c", "enter"), CompareScreen),
    (("6", "space", "j", "space", "c"), CompareScreen),
]


@pytest.mark.parametrize(("keys", "screen"), BEFORE_THE_READ, ids=str)
async def test_keys_typed_before_a_list_was_read_are_for_its_rows(
    store: Path, monkeypatch: pytest.MonkeyPatch, keys: tuple[str, ...], screen: type[Screen[object]]
) -> None:
    monkeypatch.setattr("tui.app.HELD_SECONDS", 600.0)  # as long as a busy machine may take
    filled(store)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        burst(app, *keys)
        await until(pilot, lambda: isinstance(app.screen, screen))
        if keys[-1] == "enter" and screen is CompareScreen:  # down to both runs of a problem
            await until(pilot, lambda: app.screen.state.runs is not None)
        assert not told(app)


async def test_each_of_several_steps_along_the_tabs_counts(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.app.HELD_SECONDS", 600.0)
    filled(store)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        burst(app, "5", "c", *["right_square_bracket"] * 3, "left_square_bracket")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await until(pilot, lambda: app.screen.query_one(TabStrip).active == "Flips")  # of Problems, two on


async def test_a_read_that_takes_long_holds_no_key_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def stuck(*_: object, **__: object) -> None:
        begun.set()
        await let_go.wait()
        raise StoreError("read at last")

    monkeypatch.setattr(Records, "runs", stuck)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        await until(pilot, begun.is_set)
        burst(app, "5")
        await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
        let_go.set()


# -- forms -----------------------------------------------------------------------------------------


async def _form(app: WorkbenchApp, pilot: object) -> NewRunScreen:
    await pilot.press("r")  # type: ignore[attr-defined]
    await until(pilot, lambda: isinstance(app.screen, NewRunScreen))  # type: ignore[arg-type]
    assert isinstance(app.screen, NewRunScreen)
    return app.screen


async def test_what_was_filled_in_outlives_esc_and_a_restart_until_it_is_used(store: Path) -> None:
    workbench = ScriptedWorkbench(store, passing_run())
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        await until(pilot, lambda: app.focused is not None and app.focused.id == "start")
        await pilot.press("tab")  # each stop is one to type in, or to press
        assert app.focused is form.query_one("#prompt")
        form.query_one("#prompt", TextArea).text = "Write a function that \u2018sorts\u2019."
        form.query_one("#rounds", Input).value = "7"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        assert form.query_one("#prompt", TextArea).text == "Write a function that \u2018sorts\u2019."
        assert "As you left it" in str(form.query_one("#complaint").render())
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        form = await _form(app, pilot)
        # The query is used; how it was run is offered for the next.
        assert "median" in form.query_one("#prompt", TextArea).text
        assert form.query_one("#rounds", Input).value == "7"
    assert workbench.requests[0].rounds == 7
    assert (store.parent / "screens.json").stat().st_mode & 0o077 == 0


async def test_the_form_stays_where_the_run_cannot_begin(store: Path) -> None:
    workbench = ScriptedWorkbench(store, passing_run())
    workbench.why_not = "OPENAI_API_KEY is not set: set it, or pick another worker"
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        form.query_one("#prompt", TextArea).text = "Mine."
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "OPENAI_API_KEY" in str(form.query_one("#complaint").render()))
        assert app.screen is form and form.query_one("#prompt", TextArea).text == "Mine."
        assert workbench.requests == [] and workbench.checked == [("pocket-meta", "pocket-worker")]


async def test_a_start_that_fails_leads_back_to_the_form_as_it_was(store: Path) -> None:
    workbench = ScriptedWorkbench(store, error=RuntimeError("Docker is away: start it"))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        form.query_one("#prompt", TextArea).text = "Mine."
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        notice = app.screen.query_one("#not-begun")
        await until(pilot, lambda: app.focused is notice)
        assert "Docker is away: start it" in str(notice.render()) and not told(app)
        await pilot.press("slash", "w", "tab", "right_curly_bracket", "V", "F")  # there is no run to look at
        assert app.focused is notice and not told(app)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        assert app.screen.query_one("#prompt", TextArea).text == "Mine."


async def test_names_are_picked_from_a_list(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        form.set_focus(form.query_one("#worker"))
        burst(app, "f3", *"large", "enter")
        await until(pilot, lambda: form.query_one("#worker", Input).value == "far/large")
        form.set_focus(form.query_one("#variant"))
        await pilot.press("down")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await pilot.press("escape")
        await until(pilot, lambda: form.query_one("#variant", Input).value == "flowreasoner")


async def test_models_of_servers_join_the_list_when_they_are_found(store: Path) -> None:
    """The list is there before; what was typed and highlighted stays."""
    workbench = ScriptedWorkbench(store)
    workbench.served = [("ollama/large", "server"), ("ollama/small", "server")]
    workbench.may_answer.clear()
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        try:
            form = await _form(app, pilot)
            form.set_focus(form.query_one("#worker"))
            burst(app, "f3", *"large")
            await until(pilot, lambda: isinstance(app.screen, PickScreen) and shown(app) == ["far/large"])
        finally:
            workbench.may_answer.set()
        await until(pilot, lambda: shown(app) == ["far/large", "ollama/large"])
        assert app.screen.query_one(OptionList).highlighted == 0
        await pilot.press("down", "enter")
        await until(pilot, lambda: form.query_one("#worker", Input).value == "ollama/large")


def shown(app: WorkbenchApp) -> list[str | None]:
    rows = app.screen.query_one(OptionList)
    return [option.id for option in rows.options]


class Estimating(ScriptedWorkbench):
    """Estimates one variant."""

    async def estimate(self, request: object) -> list[dict[str, object]]:
        return []


async def test_f2_starts_what_was_estimated_and_says_so_before(store: Path) -> None:
    app = app_of(Estimating(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("5", "n")
        await until(pilot, lambda: isinstance(app.screen, NewExperimentScreen))
        form = app.screen
        await pilot.press("f2")
        await until(
            pilot, lambda: "f2 again starts the experiment" in str(form.query_one("#complaint").render())
        )
        await pilot.press("f2")
        await until(pilot, lambda: app.screen is not form)


# -- leaving ---------------------------------------------------------------------------------------


async def test_esc_widens_before_it_leaves(store: Path) -> None:
    await record(store, [failing_run(), passing_run(f"{RUN_ID}0")])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 2)
        await pilot.press("slash", *"status:failed")
        unsent = app.screen.query_one("#unsent")
        assert "enter searches" in str(unsent.render())
        await pilot.press("enter")
        await until(pilot, lambda: table.count == 1 and not str(unsent.render()).strip())
        await pilot.press("escape")
        await until(pilot, lambda: table.count == 2)
        assert isinstance(app.screen, RunsScreen) and _text(app, "#search") == ""
        await pilot.press("enter", "V")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.finder.wanted)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.finder.wanted)
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_leaving_asks_where_a_run_waits_for_you(store: Path) -> None:
    workbench = ScriptedWorkbench(store, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.run_id and len(session.history) == len(mid_stream_run()))
        session.take(paused())
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        question = app.screen.query_one("Label")
        text = str(question.render())
        assert "is paused, and waits for you" in text and "continues" not in text
        assert question.size.width * question.size.height > len(text)  # all of it is there to be read
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(app.screen, ConfirmScreen))
        assert not app._exit
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: app._exit)


async def test_leaving_asks_where_a_draft_cannot_be_kept(store: Path, tmp_path: Path) -> None:
    (tmp_path / "screens.json").mkdir()  # nothing can be written there
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        form = await _form(app, pilot)
        form.query_one("#prompt", TextArea).text = "Mine."
        await pilot.press("ctrl+q")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "cannot be kept" in str(app.screen.query_one("Label").render())


@pytest.mark.drawn
async def test_suspending_is_the_terminals_business(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(ScriptedWorkbench(store))
    signals: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: signals.append(number))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("ctrl+z")
        await until(pilot, lambda: "cannot suspend the workbench" in " ".join(told(app)))
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        await pilot.press("ctrl+z")
        await until(pilot, lambda: signals)
        painted: list[str] = []

        def display(_: object, update: CompositorUpdate | None) -> None:
            painted.append(update.render_segments(app.console) if update is not None else "")

        monkeypatch.setattr(app, "_display", display)
        app.app_resume_signal.publish(app)  # as Textual does on SIGCONT: the terminal is blank by then
        words = ("Playground", "Set up", "Recent runs", "Last failures", "New run")
        await until(pilot, lambda: all(word in "".join(painted) for word in words))


# -- small things ----------------------------------------------------------------------------------


async def test_a_picked_theme_is_kept_until_the_settings_name_another(store: Path) -> None:
    workbench = ScriptedWorkbench(store)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        app.theme = "nord"
        await pilot.pause()
    app = app_of(workbench)
    async with app.run_test(size=WIDE):
        assert app.theme == "nord"
    workbench.settings.theme = "dracula"
    app = app_of(workbench)
    async with app.run_test(size=WIDE):
        assert app.theme == "dracula"


async def test_a_box_that_is_checked_looks_it_without_colour(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        box = CheckBox("So", True, id="so")
        rows = CheckList(("one", 1, True), ("two", 2, False))
        await app.screen.mount(box, rows)
        await pilot.pause()
        drawn = {str(box.render())}
        box.value = False
        drawn.add(str(box.render()))
        assert len(drawn) == 2
        picked, other = (rows.render_line(y).text.split()[0] for y in (0, 1))
        assert picked != other


async def test_what_was_picked_is_taken_though_the_list_is_narrowed_before_it_is_told(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        picked: list[str | None] = []
        screen = PickScreen("Which?", [("alpha", "first"), ("beta", "second")])
        app.push_screen(screen, picked.append)
        await until(pilot, lambda: screen.query(OptionList) and screen.query_one(OptionList).option_count)
        rows = screen.query_one(OptionList)
        rows.post_message(OptionList.OptionSelected(rows, rows.get_option_at_index(0), 0))
        screen.query_one("#words", Input).value = "second"
        await until(pilot, lambda: picked)
        assert picked == ["alpha"]


async def test_a_search_that_was_closed_is_not_taken_up_again_by_a_message_that_comes_late(
    store: Path,
) -> None:
    await record(store, [failing_run()])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        app.open_trace(RUN_ID)
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        screen = app.screen
        assert isinstance(screen, RunScreen)
        await pilot.press("slash", "m", "escape")
        bar = screen.query_one(SearchBar)
        bar.post_message(Input.Changed(bar.query_one(Input), "m"))
        await pilot.pause()
        assert bar._typing is None and screen.finder.wanted.query is None
