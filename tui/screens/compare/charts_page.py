"""The page of a comparison with its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual.app import ComposeResult
from textual.containers import ScrollableContainer

from tui.widgets.chart_plot import BarChart, ChartPlot

if TYPE_CHECKING:
    from tui.compare.charts import Chart

KEYS = ("accuracy-cost", "rounds", "operators", "scores")
BARS = ("operators", "scores")


class ChartsPage(ScrollableContainer):
    """Two by two where there is room, else under each other. What there is nothing for is left out."""

    def compose(self) -> ComposeResult:
        for key in KEYS:
            yield (BarChart if key in BARS else ChartPlot)(id=f"chart-{key}")

    def show(self, charts: Sequence[Chart]) -> None:
        """Draw these; none while they are still to be read."""
        by_key = {chart.key: chart for chart in charts}
        shown = [key for key in KEYS if key in by_key]
        for key in KEYS:
            view = self.query_one(f"#chart-{key}")
            assert isinstance(view, BarChart | ChartPlot)
            view.show(by_key.get(key))
            # Of three, the last has the room of two.
            view.set_class(len(shown) == 3 and key == shown[-1], "-last")
        self.set_class(len(shown) < 3, "-few")
