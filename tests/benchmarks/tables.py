"""A table of many rows, against Textual's DataTable: `python -m tests.benchmarks.tables [--rows 10000]`.

Prints milliseconds of processor time: the median for new rows until they are drawn, the mean of a move of
the cursor.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import DataTable

from tests.tui.pilots import WIDE
from tui.run_rows import RUN_COLUMNS
from tui.widgets.table_view import TableRow, TableView

TIMES = 5
MOVES = ["pagedown"] * 20 + ["down"] * 20


class NoMemory:
    """No columns were put away."""

    def get(self, name: str) -> None:
        return None


class Tables(App[None]):
    """One table on the screen."""

    memory = NoMemory()

    def __init__(self, table: Widget) -> None:
        super().__init__()
        self._shown = table

    def compose(self) -> ComposeResult:
        yield self._shown


def cells(rows: int, time: int) -> list[list[str]]:
    """The rows at the n-th `time`."""
    return [[f"{time} {row} {column}" for column in range(len(RUN_COLUMNS))] for row in range(rows)]


def fill_ours(table: TableView, found: list[list[str]]) -> None:
    table.show([TableRow(row[0], tuple((cell, "muted") for cell in row)) for row in found])
    table.refresh()


def fill_peer(table: DataTable[str], found: list[list[str]]) -> None:
    if not table.columns:
        table.add_columns(*(column.title or str(n) for n, column in enumerate(RUN_COLUMNS)))
    table.clear()
    table.add_rows(found)


async def cpu_ms(action: Callable[[], Awaitable[Any]]) -> float:
    begun = time.process_time()
    await action()
    return (time.process_time() - begun) * 1e3


async def measure(table: Any, fill: Callable[[Any, list[list[str]]], None], rows: int) -> tuple[float, float]:
    """Milliseconds until new rows are drawn, and for a move."""
    async with Tables(table).run_test(size=WIDE) as pilot:
        table.focus()

        async def drawn(found: list[list[str]], pilot: Pilot[None] = pilot) -> None:
            fill(table, found)
            await pilot.pause()

        found = [cells(rows, n) for n in range(TIMES)]
        filled = [await cpu_ms(lambda one=one: drawn(one)) for one in found]
        return statistics.median(filled), await cpu_ms(lambda: pilot.press(*MOVES)) / len(MOVES)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    rows: int = parser.parse_args().rows
    ours = await measure(TableView(RUN_COLUMNS, id="ours"), fill_ours, rows)
    peer = await measure(DataTable[str](), fill_peer, rows)
    print(f"{rows:,} rows {'ours':>13}{'DataTable':>11}{'ratio':>7}")
    for name, a, b in zip(("new rows, drawn", "a move"), ours, peer, strict=True):
        print(f"{name:16}{a:9.1f}{b:11.1f}{a / b:7.2f}")


if __name__ == "__main__":
    asyncio.run(main())
