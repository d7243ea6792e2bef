"""The Failures screen: clusters, the triage loop with its peek, and what can be said and done."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine import events as ev
from engine.events import Event, RunFinished, RunStarted, WorkflowFinished
from store.failures import FailureReader, Peek
from store.reader import Reader
from tests.support.stores import made
from tests.tui.pilots import SMALL, WIDE, app_of, record, told, until
from tests.tui.scripted import RUN_ID, Script, ScriptedWorkbench, failing_run, passing_run
from tui.app import WorkbenchApp
from tui.screens.ask.ask import AskScreen
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.failures.failures import FailuresScreen
from tui.screens.failures.peek import peek_text
from tui.screens.pick.pick import PickScreen
from tui.screens.run.run import RunScreen
from tui.screens.runs.runs import RunsScreen
from tui.trace.nodes import FAILURES, ExecutionNode, RoundNode
from tui.trace.outline import outcome
from tui.watching import Watches
from tui.widgets.line_list import LineList
from tui.widgets.outline_view import OutlineView
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
Compare = Callable[..., bool]
STORE = Path("/nonexistent/store.db")
NAME_ERROR = "NameError: name 'max_iterations' is not defined"


def run_id(number: int) -> str:
    return f"{RUN_ID}{number}"


def other_failure(number: int) -> list[Event]:
    """A run of another variant that failed in another way, on another problem."""
    changed: dict[type[Event], dict[str, Any]] = {
        WorkflowFinished: {"status": "error", "error": f"{NAME_ERROR} (workflow line 6)", "answer": None},
        RunFinished: {"error": NAME_ERROR},
    }
    events = [
        dataclasses.replace(e, **changed.get(type(e), {}))
        for e in failing_run(run_id(number), 1.78e9 + number * 977)
    ]
    start = events[0]
    assert isinstance(start, RunStarted)
    problem = {**start.problem, "id": f"example/other-{number}"}
    return [dataclasses.replace(start, problem=problem, variant="vanilla"), *events[1:]]


@pytest.fixture
def full_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs that failed alike, two that failed otherwise, one that passed."""
    monkeypatch.chdir(tmp_path)
    path = Path("store.db")
    path.write_bytes(made(seven_runs))
    return path


def seven_runs(path: Path) -> None:
    runs = [failing_run(run_id(n), 1.78e9 + n * 977) for n in range(4)]
    runs += [other_failure(n) for n in (4, 5)]
    runs.append(passing_run(run_id(6), 1.78e9 + 6 * 977))
    asyncio.run(record(path, runs))


def table(app: WorkbenchApp, id: str) -> TableView:
    return app.screen.query_one(f"#{id}", TableView)


def peek(app: WorkbenchApp) -> str:
    return app.screen.query_one("#peek", TextView).whole


async def opened(pilot: Pilot[Any]) -> None:
    """The screen with its clusters, runs and peek."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    await pilot.press("4")
    await until(pilot, lambda: isinstance(app.screen, FailuresScreen) and table(app, "runs").count)
    await until(pilot, lambda: "── why" in peek(app))


async def test_clusters_runs_and_a_look(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        assert table(app, "clusters").count == 2
        assert table(app, "runs").count == 4
        assert "wrong answer" in peek(app)
        assert "── workflow" in peek(app)
        assert "expected 2.5, got 3" in peek(app)
        await pilot.press("j")
        await until(pilot, lambda: table(app, "runs").count == 2 and NAME_ERROR in peek(app))
        assert "undefined-name" in peek(app)
        assert "▶   6" in peek(app)


async def test_the_peek_follows_the_cursor_and_enter_opens_the_trace(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is not None and app.focused.id == "runs")
        for number in (2, 1, 0):  # newest first
            await pilot.press("j")
            view = app.screen.query_one("#peek", TextView)
            await until(pilot, lambda n=number, v=view: v.border_subtitle == run_id(n))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        assert app.screen.session.state.run_id == run_id(0)  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen) and table(app, "runs").count)


async def test_a_held_key_reads_only_where_it_stops(
    full_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = FailureReader.peek

    def counted(self: FailureReader, wanted: str) -> Any:
        read.append(wanted)
        return real(self, wanted)

    monkeypatch.setattr(FailureReader, "peek", counted)
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("enter")
        read.clear()
        table(app, "runs").move(1)
        table(app, "runs").move(2)
        table(app, "runs").move(3)
        await until(pilot, lambda: app.screen.query_one("#peek", TextView).border_subtitle == run_id(0))
        assert read == [run_id(0)]


async def test_the_cursor_among_the_runs_stays_when_its_cluster_is_told_of_late(
    full_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a slow machine, where the clusters' first message came to its turn after keys were pressed."""
    monkeypatch.setattr("tui.screens.failures.failures.DEBOUNCE_S", 0.001)
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("enter", "j")
        clusters = table(app, "clusters")
        clusters.post_message(LineList.Highlighted(clusters, clusters.cursor))
        for _ in range(5):
            await pilot.pause()
        assert table(app, "runs").selected == run_id(2)
        view = app.screen.query_one("#peek", TextView)
        await until(pilot, lambda: view.border_subtitle == run_id(2))


async def test_grouping_is_toggled(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        seen = []
        for by in ("problem", "operator", "variant", "label", "benchmark", "signature"):
            await pilot.press("c")
            await until(pilot, lambda by=by: table(app, "clusters").border_title == f"By {by}")
            await until(pilot, lambda: table(app, "runs").count)
            seen.append(table(app, "clusters").plain_text)
        assert "example/median" in seen[0]
        assert "vanilla" in seen[2]
        assert "undefined-name" in seen[3]


async def answer(pilot: Pilot[Any], key: str, text: str) -> None:
    """Press a key that asks for a line, and give it."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(pilot.app.screen, AskScreen | PickScreen))
    pilot.app.screen.query_one(Input).value = text
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(pilot.app.screen, FailuresScreen))


async def test_labels_notes_bookmarks_and_training_sets(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        newest = run_id(3)

        def kinds() -> list[tuple[str, str]]:
            with Reader(full_store) as reader:
                said = reader.annotations.of([newest]).get(newest, [])
            return [(a.kind, a.value) for a in said if a.source == "user"]

        await answer(pilot, "l", "agent-bug")
        await until(pilot, lambda: ("label", "agent-bug") in kinds())
        await until(pilot, lambda: "agent-bug" in table(app, "runs").plain_text)
        await answer(pilot, "n", "look at [bold]this[/bold]")
        await until(pilot, lambda: "note: look at [bold]this[/bold]" in peek(app))
        await pilot.press("b")
        await until(pilot, lambda: "★" in table(app, "runs").plain_text)
        await answer(pilot, "t", "grpo-1")
        await until(pilot, lambda: ("training-set", "grpo-1") in kinds())
        await pilot.press("2")  # the list of all runs shows them too
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and table(app, "runs").count)
        (row,) = (row for row in table(app, "runs").plain_text.splitlines() if "★" in row)
        assert "agent-bug" in row and "+grpo-1 ✎" in row
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))

        await answer(pilot, "l", "agent-bug")  # again takes it away
        await until(pilot, lambda: ("label", "agent-bug") not in kinds())
        await pilot.press("b")
        await until(pilot, lambda: ("bookmark", "") not in kinds())
        await pilot.press("U")  # the last that was said or taken away, back again
        await until(pilot, lambda: ("bookmark", "") in kinds())
        await pilot.press("U")
        await until(pilot, lambda: ("label", "agent-bug") in kinds())
        await answer(pilot, "l", "two words")
        await until(pilot, lambda: any("without spaces" in said for said in told(app)))


async def test_a_note_that_was_not_written_down_is_still_there_the_next_time(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("n", *"half a tho", "escape")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused is not None)
        assert app.screen.query_one("#line", Input).value == "half a tho"
        await pilot.press(*"ught", "enter")
        await until(pilot, lambda: "note: half a thought" in peek(app))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, AskScreen) and app.focused is not None)
        assert app.screen.query_one("#line", Input).value == ""


async def test_labels_are_picked_with_their_meaning(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("l", *"time limit", "enter")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: "timeout" in table(app, "runs").plain_text)


async def test_what_fails_meanwhile_appears_and_the_cursor_stays(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("enter", "j")
        view = app.screen.query_one("#peek", TextView)
        await until(pilot, lambda: view.border_subtitle == run_id(2))
        await record(full_store, [failing_run(run_id(7), 1.78e9 + 9e4)])
        await until(pilot, lambda: table(app, "runs").count == 5)
        assert table(app, "runs").selected == run_id(2)


async def test_one_run_and_a_cluster_are_done_again(full_store: Path) -> None:
    workbench = ScriptedWorkbench(full_store, passing_run("01K0SCRIPTEDAGAIN"))
    app = app_of(workbench)
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("R")
        await until(pilot, lambda: [r.run for r in workbench.requests] == [run_id(3)])
        assert isinstance(app.screen, FailuresScreen)
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("enter")  # the safe answer
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        assert len(workbench.requests) == 1
        await pilot.press("A")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.click("#yes")
        await until(pilot, lambda: len(workbench.requests) == 5)
        assert {r.run for r in workbench.requests[1:]} == {run_id(n) for n in range(4)}


async def test_without_failures_nothing_can_be_done(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: table(app, "clusters").empty.startswith("No run has failed"))
        await pilot.press("l", "n", "b", "t", "R", "A", "c", "enter")
        await until(pilot, lambda: any("Select a run first" in said for said in told(app)))
        assert any("no run here" in said for said in told(app))


@pytest.fixture
def damaged(store: Path) -> Path:
    store.write_text("this is no database, and longer than its header: " + "x" * 200)
    return store


async def test_a_store_that_cannot_be_read_is_told(damaged: Path) -> None:
    app = app_of(ScriptedWorkbench(damaged))
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: "cannot be read" in table(app, "clusters").empty)


@pytest.mark.drawn
async def test_hostile_texts_reach_the_screen_cleaned(store: Path) -> None:
    hostile = "\x1b]0;owned\x07[red]NameError[/red]\u202e \x9b31m " + "x" * 5000
    events = [
        dataclasses.replace(e, error=hostile) if isinstance(e, RunFinished | WorkflowFinished) else e
        for e in failing_run(run_id(1))
    ]
    await record(store, [events])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        everything = peek(app) + table(app, "clusters").plain_text + table(app, "runs").plain_text
        assert "[red]NameError[/red]" in everything
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(everything)


@SIZES
def test_no_failures(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(STORE))

    async def ready(pilot: Pilot[Any]) -> None:
        await pilot.press("4")
        await until(pilot, lambda: isinstance(app.screen, FailuresScreen))
        await until(pilot, lambda: table(app, "clusters").empty.startswith("No run has failed"))

    assert snap_compare(app, terminal_size=size, run_before=ready)


async def test_a_failed_run_opens_where_it_failed_and_no_parent_looks_well(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        app.open_trace(run_id(3))
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        outline = app.screen.query_one(OutlineView)
        await until(
            pilot, lambda: outline.selected is not None and outline.selected[0] in ("step", "evaluation")
        )
        state = app.screen.session.state  # type: ignore[attr-defined]
        assert state.tree.nodes[outline.selected].status in FAILURES
        for node in state.tree.nodes.values():
            if isinstance(node, ExecutionNode | RoundNode):
                bad = [key for key in node.children if outcome(state, state.tree.nodes[key]) in FAILURES]
                scored = [key for key in bad if key[0] in ("execution", "evaluation")]
                assert not scored or outcome(state, node) in FAILURES


def test_a_peek_has_the_query_the_blamed_line_and_every_failure_once() -> None:
    code = "def f(x):\n    return (x\n"
    message = "SyntaxError: '(' was never closed (solution.py, line 2)"
    script = Script(RUN_ID, 1.7e9)
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.propose(1)
    script.execution("e", 1)
    script.step("e", 0, "Draft", 5, answer=code)
    script.finish_execution("e")
    tests = [{"index": n, "status": "failed", "reason": "load", "message": message} for n in range(5)]
    script.score("e", 1, "test", ["failed"] * 5)
    verdict = {"status": "failed", "metric": "tests", "tests": tests}
    script.events[-1] = dataclasses.replace(script.events[-1], verdict=verdict)
    by_kind = {type(event): event for event in script.events}
    peek = Peek(
        asked=script.events[0],
        answer=dataclasses.replace(by_kind[ev.WorkflowFinished], answer=code),
        findings=(),
        annotations=(),
        step=(),
        evaluation=by_kind[ev.EvaluationFinished],
        workflow=by_kind[ev.WorkflowProposed],
        line=5,
    )
    row = SimpleNamespace(
        problem_id="p", status="failed", score=0.0, variant="v", meta_agent="m", worker="w", seed=0,
        error=None, error_sig="worker's code: SyntaxError: <text> was never closed",
    )  # fmt: skip
    text = peek_text(row, peek)  # type: ignore[arg-type]
    assert "── query\nWrite a function" in text
    assert "── answer, line 2" in text and "▶   2     return (x" in text
    assert text.count("was never closed") == 2 and "×5" in text
    assert "── workflow, line 5" in text and "▶   5" in text
    long = dataclasses.replace(peek, asked=dataclasses.replace(peek.asked, problem={"prompt": "why " * 200}))
    text = peek_text(row, long)  # type: ignore[arg-type]
    assert f"── query\n{'why ' * 149}why…\n" in text  # 600 characters, and it says that there is more


async def test_the_prompt_and_the_reply_of_the_step_are_a_key_away(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("p")
        await until(pilot, lambda: "── reply" in peek(app) or "called no model" in peek(app))
        assert peek(app).startswith("step ")
        await pilot.press("p")
        await until(pilot, lambda: "── why" in peek(app))


async def test_a_watched_cluster_is_told_of_when_it_happens_again(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        await pilot.press("w")
        await until(pilot, lambda: "◉ " in table(app, "clusters").plain_text)
        assert "You are told when it happens again." in told(app)
        watches = Watches(app.records, app.memory)
        again: list[str] = []
        await watches.look(again.append)
        assert not again
        await record(full_store, [failing_run(run_id(8), 1.78e9 + 9 * 977)])
        await watches.look(again.append)
        assert len(again) == 1 and run_id(8) in again[0]
        await watches.look(again.append)
        assert len(again) == 1
        await pilot.press("w")
        await until(pilot, lambda: "◉ " not in table(app, "clusters").plain_text)
