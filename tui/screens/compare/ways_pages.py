"""The pages of a comparison about ways of working: where time and money went, and what turned verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from tui.compare.ways import blame_sentence, ending_lines
from tui.format import plural
from tui.screens.compare import rows
from tui.widgets.both_sides import BothSides
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableView

if TYPE_CHECKING:
    from store.compare.parting import Parting
    from store.compare.ways import Flip, PairWays, Ways

READING = "Reading how they worked …"


class OperatorsPage(Vertical):
    """What each operator took on every side, and which way of working became which."""

    def compose(self) -> ComposeResult:
        yield TableView((Column(""),), id="operators", empty=READING)
        yield TableView((Column(""),), id="shifts", empty=READING)

    def show(self, ways: Ways | None, pair: PairWays | None) -> None:
        """Show what has been read of a pair; None where that is still to come."""
        operators, shifts = (self.query_one(f"#{id}", TableView) for id in ("operators", "shifts"))
        operators.border_title, shifts.border_title = "Operators per trial", "Ways of working"
        if ways is None or pair is None:
            for table in (operators, shifts):
                table.empty = READING
                table.show([])
            return
        sides = [place for place in range(len(ways.trials)) if "ABCD"[place] in (pair.baseline, pair.other)]
        operators.columns = rows.operator_columns((pair.baseline, pair.other))
        operators.empty = "No step and no model call was recorded."
        called = [one for one in ways.operators if any(one.sides[side] for side in sides)]
        operators.show([rows.operator_row(one, ways, sides) for one in called])
        trials = [f"{'ABCD'[side]} {plural(ways.trials[side], 'trial')}" for side in sides]
        operators.tell(", ".join(trials))
        shifts.border_title = f"Ways of working, {pair.other} against {pair.baseline}"
        shifts.columns = rows.shift_columns(pair)
        shifts.empty = "No problem has a result on both."
        shifts.show([rows.shift_row(one) for one in pair.shifts])
        for table in (operators, shifts):
            table.refresh()


class FlipsPage(Vertical):
    """The problems that only one side passed, what turned each, and both answers of the one selected."""

    def compose(self) -> ComposeResult:
        yield TableView((Column(""),), id="flips", empty=READING)
        yield BothSides(id="flip", language="python", empty="No answer.")

    def on_mount(self) -> None:
        self._flips: list[Flip] = []
        self._letters = ("A", "B")

    @property
    def selected(self) -> Flip | None:
        """The flip under the cursor."""
        place = self.query_one("#flips", TableView).selected_place
        return self._flips[place] if 0 <= place < len(self._flips) else None

    def show(self, pair: PairWays | None, flips: Sequence[Flip]) -> None:
        """Show these flips of a pair; None where they are still to be read."""
        table = self.query_one("#flips", TableView)
        self._flips = list(flips)
        table.border_title = "Flips"
        if pair is None:
            table.empty = READING
            table.show([])
        else:
            self._letters = (pair.baseline, pair.other)
            table.border_title = f"Flips, {pair.other} against {pair.baseline}"
            table.columns = rows.flip_columns(pair)
            table.empty = "No problem flipped."
            table.show([rows.flip_row(flip) for flip in flips])
            is_part = pair.flipped > len(pair.flips)
            first = f"the first {len(pair.flips)} of {pair.flipped:,}" if is_part else ""
            table.tell(first or blame_sentence(pair).partition(": ")[2], part=is_part)
        table.refresh()
        self._moved()

    @on(LineList.Highlighted, "#flips")
    def _moved(self) -> None:
        both = self.query_one("#flip", BothSides)
        if (flip := self.selected) is None:
            both.clear(self._letters)
        else:
            show_answers(both, flip.parting, self._letters)


def show_answers(both: BothSides, parting: Parting, letters: tuple[str, str]) -> None:
    """Both answers, and over each how it ended."""
    first, second = parting.endings
    titles = (f"Answer of {letters[0]}", f"Answer of {letters[1]}")
    about = ("\n".join(ending_lines(first)), "\n".join(ending_lines(second)))
    both.show(titles, ((first.answer or "").strip("\n"), (second.answer or "").strip("\n")), about)
