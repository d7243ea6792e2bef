"""How far an experiment is: counts for each variant, and when it will be done at this pace."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from engine.experiments.keys import TrialKey
from engine.experiments.plan import Plan
from engine.experiments.tally import Attempt, Tally, VariantState


class Progress:
    """The state of an experiment's trials: those recorded before, and those that ended in this session.

    `attempts` are the reported attempts by trial key, `searches` the states of searches by label. `clock`
    gives seconds.
    """

    def __init__(self, plan: Plan, clock: Callable[[], float] = time.monotonic) -> None:
        self._plan, self._clock = plan, clock
        each = len(plan.problems) * plan.repeats
        self._tallies = {label: Tally(label, each) for label in plan.variants}
        self.attempts: dict[str, Attempt] = {}
        self.searches: dict[str, str] = {}
        self.running = 0
        self._started, self._todo, self._ended = clock(), 0, 0

    @property
    def done(self) -> int:
        """How many trials are done."""
        return sum(t.done for t in self._tallies.values())

    @property
    def total(self) -> int:
        """How many trials the plan has."""
        return self._plan.total

    @property
    def elapsed_s(self) -> float:
        """Seconds since the first trial of this session could start."""
        return self._clock() - self._started

    @property
    def eta_s(self) -> float | None:
        """Seconds until this session's trials are done, at the pace so far; None before one has ended."""
        if not self._ended:
            return None
        return (self._todo - self._ended) * (self._clock() - self._started) / self._ended

    def states(self) -> list[VariantState]:
        """The states of the variants, in the plan's order."""
        return [tally.state(self.searches.get(label)) for label, tally in self._tallies.items()]

    def resume(self, attempts: Mapping[str, Attempt]) -> None:
        """Begin with the recorded attempts, by trial key."""
        for key, attempt in attempts.items():
            self._count(TrialKey.parse(key).label, key, attempt)

    def begin(self, todo: int) -> None:
        """Start the clock of a session that is to carry out `todo` trials."""
        self._started, self._todo = self._clock(), todo

    def ended(self, key: TrialKey, attempt: Attempt) -> None:
        """Count a trial whose run has ended."""
        self._ended += 1
        self._count(key.label, str(key), attempt)

    def _count(self, label: str, key: str, attempt: Attempt) -> None:
        before = self.attempts.get(key)
        tally = self._tallies.get(label)
        if tally is None or not attempt.supersedes(before):
            return
        if before is not None:
            tally.add(before, -1)
        tally.add(attempt)
        self.attempts[key] = attempt
