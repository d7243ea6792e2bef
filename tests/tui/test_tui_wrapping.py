"""Long lines: on several rows below their own beginning, or cut with an ellipsis where rows are lines."""

from __future__ import annotations

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from tui.trace.matches import Query
from tui.widgets.text_view import TextView

WIDTH = 40  # of the text: the screen's less a border, padding, and a column for the scroll bar


class TextApp(App[None]):
    def __init__(self, *, numbers: bool = False) -> None:
        super().__init__()
        self.view = TextView(id="text", language="python" if numbers else "", numbers=numbers)

    def compose(self) -> ComposeResult:
        yield self.view

    def rows(self) -> list[str]:
        return [self.view.render_line(y).text.rstrip() for y in range(self.view.virtual_size.height)]


async def shown(pilot: Pilot[None], text: str) -> list[str]:
    app = pilot.app
    assert isinstance(app, TextApp)
    app.view.show(text)
    await pilot.pause()
    return app.rows()


async def test_further_rows_begin_below_the_lines_own_beginning() -> None:
    async with TextApp().run_test(size=(WIDTH + 5, 20)) as pilot:
        words = "some words that do not fit on one row of this text"
        for opening, indent in (
            ("", 0),
            ("    ", 4),
            ("- ", 2),
            ("   3 ", 5),
            ("▶  11     ", 10),
            ("+   ", 4),
            ("12 ", 0),  # a number that a sentence begins with is no line's number
        ):
            rows = await shown(pilot, f"{opening}{words}")
            assert len(rows) == 2 and rows[0].startswith(f"{opening}some words")
            assert len(rows[1]) - len(rows[1].lstrip()) == indent
            assert " ".join(f"{rows[0][len(opening) :]} {rows[1]}".split()) == words


@pytest.mark.parametrize("text", ["x" * 100, " " * 30 + "deep " * 10, " " * 100 + "x", "    日本語の" * 12])
async def test_no_character_is_lost_and_no_row_is_too_wide(text: str) -> None:
    from rich.cells import cell_len

    async with TextApp().run_test(size=(WIDTH + 5, 20)) as pilot:
        rows = await shown(pilot, text)
        assert "".join("".join(rows).split()) == "".join(text.split())
        assert all(cell_len(row) <= WIDTH for row in rows)


async def test_a_match_is_found_across_the_ends_of_indented_rows() -> None:
    app = TextApp()
    async with app.run_test(size=(WIDTH + 5, 20)) as pilot:
        await shown(pilot, "        the first part of it, needle" + "x" * 20 + " and more")
        app.view.find(Query("needle" + "x" * 20))
        assert app.view.hits == 1
        marked = [
            (app.view._rows[y].text[a:b]) for y, spans in app.view._hit_spans.items() for a, b, _ in spans
        ]
        assert "".join(marked) == "needle" + "x" * 20


async def test_code_that_goes_on_beyond_the_edge_says_so() -> None:
    app = TextApp(numbers=True)
    async with app.run_test(size=(30, 8)) as pilot:
        rows = await shown(pilot, "short = 1\nlonger = call(argument, another)\n")
        assert rows[0].endswith("short = 1") and rows[1].endswith("…") and len(rows[1]) == 26
        await pilot.resize_terminal(60, 8)
        assert app.rows()[1].endswith("another)")
