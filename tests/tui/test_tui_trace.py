"""Reading a trace: views, the past, filters, search, attempts compared, what is in the source's gutter."""

from __future__ import annotations

import base64
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from engine import events as ev
from tests.tui.pilots import SMALL, WIDE, app_of, shown, told, until
from tests.tui.scripted import PROBLEM, SOLUTION, WRONG, Script, ScriptedWorkbench, failing_run, passing_run
from tui.app import WorkbenchApp
from tui.screens.run.detail_pane import DetailPane
from tui.screens.run.run import RunScreen
from tui.screens.run.scrub_bar import ScrubBar
from tui.screens.run.search_bar import SearchBar
from tui.trace import attempts, bars, detail, subject
from tui.trace.bars import Window
from tui.trace.filter import TraceFilter, kept
from tui.trace.graph import draw
from tui.trace.matches import Query, hits
from tui.trace.nodes import StepNode
from tui.trace.state import RunState
from tui.trace.subject import graph_that_ran, lines_run, node_counts, node_marks, subject_of
from tui.widgets.events_view import EventsView
from tui.widgets.outline_view import OutlineView
from tui.widgets.tab_strip import TabStrip
from tui.widgets.text_view import TextView
from tui.widgets.timeline_view import TimelineView

HOSTILE = "\x1b[31m[bold red]x[/] \u202eevil\u202c \x00\x9b2J [@click=app.quit]y[/]\r\ttail"


def run_screen(app: WorkbenchApp) -> RunScreen:
    assert isinstance(app.screen, RunScreen)
    return app.screen


async def opened(pilot: Pilot[Any], app: WorkbenchApp) -> RunScreen:
    """The screen of a run that has ended, with its tree."""
    session = app.start_run(app.workbench.default_request())
    await until(pilot, lambda: isinstance(app.screen, RunScreen) and session.state.finished)
    await until(pilot, lambda: app.screen.query_one(OutlineView).count > 5)
    await until(pilot, lambda: app.focused is not None and app.focused.id == "steps")
    return run_screen(app)


def reduced(events: list[ev.Event]) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_the_views_show_the_same_step(store: Path, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(store, failing_run()))
    async with app.run_test(size=size) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("v")
        outline, timeline = screen.query_one(OutlineView), screen.query_one(TimelineView)
        assert outline.selected == ("step", "e0-1")
        await pilot.press("w")
        await until(pilot, lambda: app.focused is timeline)
        assert timeline.selected == ("step", "e0-1") and not outline.display
        assert "ScEnsemble" in timeline.plain_text and "model" in timeline.legend()
        await pilot.press("k")
        await until(pilot, lambda: outline.selected == ("step", "e0-0"))
        await pilot.press("w")
        events = screen.query_one(EventsView)
        await until(pilot, lambda: app.focused is events)
        assert events.event is not None and events.event.kind == "step_started"
        assert events.count == len(failing_run())
        await pilot.press("enter")
        await until(pilot, lambda: '"kind": "step_started"' in shown(app, "detail-text"))
        await pilot.press("w")
        await until(pilot, lambda: app.focused is outline)


async def test_a_move_of_the_cursor_does_not_look_at_every_step(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []

    def spied(where: str, name: str) -> None:
        function = getattr(subject, name)

        def spy(*args: Any) -> Any:
            looked.append(name)
            return function(*args)

        monkeypatch.setattr(f"tui.screens.run.{where}.{name}", spy)

    spied("graph_pane", "node_counts")
    spied("workflow_pane", "lines_run")
    app = app_of(ScriptedWorkbench(store, failing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        outline, source = screen.query_one(OutlineView), screen.query_one("#workflow", TextView)
        outline.select(("step", "e0-0"))
        await until(pilot, lambda: source._marked == 5 and "node_counts" in looked)
        looked.clear()
        outline.select(("step", "e0-1"))  # of the same execution
        await until(pilot, lambda: source._marked == 8)
        assert not looked
        outline.select(("step", "e1-0"))
        await until(pilot, lambda: looked == ["lines_run"])


async def test_a_click_on_a_view_opens_it(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        await pilot.click("#views", offset=(7, 0))
        await until(pilot, lambda: screen.query_one(TimelineView).display)
        assert screen.query_one("#views", TabStrip).active == "Timeline"


async def test_the_screen_goes_back_in_time_and_to_now_again(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        session, total = screen.session, len(passing_run())
        assert screen.check_action("now", ()) is False
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: session.position == total - 1)
        assert not session.shown.finished and session.state.finished
        bar = screen.query_one(ScrubBar)
        assert bar.display and f"{total - 1} of {total}" in str(bar.render())
        await pilot.press("less_than_sign")
        await until(pilot, lambda: session.position is not None and session.position < total - 2)
        assert session.history.events[session.position - 1].kind == "step_started"  # type: ignore[operator]
        outline = screen.query_one(OutlineView)
        assert outline.selected == ("step", "final-1")
        assert session.shown.tree.nodes[("step", "final-1")].status == "running"
        assert session.state.tree.nodes[("step", "final-1")].status == "ok"
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: session.position is not None and session.position > 1)
        screen.scrub(3)
        await until(pilot, lambda: session.position == 3)
        await until(pilot, lambda: outline.count == 2)
        assert shown(app, "workflow") == ""
        await pilot.press("backslash")
        await until(pilot, lambda: session.position is None)
        assert session.shown is session.state and not bar.display
        await until(pilot, lambda: outline.count > 20)


def track(bar: ScrubBar) -> tuple[int, int]:
    """Where the line of positions begins, and how many cells it has."""
    line = str(bar.render())
    cells = [n for n, letter in enumerate(line) if letter in "━●─"]
    return cells[0], len(cells)


async def test_a_click_on_the_scrubber_goes_there(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("left_square_bracket")
        bar = screen.query_one(ScrubBar)
        await until(pilot, lambda: bar.display and bar.region.area)
        start, width = track(bar)
        await pilot.click(bar, offset=(1 + start + width // 2, 0))
        await until(
            pilot, lambda: screen.session.position == round(len(passing_run()) * (width // 2) / (width - 1))
        )


async def test_words_are_filtered_and_found_one_after_the_other(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, failing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        outline = screen.query_one(OutlineView)
        everything = outline.count
        await pilot.press("slash")
        await until(pilot, lambda: isinstance(app.focused, Input))
        await pilot.press(*"no letter")

        def found() -> bool:  # a slow machine looks for what was typed so far, too
            hits = {hit.key for hit in screen.finder.hits}
            said = str(outline.border_subtitle)
            return hits == {("execution", "e0"), ("step", "e0-1")} and "no letter" in said and "hits" in said

        await until(pilot, lambda: outline.count < everything and found())
        await pilot.press("enter")
        await until(pilot, lambda: app.focused is outline)
        assert {key[0] for key, _ in outline._rows} == {"round", "execution", "step"}
        await pilot.press("n")
        text = screen.query_one("#detail-text", TextView)
        await until(pilot, lambda: text.hits >= 1 and "no letter" in text.plain_text)
        first = screen.finder.at
        for _ in range(12):
            await pilot.press("n")
        await until(pilot, found)
        await pilot.press("N")
        await until(pilot, lambda: 0 <= first < len(screen.finder.hits))
        await pilot.press("slash", "escape")
        await until(pilot, lambda: outline.count >= everything)
        assert not screen.query_one(SearchBar).has_class("-open")
        await pilot.press("n")
        await until(pilot, lambda: told(app) and "First search" in told(app)[-1])


async def test_only_failures_and_only_changes(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, failing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        outline = screen.query_one(OutlineView)
        await pilot.press("V")
        await until(pilot, lambda: "only failures" in str(outline.border_subtitle))
        rows = [key for key, _ in outline._rows]
        assert ("step", "e0-1") in rows and ("step", "e0-0") not in rows
        await pilot.press("w", "w")
        events = screen.query_one(EventsView)
        await until(pilot, lambda: app.focused is events)
        assert "step_finished" in events.plain_text and "run_started" not in events.plain_text
        await pilot.press("w", "V", "d")
        await until(pilot, lambda: "only changes" in str(outline.border_subtitle))
        # The second execution's first step got and gave what the first one's did, but for the lost container.
        assert any(key == ("step", "e1-0") for key, _ in outline._rows)


def test_a_step_is_compared_with_the_attempt_before_it() -> None:
    state = reduced(passing_run())
    before = attempts.previous_attempts(state)
    # No earlier step of its line in its execution: the one of the operator, or of the execution before.
    assert before[("step", "r1e0-1")] == ("step", "r1e0-0")
    assert before[("step", "r2e0-0")] == ("step", "r1e1-0")
    assert ("step", "r1e0-0") not in before
    told = attempts.diff(state, ("step", "r2e0-1"), before[("step", "r2e0-1")])
    assert "── against" in told and "Round 2" in told
    assert "+" in told and "median" in told and "── unchanged: " in told
    workflows = [key for key in state.tree.nodes if key[0] == "workflow"]
    assert before[workflows[1]] == workflows[0]
    assert not attempts.changed(state, workflows[1], workflows[0])
    only = kept(state, TraceFilter(changes=True), ())
    assert only is not None and ("step", "r1e0-0") in only and ("step", "r2e1-2") not in only


async def test_the_diff_is_a_tab_and_colours_what_came_and_went(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        screen.query_one(OutlineView).select(("step", "r2e0-1"))
        pane = screen.query_one(DetailPane)
        await until(pilot, lambda: pane._key == ("step", "r2e0-1"))
        assert "Diff" in screen.query_one("#detail-tabs", TabStrip).filled
        pane.pick("Diff")
        text = screen.query_one("#detail-text", TextView)
        assert "── against" in text.plain_text
        assert {ink for row in text._rows for _, _, ink in row.spans} >= {"success", "error", "accent"}
        screen.query_one(OutlineView).select(("step", "r1e0-0"))
        await until(pilot, lambda: pane._key == ("step", "r1e0-0"))
        assert "Diff" not in screen.query_one("#detail-tabs", TabStrip).filled


def test_a_long_diff_is_cut_and_says_so() -> None:
    script = Script()
    script.execution("e", 1)
    for index, letter in enumerate("ab"):
        script.step("e", index, "Custom", 3, answer=f"{letter}\n" * 100_000)
    state = reduced(script.events)
    text = attempts.diff(state, ("step", "e-1"), ("step", "e-0"))
    assert len(text) < 100_000 and "compared up to" in text


def timed(*events: tuple[float, ev.Event]) -> RunState:
    return reduced([dataclasses.replace(event, seq=i, mono=at) for i, (at, event) in enumerate(events)])


def step_started(id: str, line: int = 3) -> ev.StepStarted:
    return ev.StepStarted(
        step_id=id, execution_id="e", index=0, operator="Custom", line=line, key="k", inputs={}
    )


def step_finished(id: str, *, reused: bool = False, status: str = "ok") -> ev.StepFinished:
    return ev.StepFinished(
        step_id=id, status=status, output={}, error=None, reused=reused, wall_ms=1.0, cpu_ms=1.0,
        tokens_in=0, tokens_out=0, cost_usd=0.0,
    )  # fmt: skip


def test_bars_tell_model_sandbox_limits_and_stops_apart() -> None:
    call = ev.ModelCallStarted(call_id="c", role="worker", model="m", step_id="s", messages=(), params={})
    done = ev.ModelCallFinished(
        call_id="c", text="", reasoning="", finish="stop", tokens_in=1, tokens_out=1, cost_usd=None,
        ttft_ms=None, wall_ms=1.0,
    )  # fmt: skip
    paused = ev.RunPaused(
        reason="before *", where="after", execution_id="e", step_id="s", operator="Custom", line=3
    )
    state = timed(
        (0.0, step_started("s")),
        (2.0, call),
        (4.0, ev.ModelRetry(call_id="c", attempt=2, reason="429", wait_s=1.0)),
        (7.0, done),
        (8.0, paused),
        (9.0, ev.RunResumed(action="continue", step_id="s")),
        (10.0, step_finished("s")),
        (10.0, step_started("r")),
        (11.0, step_finished("r", reused=True)),
    )
    step, reused = state.tree.nodes[("step", "s")], state.tree.nodes[("step", "r")]
    line = bars.cells(state, step, Window(0.0, 10.0), 10, 11.0)
    s, m, limit, stop = bars.SANDBOX, bars.MODEL, bars.LIMIT, bars.STOP
    assert line == [s, s, m, m, limit, m, m, s, stop, s]
    assert bars.cells(state, reused, Window(0.0, 11.0), 11, 11.0) == [0] * 10 + [bars.REUSED]
    assert len({bars.LOOKS[kind][0] for kind in (s, m, limit, stop, bars.REUSED)}) == 5


def test_steps_at_the_same_time_are_bars_under_each_other() -> None:
    state = timed(
        (0.0, step_started("a")),
        (0.0, step_started("b")),
        (4.0, step_finished("a")),
        (4.0, step_finished("b")),
    )
    rows = bars.timeline_rows(state)
    lines = [
        bars.cells(state, state.tree.nodes[key], Window(0, 4), 8, 4.0) for key, _ in rows if key[0] == "step"
    ]
    assert lines == [[bars.SANDBOX] * 8] * 2


async def test_the_timeline_zooms_around_the_step_and_moves(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        await pilot.press("w")
        timeline = screen.query_one(TimelineView)
        await until(pilot, lambda: app.focused is timeline)
        whole = timeline.window
        await pilot.press("plus", "plus")
        await until(pilot, lambda: timeline.window.span == pytest.approx(whole.span / 4))
        before = timeline.window
        await pilot.press("h")
        await until(pilot, lambda: timeline.window.start <= before.start)
        await pilot.press("l", "l", "minus")
        await until(pilot, lambda: timeline.window.span == pytest.approx(whole.span / 2))
        await pilot.press("0")
        await until(pilot, lambda: timeline.window == whole)
        assert re.search(r"╷0\.0s.*╷", timeline.plain_text)


def test_the_source_has_hits_and_the_graph_counts() -> None:
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.propose(1)
    script.execution("e", 1)
    script.step("e", 0, "CustomCodeGenerate", 5)
    for index in range(1, 4):
        script.step("e", index, "Test", 10, status="error" if index == 2 else "ok")
    script.step("e", 4, "Review", 13, finish=False)
    state = reduced(script.events)
    subject = subject_of(state, None)
    counts, running = lines_run(state, subject, None)
    assert counts == {5: 1, 10: 3, 13: 1} and running == {13}
    assert subject.proposal is not None
    nodes = node_counts(state, subject, subject.proposal.graph)
    assert nodes == {"n0": 1, "n3": 3, "n4": 1} and nodes.words == "1 running · 3 done · 1 failed"
    marks = node_marks(state, subject, subject.proposal.graph)
    assert marks["n3"][1] == "error" and marks["n4"][1] == "accent"


def test_the_graph_has_the_operators_that_were_chosen_at_run_time() -> None:
    """As of MaAS's graphs, where one line calls whatever the controller chose."""
    script = Script()
    script.start()
    script.add(ev.RoundStarted(round=1))
    script.propose(1)
    state = reduced(script.events)
    subject = subject_of(state, None)
    assert subject.proposal is not None
    graph = subject.proposal.graph
    assert graph_that_ran(state, subject, graph) == graph
    script.execution("e", 1)
    script.step("e", 0, "generate", 40)
    script.step("e", 1, "generate_cot", 40, status="error")
    script.step("e", 2, "self_refine", 42)
    script.step("e", 3, "generate", 40)
    script.step("e", 4, "test", 10)
    state = reduced(script.events)
    ran = graph_that_ran(state, subject, graph)
    names = {str(node["id"]): node["operator"] for node in ran["nodes"]}
    chosen = ["generate@40", "generate_cot@40", "self_refine@42"]
    assert list(names)[:3] == chosen and set(names) - set(chosen) == {n["id"] for n in graph["nodes"]}
    assert [names[id] for id in chosen] == ["generate", "generate_cot", "self_refine"]
    edges = {(e["source"], e["target"]) for e in ran["edges"]}
    assert {tuple(chosen[:2]), tuple(chosen[1:]), ("generate@40", "n3")} <= edges
    counts = node_counts(state, subject, ran)
    assert counts == {"generate@40": 2, "generate_cot@40": 1, "self_refine@42": 1, "n3": 1}
    assert node_marks(state, subject, ran)["generate_cot@40"][1] == "error"
    drawn = "".join(text for line in draw(ran, {}, counts) for text, _ in line)
    assert re.search("generate ×2.*generate_cot.*self_refine", drawn, re.DOTALL)


def test_files_that_programs_left_are_shown() -> None:
    files = ({"name": "a.txt", "base64": base64.b64encode(b"hello").decode()},
             {"name": "b.bin", "base64": base64.b64encode(b"\xff\x00").decode()},
             {"name": "c", "base64": "%%%"})  # fmt: skip
    script = Script()
    script.step("e", 0, "Programmer", 3, finish=False)
    script.add(
        ev.CodeExecuted(step_id="e-0", purpose="program", code="x", verdict={"status": "ok"}, files=files)
    )
    state = reduced(script.events)
    text = detail.sections(state, ("step", "e-0"))["Files"].text
    assert "── a.txt ──\nhello" in text and "2 bytes, not text; they begin ff 00" in text


def hostile_run(text: str) -> list[ev.Event]:
    """`text` in every field that models, containers and people fill."""
    script = Script()
    script.start(dataclasses.replace(PROBLEM, prompt=text))
    script.add(ev.Notice(level="error", text=text))
    script.add(ev.RoundStarted(round=1))
    script.call("meta", text, reasoning=text, prompt=text, retry=text, piece=1_000_000)
    script.execution("e", 1)
    verdict = {
        "status": "failed",
        "message": text,
        "stdout": text,
        "stderr": text,
        "tests": [{"message": text}],
    }
    script.step("e", 0, text, 5, answer="", code=verdict, status="error", error=text)
    script.step("e", 1, text, 5, code=verdict, status="error", error=text[::-1])
    script.add(
        ev.RunPaused(reason=text, where="before", execution_id="e", step_id="e-1", operator=text, line=1)
    )
    script.add(ev.ValueEdited(step_id="e-1", what="output", value=text))
    script.add(ev.RunResumed(action=text, step_id="e-1"))
    script.finish_execution("e", "error", text)
    script.end("error", 0.0, text)
    return script.events


@pytest.mark.drawn
@pytest.mark.parametrize("text", [HOSTILE, "x" * 2_000_000], ids=["codes", "2 MB line"])
async def test_hostile_text_is_shown_safely_in_every_view(store: Path, text: str) -> None:
    app = app_of(ScriptedWorkbench(store, hostile_run(text)))
    async with app.run_test(size=WIDE) as pilot:
        screen = await opened(pilot, app)
        drawn: list[str] = []

        def take() -> None:
            for view in (OutlineView, TimelineView, EventsView):
                drawn.append(screen.query_one(view).plain_text)
            text = screen.query_one("#detail-text", TextView)
            drawn.extend(row.text for row in text._rows)

        for key in ("v", "w", "w", "G", "enter", "w", "V", "d"):
            await pilot.press(key)
            take()
        for tab in detail.TABS:
            screen.query_one(DetailPane).pick(tab)
            take()
        await pilot.press("slash", *"evil", "enter", "n", "left_square_bracket")
        await until(pilot, lambda: screen.session.position is not None)
        take()
        assert max(map(len, "\n".join(drawn).split("\n"))) < 10_000
        assert not set("\x00\x1b\x9b\u202e\r") & set("".join(drawn))
        step = screen.session.state.tree.nodes[("step", "e-0")]
        assert isinstance(step, StepNode) and step.operator == text, "the whole text is kept"


def test_a_search_finds_across_pieces_and_minds_capitals() -> None:
    from tui.trace.matches import PIECE

    text = "a" * (PIECE - 3) + "NeedLe" + "b" * PIECE
    assert (
        Query("needle").matches(text) and Query("NeedLe").matches(text) and not Query("Needle").matches(text)
    )
    state = reduced(passing_run())
    found = hits(state.tree.nodes.values(), Query("values.sort()"))
    assert found and all(WRONG for _ in found) and {h.tab for h in found} <= {"Response", "Overview"}
    assert hits(state.tree.nodes.values(), Query(SOLUTION.splitlines()[1].strip()))
