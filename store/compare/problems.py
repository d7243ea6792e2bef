"""A side's done trials by problem, in columns: what is paired, and what repeats are averaged over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import count, pairwise, repeat
from typing import TYPE_CHECKING

from store.trial_columns import TrialColumns, joined

if TYPE_CHECKING:
    import numpy as np

    from store.compare.sides import Side

Key = tuple[str, str]  # benchmark and problem


@dataclass(frozen=True, eq=False)
class ByProblem:
    """Trials, those of a problem behind each other, and where the ones of each problem in `keys` begin.

    Problems are in the order of their first trial, and so are the trials of each.
    """

    keys: list[Key]
    starts: np.ndarray
    trials: TrialColumns

    @cached_property
    def sizes(self) -> np.ndarray:
        """How many trials each problem has, at least one."""
        import numpy as np

        return np.diff(self.starts, append=len(self.trials))

    def count(self, which: np.ndarray) -> np.ndarray:
        """How many of each problem's trials are among `which`, a truth value for each trial."""
        import numpy as np

        return np.add.reduceat(which.astype(int), self.starts) if self.keys else np.zeros(0, int)

    def first(self, which: np.ndarray) -> np.ndarray:
        """The place of each problem's first trial that is among `which`; without one, of its first."""
        import numpy as np

        if not self.keys:
            return self.starts
        nowhere = len(self.trials)
        places = np.minimum.reduceat(np.where(which, np.arange(nowhere), nowhere), self.starts)
        return np.where(places < nowhere, places, self.starts)

    def means(self, values: np.ndarray) -> np.ndarray:
        """The mean of each problem's values, of which there is one a trial. NaN is left out, and is the mean
        where all are. Means are rounded once, so that the same values have the same one in any order.
        """
        import numpy as np

        if len(self.keys) == len(self.trials):  # one trial each, by far the most comparisons
            return values
        known = ~np.isnan(values)
        kept, ends = values[known].tolist(), np.cumsum(self.count(known)).tolist()
        means = [math.fsum(kept[a:b]) / (b - a) if b > a else math.nan for a, b in pairwise([0, *ends])]
        return np.array(means)


def by_problem(side: Side) -> ByProblem:
    """The side's done trials; problems of different benchmarks are different ones, whatever their ids."""
    import numpy as np

    keys: dict[Key, int] = {}
    parts: list[TrialColumns] = []
    codes: list[np.ndarray] = []
    for part in side.parts:
        trials = part.trials.take(part.trials.is_done.nonzero()[0])
        known, first = np.unique(trials.problem, return_index=True)
        places = known[np.argsort(first)]
        code = np.zeros(len(trials.problems), int)
        named = list(zip(repeat(part.benchmark), map(trials.problems.__getitem__, places.tolist())))
        keys.update(zip([key for key in named if key not in keys], count(len(keys))))
        code[places] = list(map(keys.__getitem__, named))
        parts.append(trials)
        codes.append(code[trials.problem])
    of_all = np.concatenate(codes)
    sizes = np.bincount(of_all, minlength=len(keys))
    order = np.argsort(of_all, kind="stable")
    return ByProblem(list(keys), np.cumsum(sizes) - sizes, joined(parts).take(order))
