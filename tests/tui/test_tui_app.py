"""What a user does: starts runs, watches them, looks at old ones, takes text out."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from textual.widgets import Input, OptionList, Static, TextArea

from engine import events as ev
from engine.problems import Tests
from sandbox.errors import UsageError
from tests.tui.pilots import SMALL, WIDE, app_of, record, shown, told, until
from tests.tui.scripted import (
    PROBLEM,
    RUN_ID,
    ScriptedSettings,
    ScriptedWorkbench,
    failing_run,
    mid_stream_run,
    passing_run,
)
from tui import output
from tui.app import WorkbenchApp
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.help.help import HelpScreen
from tui.screens.home.home import HomeScreen
from tui.screens.new_run.new_run import NewRunScreen
from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.service.errors import internal
from tui.widgets.check_box import CheckBox
from tui.widgets.graph_view import GraphView
from tui.widgets.outline_view import OutlineView
from tui.widgets.tab_strip import TabStrip
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView
from tui.widgets.title_bar import TitleBar


def run_screen(app: WorkbenchApp) -> RunScreen:
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def test_enter_runs_the_bundled_example_to_its_end(store: Path) -> None:
    workbench = ScriptedWorkbench(store, passing_run())
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        assert isinstance(app.screen, HomeScreen)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        await pilot.press("enter")
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        await until(pilot, lambda: "Two drafts" in shown(app, "workflow"))
        assert workbench.requests == [workbench.default_request()]
        assert "median(values)" in shown(app, "query")
        assert "# test: hidden" in shown(app, "tests")
        assert "The query asks for" in shown(app, "reasoning")
        assert "ScEnsemble" in app.screen.query_one(GraphView).plain_text
        tree = app.screen.query_one(OutlineView).plain_text
        assert "Round 2  val 100%" in tree and "Test run" in tree
    assert workbench.closed


async def test_the_form_changes_the_request(store: Path, tmp_path: Path) -> None:
    problem = {
        "id": "sum",
        "prompt": "Add numbers.",
        "entry_point": "add",
        "tests": {"visible": ["assert add(1) == 1"]},
    }
    file = tmp_path / "problems.jsonl"
    file.write_text("\n".join(json.dumps({**problem, "id": id}) for id in ("first", "second")))
    workbench = ScriptedWorkbench(store, passing_run())
    app = app_of(workbench, initial_request=workbench.default_request())
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))
        field = app.screen.query_one("#file", Input)
        field.focus()
        for name, words in (
            ("nowhere.json", "name a file of problems"),
            (f"{file}#third", "no problem has the id 'third'"),
        ):
            field.value = name
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in str(app.screen.query_one("#complaint").render()))
        field.value = f"{file}#second"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query_one("#prompt", TextArea).text == "Add numbers.")
        app.screen.query_one("#rounds", Input).value = "many"
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Rounds" in str(app.screen.query_one("#complaint").render()))
        app.screen.query_one("#rounds", Input).value = "7"
        app.screen.query_one("#operators", Input).value = "scoreflw"
        await pilot.press("ctrl+r")
        await until(
            pilot, lambda: "did you mean scoreflow?" in str(app.screen.query_one("#complaint").render())
        )
        app.screen.query_one("#operators", Input).value = "scoreflow"
        app.screen.query_one("#prompt", TextArea).text = "Add all numbers."
        app.screen.query_one("#keep", CheckBox).value = False
        await pilot.press("ctrl+r")
        await until(pilot, lambda: workbench.requests)
    (request,) = workbench.requests
    assert (request.rounds, request.problem.prompt, request.problem.tests) == (7, "Add all numbers.", Tests())
    assert (request.problem.id, request.operators) == ("second-edited-untested", "scoreflow")


async def test_selecting_a_step_shows_it_whole(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, failing_run(), note="Bubblewrap: memory is not limited."))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        assert "⚠" in str(app.screen.query_one(TitleBar).render())
        await pilot.press("v")
        pane = app.screen.query_one("#detail", DetailPane)
        await until(pilot, lambda: str(pane.border_title).startswith("ScEnsemble"))
        for tab, words in (("Prompt", "── user ──"), ("Response", "?"), ("Error", "no letter in the answer")):
            while app.screen.query_one("#detail-tabs", TabStrip).active != tab:
                await pilot.press("right_curly_bracket")
            await until(pilot, lambda words=words: words in shown(app, "detail-text"))
        # The workflow's line that made the call is pointed out.
        assert app.screen.query_one("#workflow", TextView)._marked == 8
        await pilot.press("h")
        selected = app.screen.query_one(OutlineView).selected
        assert selected is not None and selected[0] in ("execution", "round")
        first = app.screen
        app.open_trace(RUN_ID)  # opened again, it is a run that has failed, and is not followed any more
        await until(pilot, lambda: app.screen is not first and bool(app.screen.query("#steps")))
        outline = app.screen.query_one(OutlineView)
        await until(pilot, lambda: outline.selected == ("step", "e0-1") and not outline.follow)


async def test_a_run_in_progress_can_be_followed_and_cancelled(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, mid_stream_run(), hold=True))
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: session.state.proposal is not None and session.state.tree.meta_call is not None
        )
        await until(pilot, lambda: "result = await" in shown(app, "workflow"))
        outline = app.screen.query_one(OutlineView)
        await until(pilot, lambda: outline.selected == ("call", "call-8"))
        assert outline.follow
        await pilot.press("k")
        await until(pilot, lambda: not outline.follow)
        await pilot.press("f")
        await until(pilot, lambda: outline.follow)
        await pilot.press("X")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: not session.state.finished)
        await pilot.press("X", "tab", "enter")
        await until(pilot, lambda: session.state.finished)
        assert session.state.status == "cancelled"
        # The ledger's totals, not what had streamed.
        assert session.state.spent.calls == 20


async def test_a_run_that_cannot_start_says_why(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, error=RuntimeError("no model named [x]; list them with `models`")))
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(app.workbench.default_request())
        await until(pilot, lambda: session.state.finished)
        assert (session.state.status, session.state.error) == (
            "error",
            "no model named [x]; list them with `models`",
        )
        notice = app.screen.query_one("#not-begun")
        await until(pilot, lambda: notice.display and app.focused is notice)
        assert "no model named [x]; list them with `models`" in str(notice.render())
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, NewRunScreen))


async def test_quitting_leaves_the_run_alone_and_says_how_to_find_it(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workbench = ScriptedWorkbench(store, mid_stream_run(), hold=True)
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        session = app.start_run(workbench.default_request())
        await until(pilot, lambda: session.run_id and app.engines.running)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: app._exit)
    assert workbench.closed
    assert workbench.acts == []
    assert "flowreasoner attach" in capsys.readouterr().err


async def test_runs_are_listed_filtered_searched_and_opened(store: Path) -> None:
    runs = [(failing_run if n % 3 == 0 else passing_run)(f"{RUN_ID}{n:04d}", 1.7e9 + n) for n in range(6)]
    await record(store, runs)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        recent, failures = (app.screen.query_one(f"#{id}", TableView) for id in ("recent", "failures"))
        await until(pilot, lambda: recent.count == 6 and failures.count == 2)
        await pilot.press("2")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 6)
        await pilot.press("f")
        await until(pilot, lambda: table.count == 2)
        await pilot.press("f", "slash", *"bubblewrap", "enter")
        await until(pilot, lambda: "No run matches" in table.empty or table.count == 0)
        app.screen.query_one("#search", Input).value = "median"
        await pilot.press("slash", "enter")
        await until(pilot, lambda: table.count == 6)
        await pilot.press("G", "k", "enter")
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        assert run_screen(app).session.state.run_id == f"{RUN_ID}0001"
        assert not run_screen(app).session.live
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_runs_are_paged(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.runs.runs.PAGE", 2)
    await record(store, [passing_run(f"{RUN_ID}{n}", 1.7e9 + n) for n in range(5)])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.selected == f"{RUN_ID}4")
        assert "page 1: 2 runs, older runs follow" in str(table.border_subtitle)
        await pilot.press("n")
        await until(pilot, lambda: table.selected == f"{RUN_ID}2")
        await pilot.press("n")
        await until(pilot, lambda: table.selected == f"{RUN_ID}0")
        assert "the oldest" in str(table.border_subtitle)
        await pilot.press("p")
        await until(pilot, lambda: table.selected == f"{RUN_ID}2")


async def test_a_live_run_and_its_trace_show_the_same(store: Path) -> None:
    await record(store, [passing_run()])
    texts = []
    for options in ({}, {"initial_run_id": "last"}):
        app = app_of(ScriptedWorkbench(store, passing_run()), **options)
        async with app.run_test(size=WIDE) as pilot:
            if not options:
                app.start_run(app.workbench.default_request())
            await until(
                pilot,
                lambda app=app: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished,
            )
            await until(pilot, lambda app=app: app.screen.query_one(OutlineView).count > 20)
            texts.append(
                (app.screen.query_one(OutlineView).plain_text, shown(app, "workflow"), shown(app, "tests"))
            )
    assert texts[0] == texts[1]


@pytest.mark.parametrize("content", [b"", b"not a database", None])
async def test_a_store_that_cannot_be_read_is_said_not_raised(store: Path, content: bytes | None) -> None:
    if content is None:
        store.mkdir()  # noqa: ASYNC240 (before the app runs)
    else:
        store.write_bytes(content)  # noqa: ASYNC240
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        recent = app.screen.query_one("#recent", TableView)
        await until(pilot, lambda: "Reading" not in recent.empty)
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: "Reading" not in table.empty)
        app.open_trace("nothing")
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        assert run_screen(app).session.state.status == "error"


async def test_help_palette_jump_and_zoom(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        titles = {c.title for c in app.get_system_commands(app.screen)}
        assert {"New run", "Next failure", "Copy", "Theme", "Quit"} <= titles
        await pilot.press("ctrl+p")
        await until(pilot, lambda: type(app.screen).__name__ == "CommandPalette")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen))
        await pilot.press("ctrl+o", "d")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "reasoning")
        await pilot.press("z")
        await until(pilot, lambda: app.screen.maximized is not None)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.maximized is None)


async def test_help_is_narrowed_by_what_is_typed(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("2", "question_mark", *"only run wrong")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and app.screen.query("#told"))
        told = app.screen.query_one("#told", Static)
        await until(pilot, lambda: "Failed only" in str(told.render()) and "Import" not in str(told.render()))
        await pilot.press("escape")
        await until(pilot, lambda: "Import" in str(told.render()))
        await pilot.press(*"xyzzy")
        await until(pilot, lambda: "No key does that here." in str(told.render()))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_the_palette_offers_what_was_picked_last_first(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        picked = {command.title: command.callback for command in app.get_system_commands(app.screen)}
        picked["Runs"]()
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and app.screen.is_current)
        assert next(iter(app.get_system_commands(app.screen))).title == "Runs"
        await pilot.press("ctrl+p")
        await until(pilot, lambda: app.screen.query(OptionList))
        lists = app.screen.query(OptionList)
        await until(pilot, lambda: lists and lists.first().option_count > 1)
        first = lists.first().get_option_at_index(0)
        assert "Runs" in str(first.prompt)


async def test_small_terminals_show_a_page_at_a_time(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=SMALL) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
        strip = app.screen.query_one("#pages", TabStrip)
        visited = [strip.active]
        for _ in range(7):
            before = app.focused
            await pilot.press("tab")
            await until(pilot, lambda before=before: app.focused is not before and app.focused is not None)
            assert app.focused is not None and app.focused.region.width > 70
            visited.append(strip.active)
        assert list(dict.fromkeys(visited)) == ["Steps", "Problem", "Reasoning", "Workflow", "Graph"]
        await pilot.resize_terminal(*WIDE)
        await until(
            pilot,
            lambda: all(app.screen.query_one(f"#{id}").region.area for id in ("query", "graph", "steps")),
        )


async def test_copy_is_capped_and_then_goes_to_a_file(store: Path) -> None:
    events = passing_run()
    started = events[0]
    assert isinstance(started, ev.RunStarted)
    long = "long " * 20_000
    events[0] = dataclasses.replace(started, problem={**started.problem, "prompt": long})
    app = app_of(ScriptedWorkbench(store, events))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        app.screen.query_one("#tests").focus()
        await pilot.press("y")
        await until(pilot, lambda: "assert median" in app.clipboard)
        app.screen.query_one("#query").focus()
        await pilot.press("y")
        exports = store.parent / "exports"
        await until(pilot, lambda: list(exports.glob("*.txt")))
        (file,) = exports.glob("*.txt")
        assert file.read_text() == long and file.stat().st_mode & 0o777 == 0o600
        assert "assert median" in app.clipboard
        app.screen.query_one("#steps").focus()
        await pilot.press("x")
        await until(pilot, lambda: len(list(exports.glob("*steps*.txt"))) == 1)


async def test_the_editor_gets_the_whole_text(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "copy"
    script = tmp_path / "editor.sh"
    script.write_text(f'#!/bin/sh\ncp "$1" "{copy}"\n')
    script.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(script))
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        app.screen.query_one("#query").focus()
        await pilot.press("e")  # a headless terminal cannot be lent: the text stays in a file that is named
        await until(pilot, lambda: told(app))
        assert not copy.exists()
        monkeypatch.setattr(type(app._driver), "can_suspend", True)
        for name in ("suspend_application_mode", "resume_application_mode"):
            monkeypatch.setattr(type(app._driver), name, lambda self: None)
        await pilot.press("e")
        await until(pilot, copy.exists)
        assert copy.read_text() == PROBLEM.prompt
        monkeypatch.setenv("EDITOR", "vim 'half a quote")
        before = len(told(app))
        await pilot.press("e")
        await until(pilot, lambda: len(told(app)) > before)
        assert "$EDITOR is no command line (no closing quotation)" in str(told(app)[-1])


def test_the_editor_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "nano")
    monkeypatch.setenv("VISUAL", "code --wait")
    assert output.editor_command() == ["code", "--wait"]
    monkeypatch.setenv("VISUAL", " ")
    assert output.editor_command() == ["nano"]
    for broken in ('"code --wait', "vim '", "vim \\"):
        monkeypatch.setenv("VISUAL", broken)
        with pytest.raises(UsageError, match=r"\$VISUAL is no command line"):
            output.editor_command()


def test_a_bug_is_told_where_the_log_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    bug = KeyError("a bug of ours")
    path = tmp_path / "flowreasoner" / "log" / "errors.log"
    assert f"details are in {path}" in internal(bug)
    assert "a bug of ours" in path.read_text()
    path.unlink()
    path.mkdir()  # as where the disk is full, or belongs to another user
    said = internal(bug)
    assert "internal error (KeyError)" in said and f"{path} cannot be written (Is a directory)" in said
    assert said.endswith("'a bug of ours'")
    path.rmdir()
    path.parent.rmdir()
    path.parent.write_text("")
    assert "cannot be written" in internal(bug)


async def test_a_keymap_moves_keys_and_its_faults_are_told(store: Path) -> None:
    settings = ScriptedSettings(keymap={"app.runs": "Q", "app.nope": "a"}, theme="no-such-theme")
    app = app_of(ScriptedWorkbench(store, settings=settings))
    async with app.run_test(size=WIDE) as pilot:
        await until(pilot, lambda: len(told(app)) == 2)
        assert app.theme == "flowreasoner"
        await pilot.press("Q")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_wishes_of_the_environment_are_honoured(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_TTY", "/dev/pts/1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TEXTUAL_THEME", "nord")
    app = app_of(ScriptedWorkbench(store))
    assert app.animation_level == "none" and app.tick == 0.5 and app.no_color
    async with app.run_test(size=WIDE):
        assert app.theme != "flowreasoner"


HOSTILE = {
    "markup": "[bold red]x[/] [@click=app.quit]y[/] [link=http://e]z[/link] [/unopened] [",
    "ansi": "\x1b[2J\x1b[31mred\x1b]52;c;ZXZpbA==\x07",
    "bidi": "user\u202e\u2066 }if\u2069",
    "nul": "a\x00b" * 100,
    "long": "x" * 2_000_000,
    "lines": "y\n" * 300_000,
}


@pytest.mark.drawn
@pytest.mark.parametrize("kind", HOSTILE)
async def test_hostile_text_is_only_text(store: Path, kind: str) -> None:
    evil = HOSTILE[kind]

    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return evil
        if isinstance(value, dict):
            return {k: poison(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(map(poison, value))
        return value

    keep = {"run_id", "call_id", "step_id", "execution_id", "status", "channel", "role", "purpose", "split",
            "tests_written_by", "level", "finish"}  # fmt: skip
    events = [
        dataclasses.replace(
            e, **{f.name: poison(getattr(e, f.name)) for f in dataclasses.fields(e) if f.name not in keep}
        )
        for e in failing_run()
    ]
    app = app_of(ScriptedWorkbench(store, events, note=evil[:1000]))
    async with app.run_test(size=WIDE) as pilot:
        app.start_run(app.workbench.default_request())
        await until(
            pilot, lambda: isinstance(app.screen, RunScreen) and run_screen(app).session.state.finished
        )
        for _ in range(6):
            await pilot.press("v", "right_curly_bracket")
        await pilot.press("g", *["j"] * 6, "enter", "j", "j")
        for pane in ("query", "workflow", "reasoning", "detail-text"):
            rows = app.screen.query_one(f"#{pane}", TextView)._rows
            assert not any(ord(c) < 32 or c == "\u202e" for row in rows for c in row.text)
            assert sum(len(row.text) for row in rows) < 450_000
        if kind == "markup":
            assert "[@click=app.quit]y[/]" in shown(app, "query")
        if kind in ("long", "lines"):
            assert "press e to open whole" in shown(app, "query")
            assert app.screen.query_one("#query", TextView).plain_text == evil
        await pilot.press("1")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))
