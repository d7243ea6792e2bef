"""When an experiment starts no further trial: it is paused, its money is spent, the sandbox is gone, or every
trial ends in the same error.
"""

from __future__ import annotations

import asyncio
import re

from engine.events import Event, ModelCallFinished
from engine.experiments.waits import Waits
from engine.models.base import ModelError
from engine.run.ledger import BudgetExceededError
from engine.search import Trial
from sandbox.types import SandboxError

# So many trials in a row without a sandbox are no accident; the others would only fail too.
INFRA_IN_A_ROW = 10
# Where so many trials, from the first on, end in the same error, the set-up is wrong and not the variant.
SAME_AT_FIRST = 5
_VARYING = re.compile(r"\b(?=\w*\d)[\w-]+\b")  # counts, ids and times


class Guard:
    """Watches what trials cost, what they wait for and how they end, and admits further ones.

    `spent_usd` sums the calls whose price is known; `unknown_calls` counts the others.
    """

    def __init__(self, budget_usd: float | None = None) -> None:
        self.budget_usd = budget_usd
        self.spent_usd, self.unknown_calls = 0.0, 0
        self.waits = Waits()
        self._in_a_row = 0
        self._last_failure = ""
        self._first_error: str | None = None
        self._last_error = ""
        self._same, self._differs = 0, False
        self._open = asyncio.Event()
        self._open.set()

    @property
    def paused(self) -> bool:
        """Whether no further trial is admitted until `go_on`."""
        return not self._open.is_set()

    def pause(self) -> None:
        """Admit no further trial; those in progress go on to their end."""
        self._open.clear()

    def go_on(self) -> None:
        """Admit the trials that wait, and further ones."""
        self._open.set()

    async def admit(self) -> None:
        """Wait while paused, then `check`, and raise what it raises."""
        await self._open.wait()
        self.check()

    def resume(self, spent_usd: float, unknown_calls: int) -> None:
        """Begin with what was spent before this session."""
        self.spent_usd, self.unknown_calls = spent_usd, unknown_calls

    def watch(self, event: Event) -> None:
        """Count the cost of a call that ended, and what its run waits for."""
        self.waits.watch(event)
        if not isinstance(event, ModelCallFinished):
            return
        if (charge_usd := event.charge_usd) is None:
            self.unknown_calls += 1
        else:
            self.spent_usd += charge_usd

    def ended(self, trial: Trial, *, candidate: bool = False) -> None:
        """Count a trial's end. The error of a search's `candidate` says nothing about the set-up."""
        if not candidate:
            self._note_error(trial)
        if trial.status == "infra":
            self._in_a_row += 1
            self._last_failure = trial.error or ""
        elif trial.status not in ("cancelled", "interrupted"):
            self._in_a_row = 0

    def _note_error(self, trial: Trial) -> None:
        """Note whether this trial ended in the same error as all before it."""
        if trial.status in ("cancelled", "interrupted", "infra") or self._differs:
            return
        error = trial.error if trial.status == "error" else None
        alike = _VARYING.sub("#", error or "")
        if error is None or self._first_error not in (None, alike):
            self._differs = True
            return
        self._first_error, self._same = alike, self._same + 1
        self._last_error = error

    def all_failed_alike(self, trials: int = SAME_AT_FIRST) -> None:
        """Raises ModelError where all trials so far have ended in the same error, and these are
        `SAME_AT_FIRST`, or all of the experiment's `trials` where it has fewer.
        """
        if not self._differs and self._same >= min(trials, SAME_AT_FIRST) > 0:
            what = f"the first {self._same} trials" if self._same > 1 else "the only trial"
            raise ModelError("refused", f"{what} ended in the same error: {self._last_error}")

    def check(self) -> None:
        """Raises BudgetExceededError where the money is spent, SandboxError where the sandbox is gone, and
        ModelError where all trials end in the same error.
        """
        self.all_failed_alike()
        if self._in_a_row >= INFRA_IN_A_ROW:
            raise SandboxError(
                "container-lost", f"{self._in_a_row} trials in a row had no sandbox: {self._last_failure}"
            )
        if self.budget_usd is not None and self.spent_usd >= self.budget_usd:
            raise BudgetExceededError(
                f"the experiment has spent {self.spent_usd:.4f} USD of its {self.budget_usd:g} USD"
            )
