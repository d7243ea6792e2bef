"""What the Compare screen shows of a comparison: one pair at a time, differences or everything.

Plain data without a terminal; the screen draws what this says.
"""

from __future__ import annotations

from store.compare.comparison import Comparison
from store.compare.pairs import Pair, ProblemPair
from store.compare.parting import Parting
from store.compare.traces import RunPair, StepPair
from store.compare.ways import Flip, PairWays, Ways
from tui.compare.cells import Line, lines, paired_sentence
from tui.compare.charts import Chart, charts
from tui.compare.ways import blame_sentence, parting_sentence
from tui.safe import one_line

_MAIN = ("trials done", "pass rate", "pass rate, 95 %", "mean score")


class CompareState:
    """A comparison and what of it is looked at. `baseline` is the index of the baseline among the sides as
    they were named.
    """

    def __init__(self) -> None:
        self.comparison: Comparison | None = None
        self.baseline = 0
        self.only_differences = True
        self.only_losses = False
        self.ways: Ways | None = None
        self._pair = 0

    def take(self, comparison: Comparison) -> None:
        """Show this comparison from now on."""
        self.comparison, self.ways = comparison, None
        self._pair = min(self._pair, len(comparison.pairs) - 1)

    @property
    def pair(self) -> Pair | None:
        """The pair that is looked at."""
        return self.comparison.pairs[self._pair] if self.comparison else None

    @property
    def runs(self) -> RunPair | None:
        """The traces of that pair, where the sides are runs."""
        return self.comparison.runs[self._pair] if self.comparison and self.comparison.runs else None

    @property
    def parting(self) -> Parting | None:
        """Where those two traces part."""
        return self.comparison.partings[self._pair] if self.comparison and self.comparison.partings else None

    @property
    def pair_ways(self) -> PairWays | None:
        """How the pair worked, once that has been read."""
        return self.ways.pairs[self._pair] if self.ways else None

    def next_pair(self) -> None:
        """Look at the next side against the baseline."""
        if self.comparison is not None:
            self._pair = (self._pair + 1) % len(self.comparison.pairs)

    def lines(self) -> list[Line]:
        """The table of measures."""
        if self.comparison is None:
            return []
        found = list(lines(self.comparison))
        return [one for one in found if not self.only_differences or one.differs or one.title in _MAIN]

    def problems(self) -> list[ProblemPair]:
        """The pair's problems: what differs or all, or only what the baseline did better."""
        one = self.pair
        if one is None:
            return []
        found = one.differing if self.only_differences or self.only_losses else one.problems
        return [p for p in found if not self.only_losses or p.outcome in ("lost", "worse")]

    def steps(self) -> list[StepPair]:
        """The pair's aligned steps."""
        runs = self.runs
        if runs is None:
            return []
        return list(runs.differing if self.only_differences else runs.steps)

    def flips(self) -> list[Flip]:
        """The pair's flips, or only those that got worse."""
        found = self.pair_ways.flips if self.pair_ways else ()
        return [flip for flip in found if not self.only_losses or flip.problem.outcome == "lost"]

    def charts(self) -> list[Chart]:
        """The pictures, once it has been read how the sides worked."""
        return charts(self.comparison, self.ways) if self.comparison and self.ways else []

    def parting_place(self) -> int:
        """The place among `steps` of the step at which the traces part; 0 where none does."""
        parting = self.parting
        if parting is None or parting.step is None:
            return 0
        # Of two executions with different repeats, each stands beside another one here.
        for place, pair in enumerate(self.steps()):
            if any(s is not None and s == of for s, of in zip(pair.steps, parting.step.steps, strict=True)):
                return place
        return 0

    def settings(self) -> list[tuple[str, tuple[str, ...]]]:
        return self.comparison.settings(every=not self.only_differences) if self.comparison else []

    def summary(self) -> str:
        """Who is who, what the paired tests say, and what to mind."""
        if self.comparison is None:
            return ""
        legend = [f"{side.letter}  {one_line(side.title, 160)}" for side in self.comparison.sides]
        tests = [paired_sentence(one) for one in self.comparison.pairs]
        if self.parting is not None:
            tests.append(parting_sentence(self.parting))
        if self.ways is not None:
            tests += [blame_sentence(one) for one in self.ways.pairs]
        mind = [f"! {warning}" for warning in self.comparison.warnings]
        return "\n".join([*legend, "", *tests, *mind])
