"""The Compare screens: choosing, comparing, going down to traces; and how the states that matter look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.support.stores import made
from tests.support.trials import CODE, FAIL, PASS, Ran, Step, store_experiment
from tests.tui.pilots import SMALL, WIDE, app_of, told, until
from tests.tui.scripted import ScriptedWorkbench
from tui.app import WorkbenchApp
from tui.screens.compare.choose import ChooseScreen
from tui.screens.compare.compare import CompareScreen
from tui.screens.run.run import RunScreen
from tui.service.records import Records
from tui.service.requests import ExperimentRequest, Placement, TryFlips
from tui.widgets.tab_strip import TabStrip
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView

SIZES = pytest.mark.parametrize("size", [SMALL, WIDE], ids=["80x24", "160x48"])
GONE = Path("/nonexistent/store.db")
FIRST = Ran(
    "passed",
    worker_usd=0.002,
    code=CODE,
    steps=(Step("Custom", "draft"), Step("Test", {"result": True}, "t1")),
)
SECOND = Ran(
    "failed",
    meta_usd=0.01,
    meta_ms=1500.0,
    worker_usd=0.002,
    val_score=1.0,
    code=CODE.replace("custom", "custom_code_generate"),
    steps=(
        Step("Custom", "draft"),
        Step("Review", "[b]no[/b]\x1b[2J", "r"),
        Step("Test", {"result": False}, "t2"),
    ),
)


@pytest.fixture
def full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An experiment of three variants on twelve problems, named the same on every machine."""
    monkeypatch.chdir(tmp_path)
    path = Path("store.db")
    path.write_bytes(made(three_variants))
    return path


def three_variants(path: Path) -> None:
    letters = {"vanilla": "PPPFFFPPFFPF", "flow,rounds=3": "PPFPPPPPFPPE", "aflow": "FFFFFFPPFFPP"}
    kinds = {
        "vanilla": {"P": FIRST, "F": FAIL},
        "flow,rounds=3": {"P": PASS, "F": SECOND, "E": Ran("error", error="boom")},
        "aflow": {"P": PASS, "F": FAIL},
    }
    trials = {
        label: {f"p{n}": [kinds[label][letter]] for n, letter in enumerate(side)}
        for label, side in letters.items()
    }
    store_experiment(path, "first", trials)


def rows_of(app: WorkbenchApp, id: str) -> list[str]:
    return table(app, id).plain_text.splitlines()[1:]


def table(app: WorkbenchApp, id: str) -> TableView:
    return app.screen.query_one(f"#{id}", TableView)


async def comparing(pilot: Pilot[Any], *names: str) -> CompareScreen:
    """Open a comparison and wait until it is there."""
    app = pilot.app
    assert isinstance(app, WorkbenchApp)
    app.open_comparison(names)
    return await compared(pilot)


async def compared(pilot: Pilot[Any]) -> CompareScreen:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.state.comparison)
    await until(pilot, lambda: app.focused is not None and app.focused.region.area)
    assert isinstance(app.screen, CompareScreen)
    return app.screen


async def chosen(pilot: Pilot[Any], *keys: str) -> None:
    await pilot.press("6")
    await until(
        pilot, lambda: isinstance(pilot.app.screen, ChooseScreen) and table(pilot.app, "variants").count
    )  # type: ignore[arg-type]
    await pilot.press(*keys)


@SIZES
async def test_variants_are_marked_and_compared_down_to_a_trace(full: Path, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=size) as pilot:
        await chosen(pilot, "c")
        assert "First mark two to four rows with space." in told(app)
        await pilot.press("space", "j", "space")
        await until(pilot, lambda: table(app, "variants").border_subtitle == "2 marked, A is the baseline")
        await pilot.press("c")
        screen = await compared(pilot)
        assert "exact McNemar p = 0.3750" in screen.query_one("#summary", TextView).plain_text
        rows = table(app, "metrics").plain_text.splitlines()
        assert rows[0] == "\tA\tB\tB − A, 95 %"
        assert any(row.startswith("pass rate\t50.0 %\t75.0 %\t+25.0 [") for row in rows)
        if size == SMALL:
            await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.focused is table(app, "problems"))
        assert table(app, "problems").plain_text.splitlines()[1] == "p2\tlost\tpassed\tfailed"
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not screen)
        traces = await compared(pilot)
        assert [side.name for side in traces.state.comparison.sides] == [
            "first-vanilla-2-1",
            "first-flow,rounds=3-2-1",
        ]  # type: ignore[union-attr]
        await pilot.press("u")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and app.screen.session.state.finished)
        assert app.screen.session.state.run_id == "first-flow,rounds=3-2-1"  # type: ignore[attr-defined]
        await pilot.press("escape", "escape")
        await until(pilot, lambda: app.screen is screen)


async def test_only_differences_regressions_baseline_and_pairs(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        screen = await comparing(pilot, "first")
        problems = table(app, "problems")
        assert (problems.count, problems.border_subtitle) == (5, "5 · only differences")
        await pilot.press("d")
        await until(pilot, lambda: problems.count == 12)
        await pilot.press("i")
        await until(pilot, lambda: problems.plain_text.splitlines()[1:] == ["p2\tlost\tpassed\tfailed"])
        await pilot.press("i", "p")
        await until(pilot, lambda: problems.border_title == "Problems, C against A")
        await pilot.press("b")
        await until(pilot, lambda: screen.state.comparison.sides[0].name == "first:flow,rounds=3")  # type: ignore[union-attr]
        assert screen.state.comparison is not None
        assert [s.letter for s in screen.state.comparison.sides] == ["A", "B", "C"]


@SIZES
async def test_from_two_variants_to_the_step_that_made_the_difference(
    full: Path, size: tuple[int, int]
) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=size) as pilot:
        await chosen(pilot, "space", "j", "space", "c")
        screen = await compared(pilot)
        if size == SMALL:
            await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.focused is table(app, "problems"))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not screen)
        traces = await compared(pilot)
        await until(pilot, lambda: app.focused is table(app, "steps"))
        parting = traces.state.parting
        assert parting is not None and parting.blame == "workflow"
        assert traces.state.steps()[table(app, "steps").selected_place] == parting.step
        summary = app.screen.query_one("#summary", TextView).plain_text
        assert "They part at step 1 Review, line 3 of test 1: other workflow" in summary
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: app.focused is app.screen.query_one("#answers-a"))
        about = app.screen.query_one("#answers-about-b", TextView).plain_text
        assert about.startswith("test 1, round 1: run failed, 0.0 %")


async def test_where_time_went_and_what_turned_the_verdicts(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        screen = await comparing(pilot, "first:vanilla", "first:flow")
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: table(app, "operators").count)
        operators = {row.split("\t")[0]: row.split("\t")[1:3] for row in rows_of(app, "operators")}
        assert operators["Review"] == ["–", "0.167"] and operators["Custom"] == ["0.5", "0.167"]
        assert ["5", "4", "0"] in [row.split("\t")[:3] for row in rows_of(app, "shifts")]
        await pilot.press("right_square_bracket")
        await until(pilot, lambda: app.focused is table(app, "flips"))
        flips = [row.split("\t") for row in rows_of(app, "flips")]
        assert flips[0][:4] == ["p2", "lost", "other workflow", "1 Review, line 3"]
        assert [flip[4] for flip in flips] == ["–"] * len(flips)
        assert "B against A, 5 flips" in screen.query_one("#summary", TextView).plain_text
        await pilot.press("i")
        await until(pilot, lambda: table(app, "flips").count == 1)
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is not screen)
        traces = await compared(pilot)
        comparison = traces.state.comparison
        assert comparison is not None
        assert [s.run_id for s in comparison.sides] == ["first-vanilla-2-1", "first-flow,rounds=3-2-1"]


async def test_pictures_of_a_comparison(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        screen = await comparing(pilot, "first:vanilla", "first:flow")
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: screen.state.ways)
        shown = [view for view in screen.query("#charts-page > *") if view.display]
        assert [view.id for view in shown] == ["chart-accuracy-cost", "chart-operators", "chart-scores"]
        assert shown[0].border_title == "Pass rate against cost per trial"
        assert shown[0].border_subtitle == "● A  ◆ B"
        assert "100 % ● █" in str(shown[2].render())


async def test_flips_are_tried_again_and_the_result_stands_beside_them(full: Path) -> None:
    asked: list[TryFlips] = []

    class Starting(ScriptedWorkbench):
        async def start_experiment(self, request: ExperimentRequest, placement: Placement) -> str:
            assert isinstance(request, TryFlips)
            asked.append(request)
            return "first-flips"

    app = app_of(Starting(full))
    async with app.run_test(size=WIDE) as pilot:
        screen = await comparing(pilot, "first:vanilla", "first:flow")
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: table(app, "flips").count)
        await pilot.press("R")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press("backspace", "0", "enter")
        await until(pilot, lambda: any("'0' is not a number from 1" in one for one in told(app)))
        await pilot.press("R")
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press("backspace", "8", "enter")
        await until(pilot, lambda: asked)
        assert asked == [TryFlips(of="first", variants=("vanilla", "flow,rounds=3"), repeats=8)]
        again = {"vanilla": {"p2": [PASS] * 8}, "flow,rounds=3": {"p2": [FAIL] * 8}}
        store_experiment(full, "first-flips", again, again="first")
        app.open_comparison(["first-vanilla-2-1", "first-vanilla-3-1"])
        await until(pilot, lambda: app.screen is not screen)
        await pilot.press("escape")
        await until(pilot, lambda: "effect" in table(app, "flips").plain_text)
        assert "effect 8/8 → 0/8 [−100, −54]" in rows_of(app, "flips")[0]


async def test_flips_of_what_is_no_experiment_cannot_be_tried_again(full: Path) -> None:
    store_experiment(full, "more", {"flow": {f"p{n}": [FAIL] for n in range(12)}})
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        await comparing(pilot, "first:vanilla", "more:flow")
        await pilot.press("R")
        await until(pilot, lambda: any("two variants of one experiment" in one for one in told(app)))


async def test_a_page_that_was_turned_to_is_not_turned_back_when_the_comparison_is_there(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, compare = asyncio.Event(), Records.comparison

    async def late(self: Records, *args: Any) -> Any:
        await gate.wait()
        return await compare(self, *args)

    monkeypatch.setattr(Records, "comparison", late)
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        app.open_comparison(["first"])
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.focused is not None)
        await pilot.press("right_square_bracket", "right_square_bracket", "right_square_bracket")
        await until(pilot, lambda: app.screen.query_one(TabStrip).active == "Flips")
        assert table(app, "problems").region.area and table(app, "problems").empty == "Comparing …"
        gate.set()
        await until(pilot, lambda: table(app, "flips").count and not table(app, "problems").region.area)
        assert app.focused is table(app, "flips")


async def test_the_cursor_stays_on_its_problem_when_more_are_shown(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        await comparing(pilot, "first:vanilla", "first:flow")
        await pilot.press("j")
        before = table(app, "problems").selected
        await pilot.press("d")
        await until(
            pilot, lambda: table(app, "problems").count == 12 and table(app, "problems").selected == before
        )


async def test_runs_are_marked_on_the_runs_screen(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        await until(pilot, lambda: table(app, "runs").count == 36)
        await pilot.press("space", "j", "space", "j", "space", "j", "space", "j", "space")
        await until(pilot, lambda: any("At most 4" in sentence for sentence in told(app)))
        await pilot.press("k", "space", "k", "space")
        assert [row.partition("\t")[0] for row in table(app, "runs").plain_text.splitlines()[1:3]] == [
            "A",
            "B",
        ]
        await pilot.press("c")
        screen = await compared(pilot)
        assert screen.state.comparison is not None and screen.state.comparison.are_runs


async def test_both_sides_of_a_step_are_beside_each_other(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        await comparing(pilot, "first-vanilla-2-1", "first-flow,rounds=3-2-1")
        assert [row.split("\t")[1:4] for row in table(app, "steps").plain_text.splitlines()[1:]] == [
            ["–/1", "Review", "only in B"],
            ["1/2", "Test", "other inputs"],
        ]
        assert app.screen.query_one("#step-a", TextView).plain_text == ""
        assert "[b]no[/b]" in app.screen.query_one("#step-b", TextView).plain_text
        await pilot.press("j")
        shown = app.screen.query_one("#step-a", TextView)
        await until(pilot, lambda: "── output result\ntrue" in shown.plain_text)
        diff = app.screen.query_one("#workflow", TextView).plain_text
        assert "+        return await self.custom_code_generate(" in diff


async def test_what_cannot_be_compared_is_said_and_the_screen_stays(store: Path) -> None:
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=SMALL) as pilot:
        app.open_comparison(["nothing", "[red]x"])
        await until(pilot, lambda: any("neither an experiment 'nothing'" in one for one in told(app)))
        await pilot.press("d", "i", "b", "p", "t", "enter", "right_square_bracket", "escape")
        await chosen_empty(pilot)


async def chosen_empty(pilot: Pilot[Any]) -> None:
    await pilot.press("6")
    await until(pilot, lambda: isinstance(pilot.app.screen, ChooseScreen))
    await until(pilot, lambda: "No experiment yet" in pilot.app.screen.query_one(TableView).empty)
    await pilot.press("space", "enter", "c")


# -- pictures ------------------------------------------------------------------------------------

Compare = Callable[..., bool]


@SIZES
def test_nothing_to_choose_from(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(GONE))

    async def ready(pilot: Pilot[Any]) -> None:
        await pilot.press("6")
        await until(pilot, lambda: "No experiment yet" in app.screen.query_one(TableView).empty)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_marked_variants(snap_compare: Compare, size: tuple[int, int], full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    assert snap_compare(app, terminal_size=size, run_before=lambda p: chosen(p, "space", "j", "j", "space"))


SIDES = {
    "2 at 80": ((80, 36), ("first:vanilla", "first:flow")),
    "3 at 120": ((120, 36), ("first",)),
    "4 at 160": ((160, 48), ("first:vanilla", "first:flow", "first:aflow", "more:again")),
    "3 at 200": ((200, 60), ("first",)),
}


@pytest.mark.parametrize("shape", SIDES)
async def test_the_sides_of_a_comparison_can_be_read(full: Path, shape: str) -> None:
    """Every measure's name and every side's value are whole; what has no room is said to be there."""
    size, names = SIDES[shape]
    if len(names) == 4:
        store_experiment(full, "more", {"again": {f"p{n}": [PASS] for n in range(12)}})
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=size) as pilot:
        screen = await comparing(pilot, *names)
        metrics = table(app, "metrics")
        width = metrics.scrollable_content_region.width or size[0] - 4
        lines = ["".join(text for text, _ in metrics.row(n, width)) for n in range(metrics.count)]
        assert screen.state.comparison is not None
        for line, shown in zip(screen.state.lines(), lines, strict=True):
            assert all(value in shown for value in line.values)
            assert line.title in shown or ("…" in shown and line.title.startswith("calls of "))
        left_out = len(screen.state.comparison.pairs) - lines[1].count("[")
        assert (f"{left_out} more column" in str(metrics.border_subtitle)) == (left_out > 0)


@SIZES
def test_aligned_steps_of_two_runs(snap_compare: Compare, size: tuple[int, int], full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))

    async def ready(pilot: Pilot[Any]) -> None:
        await comparing(pilot, "first-vanilla-2-1", "first-flow,rounds=3-2-1")
        await until(pilot, lambda: app.focused is table(app, "steps"))

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_while_it_is_compared(
    snap_compare: Compare, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Records, "comparison", never)
    app = app_of(ScriptedWorkbench(GONE))

    async def ready(pilot: Pilot[Any]) -> None:
        app.open_comparison(["a", "b"])
        await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.focused is not None)

    assert snap_compare(app, terminal_size=size, run_before=ready)


@SIZES
def test_a_comparison_of_nothing(snap_compare: Compare, size: tuple[int, int]) -> None:
    app = app_of(ScriptedWorkbench(GONE))

    async def ready(pilot: Pilot[Any]) -> None:
        app.open_comparison(["a", "b"])
        await until(pilot, lambda: told(app) and app.focused is not None)

    assert snap_compare(app, terminal_size=size, run_before=ready)
