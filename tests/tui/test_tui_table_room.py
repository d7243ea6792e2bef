"""What gives way in a table first: what rows share, then columns that say nothing, and only then names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from textual.app import App, ComposeResult

from tests.tui.pilots import until
from tui.memory import Memory
from tui.trace.marks import Piece
from tui.widgets.table_layout import Column, Layout, measured, readable, scrolled
from tui.widgets.table_view import TableRow, TableView

COLUMNS = (
    Column("", least=1),
    Column("Problem", "name", least=10),
    Column("Variant", "name", least=10),
    Column("Errors", "number"),
    Column("Why", least=10, most=100),
)


def rows(*cells: str) -> list[tuple[Piece, ...]]:
    """Rows of which each is given as its cells, joined by `|`."""
    return [tuple((text, "") for text in row.split("|")) for row in cells]


def laid_out(width: int, given: Sequence[Sequence[Piece]]) -> Layout:
    return readable(COLUMNS, measured(COLUMNS, given), range(len(COLUMNS)), width, given)


def titles(layout: Layout) -> list[str]:
    return [COLUMNS[i].title for i, _ in layout.shown]


def line(layout: Layout, row: Sequence[Piece]) -> list[str]:
    return [layout.cut(i, COLUMNS[i], row[i][0], wide) for i, wide in layout.shown]


def test_where_there_is_room_nothing_gives_way() -> None:
    given = rows("✓|set/one-1|flow||", "✓|set/one-2|flow||")
    layout = laid_out(60, given)
    assert titles(layout) == ["", "Problem", "Variant", "Errors", "Why"] and layout.left_out == 0


def test_the_room_of_what_names_share_goes_to_other_columns() -> None:
    given = rows(
        "✗|set/held-out-77-1|flow,rounds=1|1|wrong value", "✗|set/held-out-77-2|aflow,rounds=5|2|timeout"
    )
    whole = sum(measured(COLUMNS, given)) + 2 * (len(COLUMNS) - 1)
    layout = laid_out(whole - 3, given)
    assert line(layout, given[0]) == ["✗", "…held-out-77-1", "flow,rounds=1", "1", "wrong value"]
    assert sum(wide for _, wide in layout.shown) + 2 * (len(COLUMNS) - 1) <= whole - 3


@pytest.mark.parametrize("blank", ["", "–", " "])
def test_a_blank_column_gives_way_before_a_text_is_cut(blank: str) -> None:
    given = rows(f"✗|one|flow|{blank}|an answer of another kind", f"✗|two|aflow|{blank}|timeout")
    layout = laid_out(48, given)
    assert titles(layout) == ["", "Problem", "Variant", "Why"] and layout.left_out == 1
    assert line(layout, given[0])[-1] == "an answer of another kind"


def test_a_name_that_all_rows_have_gives_way_to_one_that_tells_them_apart() -> None:
    given = rows("✗|a-first-problem|flow,rounds=1|1|x", "✗|the-second-problem|flow,rounds=1|1|x")
    layout = laid_out(40, given)
    assert titles(layout) == ["", "Problem", "Errors", "Why"]
    assert line(layout, given[0])[1] == "a-first-problem"


@pytest.mark.parametrize(
    "given",
    [
        rows("✗|a-first-problem-of-many|flow,rounds=1|1|x"),  # one row: it is the only one to tell
        rows("✗|a-first-problem-of-many|flow,rounds=1|1|x", "✗|the-second-problem|flow,rounds=3|1|x"),
    ],
)
def test_what_tells_rows_apart_is_cut_rather_than_left_out(given: list[tuple[Piece, ...]]) -> None:
    layout = laid_out(36, given)
    assert titles(layout) == ["", "Problem", "Variant", "Errors", "Why"]


def test_a_text_that_is_cut_takes_no_column_that_says_something() -> None:
    given = rows("✗|one|flow|1|" + "long " * 20, "✗|two|flow|1|short")
    assert titles(laid_out(40, given)) == ["", "Problem", "Variant", "Errors", "Why"]


def test_marks_stay_though_nothing_is_marked() -> None:
    given = rows("|a-first-problem|flow,rounds=1|1|x", "|the-second-problem|flow,rounds=3|1|x")
    assert titles(laid_out(32, given))[0] == ""


def test_names_lose_what_they_share_when_scrolled_too() -> None:
    given = rows("✗|set/held-out-77-1|flow|1|x", "✗|set/held-out-77-2|flow|1|y")
    layout = scrolled(COLUMNS, measured(COLUMNS, given), range(len(COLUMNS)), 45, 1, given)
    assert line(layout, given[0])[1] == "…held-out-77-1"


class TableApp(App[None]):
    """A table, and what it remembers its columns in."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.memory = Memory(folder)

    def compose(self) -> ComposeResult:
        yield TableView((Column("Problem", "name", least=20), Column("Cost", "number", rank=1)), id="table")


async def test_the_count_of_columns_left_out_follows_the_size(tmp_path: Path) -> None:
    app = TableApp(tmp_path)
    async with app.run_test(size=(60, 10)) as pilot:
        table = app.query_one(TableView)
        table.show([TableRow("1", (("a-problem-of-twenty-one", ""), ("$1.2345", "")))])
        for width, said in ((60, ""), (24, "1 more column →"), (60, ""), (24, "1 more column →")):
            await pilot.resize_terminal(width, 10)
            await until(pilot, lambda said=said: str(table.border_subtitle or "") == said)
