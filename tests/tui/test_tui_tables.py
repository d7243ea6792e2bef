"""Tables: wide enough to be read, sorted honestly, scrolled sideways, and every cell to be seen whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from tests.tui.pilots import SMALL, WIDE, app_of, record, until
from tests.tui.scripted import RUN_ID, ScriptedWorkbench, failing_run, passing_run
from tui.screens.columns.columns import ColumnsScreen
from tui.screens.columns.whole_row import WholeRowScreen
from tui.widgets.table_layout import Column, common_prefix, fitted, measured, middle, scrolled, sort_key
from tui.widgets.table_view import TableView
from tui.widgets.text_view import TextView

NAME = Column("Problem", "name", least=10)
COLUMNS = (NAME, Column("Why", least=8), Column("Score", "number"), Column("Cost", "number", rank=1))
ROWS = [
    (("humaneval/one-of-many/12", ""), ("expected 3, got 4", ""), ("81 %", ""), ("$0.0123", "")),
    (("humaneval/one-of-many/7", ""), ("timeout", ""), ("–", ""), ("$1.20", "")),
]


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert measured(COLUMNS, ROWS) == [24, 17, 5, 7]
    assert fitted(COLUMNS, [24, 17, 5, 7], range(4), 100).shown == ((0, 24), (1, 17), (2, 5), (3, 7))


@pytest.mark.parametrize("width", [27, 30, 35, 36, 44, 51, 59, 61])
def test_no_width_costs_a_number_or_the_name(width: int) -> None:
    layout = fitted(COLUMNS, measured(COLUMNS, ROWS), range(4), width)
    widths = dict(layout.shown)
    assert sum(widths.values()) + 2 * (len(widths) - 1) <= width
    assert widths[0] >= 10 and widths[2] == 5 and widths.get(3, 7) == 7
    assert layout.left_out == 4 - len(widths)


def test_other_texts_give_way_before_names_do() -> None:
    widths = dict(fitted(COLUMNS, measured(COLUMNS, ROWS), range(4), 52).shown)
    assert widths[0] == 24 and widths[1] < 17


def test_names_are_cut_behind_what_they_share() -> None:
    names = [cells[0][0] for cells in ROWS]
    layout = replace(fitted((NAME,), [24], [0], 12), prefixes={0: common_prefix(names)})
    assert [layout.cut(0, NAME, name, 12) for name in names] == ["…12", "…7"]


@pytest.mark.parametrize(
    ("names", "rest"),
    [
        (["flow,rounds=3", "flow,rounds=5"], "rounds=3"),
        (["abc/b/c", "abc/b/d"], "c"),
        (["a/c", "a/d"], "a/c"),
        (["alpha", "beta"], "alpha"),
        (["same", "same"], "same"),
        (["long-name", "long-name-2"], "name"),
        (["", "x/y"], ""),
    ],
)
def test_what_names_share_ends_at_a_joint(names: list[str], rest: str) -> None:
    assert names[0][common_prefix(names) :] == rest


@pytest.mark.parametrize(
    ("width", "shown"),
    [(20, "pocket/held-out-77-1"), (19, "…held-out-77-1"), (13, "…out-77-1"), (8, "…77-1"), (3, "…1")],
)
def test_names_lose_no_more_of_what_they_share_than_they_must(width: int, shown: str) -> None:
    names = ["pocket/held-out-77-1", "pocket/held-out-77-2"]
    layout = replace(fitted((NAME,), [20], [0], width), prefixes={0: common_prefix(names, width)})
    assert layout.cut(0, NAME, names[0], width) == shown


@pytest.mark.parametrize("text", ["pocket/held-out-8-31", "日本語の問題/12", "abc", ""])
@pytest.mark.parametrize("width", [1, 2, 5, 9, 40])
def test_the_middle_goes_and_the_end_stays(text: str, width: int) -> None:
    cut = middle(text, width)
    assert cell_len(cut) <= width
    assert cut == text or "…" in cut


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("9", "10"),
        ("980", "1.2k"),
        ("$0.5", "$12"),
        ("900ms", "1.1s"),
        ("59s", "2m"),
        ("1:02", "1:00:00"),
        ("−3.2 [−4, −1]", "+0.1"),
        ("9 %", "81.3 %"),
        ("1,999", "20,000"),
        ("99", "–"),
        ("99", ""),
    ],
)
def test_numbers_are_sorted_as_numbers(small: str, large: str) -> None:
    column = Column("", "number")
    assert sort_key(column, small, 0) < sort_key(column, large, 0)


def test_sideways_shows_what_had_no_room_beside_the_names() -> None:
    natural = measured(COLUMNS, ROWS)
    assert [i for i, _ in fitted(COLUMNS, natural, range(4), 30).shown] == [0, 1, 2]
    assert [i for i, _ in scrolled(COLUMNS, natural, range(4), 30, 2).shown] == [0, 3]


async def test_a_table_is_sorted_among_what_is_loaded(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui.screens.runs.runs.PAGE", 3)
    runs = [(failing_run if n == 1 else passing_run)(f"{RUN_ID}{n}", 1.7e9 + n) for n in range(4)]
    await record(store, runs)
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 3)
        while "by Score" not in str(table.border_subtitle):
            await pilot.press("greater_than_sign")
        await until(pilot, lambda: "by Score ▼, among the 3 that are loaded" in str(table.border_subtitle))
        await pilot.press("equals_sign", "g")
        await until(pilot, lambda: table.selected == f"{RUN_ID}1")
        # What is opened and marked is the row that is seen, wherever it came.
        await pilot.press("space")
        await until(pilot, lambda: "1 marked" in str(table.border_subtitle))
        await pilot.press("less_than_sign")
        titles = [column.title for column in table.columns]
        assert f"by {titles[titles.index('Score') - 1]} " in str(table.border_subtitle)


async def test_a_title_sorts_where_it_is_clicked(store: Path) -> None:
    await record(store, [failing_run(), passing_run(f"{RUN_ID}9")])
    app = app_of(ScriptedWorkbench(store))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 2)
        inside = table.content_region.offset - table.region.offset
        text = "".join(piece for piece, _ in table.header(table.scrollable_content_region.width))
        for way in ("▼", "▲"):
            await pilot.click(table, offset=(inside.x + text.index("Score") + 1, inside.y))
            await until(pilot, lambda way=way: f"by Score {way}" in str(table.border_subtitle))


async def test_cells_are_seen_whole_and_columns_chosen_for_good(store: Path) -> None:
    await record(store, [failing_run()])
    workbench = ScriptedWorkbench(store)
    app = app_of(workbench)
    async with app.run_test(size=SMALL) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 1)
        await until(pilot, lambda: "more columns →" in str(table.border_subtitle))
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, WholeRowScreen))
        whole = app.screen.query_one(TextView).plain_text
        assert "Meta-agent  pocket-meta" in whole and "example/median" in whole
        await pilot.press("escape", "right", "right")
        header = "".join(text for text, _ in table.header(76))
        assert "Meta-agent" in header and "Problem" in header
        await pilot.press("left", "left", "C")
        await until(pilot, lambda: isinstance(app.screen, ColumnsScreen))
        await pilot.press("space", "escape")  # the first is Started
        await until(pilot, lambda: app.screen.name == "runs")
    app = app_of(workbench)
    async with app.run_test(size=(240, 30)) as pilot:
        await pilot.press("2")
        table = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: table.count == 1)
        header = "".join(text for text, _ in table.header(230))
        assert "Started" not in header and "Meta-agent" in header
