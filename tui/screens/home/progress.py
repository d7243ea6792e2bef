"""How the variants of an experiment have done so far, as rows with a line each for pass rate and cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui import format as fmt
from tui.safe import one_line
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from store.experiment_progress import ExperimentProgress, Means

POINTS = 32  # cells of a line where the terminal is wide
NARROW_POINTS = 10
PROGRESS_COLUMNS = (
    Column("Variant", "name", least=34),
    Column("Done", "number"),
    Column("Pass", "number"),
    Column("", "number"),  # a line: never cut
    Column("$/trial", "number", rank=1),
    Column("", "number", rank=2),
)
_BARS = "▁▂▃▄▅▆▇█"


def progress_rows(progress: ExperimentProgress, points: int) -> list[TableRow]:
    """The variants for `PROGRESS_COLUMNS`, with lines of at most `points` cells: the means over the trials
    that had ended by then, oldest first. Pass rates are drawn from 0 to 1, costs from 0 to the highest of any
    variant.
    """
    highest = max((m.cost_usd or 0.0 for v in progress.variants for m in v.means), default=0.0)
    cells = min(points, max((len(v.means) for v in progress.variants), default=0))
    return [
        TableRow(
            variant.label,
            (
                (one_line(variant.label, 200), ""),
                (f"{variant.done:,}/{variant.total:,}", "muted"),
                (fmt.score(variant.means[-1].pass_rate if variant.means else None), ""),
                (sparkline([m.pass_rate for m in variant.means], 1.0, cells), "success"),
                (_cost(variant.means), "muted"),
                (sparkline([m.cost_usd for m in variant.means], highest, cells) if highest else "", "accent"),
            ),
        )
        for variant in progress.variants
    ]


def sparkline(values: Sequence[float | None], highest: float, cells: int) -> str:
    """The values as bars between 0 and `highest`, thinned out to `cells` of them, the last one kept; blank
    where a value is not known.
    """
    kept = values
    if len(values) > cells:
        kept = [values[(place + 1) * len(values) // cells - 1] for place in range(cells)]
    return "".join(" " if value is None else _bar(value, highest) for value in kept).ljust(cells)


def _bar(value: float, highest: float) -> str:
    share = value / highest if highest > 0 else 0.0
    return _BARS[round(min(max(share, 0.0), 1.0) * (len(_BARS) - 1))]


def _cost(means: Sequence[Means]) -> str:
    """US dollars per trial; a tilde says that the price of some is not known."""
    if not means or means[-1].cost_usd is None:
        return fmt.UNKNOWN if means else ""
    return ("~" if means[-1].priced < means[-1].trials else "") + fmt.cost(means[-1].cost_usd)
