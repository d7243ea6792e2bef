"""When an experiment starts nothing more: it is paused, its money is spent, the sandbox is away, or all it
tries ends in the same error.
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

# So many trials in a row without a sandbox are no accident: going on would only fail the others too.
INFRA_IN_A_ROW = 10
# So many first trials that all end in the same error tell of a set-up that is wrong, not of a variant.
SAME_AT_FIRST = 5
_VARYING = re.compile(r"\b(?=\w*\d)[\w-]+\b")  # counts, ids and times


class Guard:
    """Watches what trials cost, what they wait for and how they end, and admits further ones.

    `spent_usd` is of known prices, call by call.
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
        return not self._open.is_set()

    def pause(self) -> None:
        """Admit nothing more; what runs is left to end."""
        self._open.clear()

    def go_on(self) -> None:
        """Admit again what waits."""
        self._open.set()

    async def admit(self) -> None:
        """Wait while paused, then `check`."""
        await self._open.wait()
        self.check()

    def resume(self, spent_usd: float, unknown_calls: int) -> None:
        """Begin with what was spent before."""
        self.spent_usd, self.unknown_calls = spent_usd, unknown_calls

    def watch(self, event: Event) -> None:
        """Count a call's cost as soon as it is known."""
        self.waits.watch(event)
        if not isinstance(event, ModelCallFinished):
            return
        if event.error is not None and not (event.tokens_in or event.tokens_out):
            return  # no part of an answer came
        if event.cost_usd is None:
            self.unknown_calls += 1
        else:
            self.spent_usd += event.cost_usd

    def ended(self, trial: Trial, *, candidate: bool = False) -> None:
        """Count a trial's end. That of a search's `candidate` says nothing of the set-up."""
        if not candidate:
            self._note_error(trial)
        if trial.status == "infra":
            self._in_a_row += 1
            self._last_failure = trial.error or ""
        elif trial.status not in ("cancelled", "interrupted"):
            self._in_a_row = 0

    def _note_error(self, trial: Trial) -> None:
        """Whether this trial ended as all before it did."""
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
        """Raises ModelError where `trials` have ended, or `SAME_AT_FIRST`, and all in the same error."""
        if not self._differs and self._same >= min(trials, SAME_AT_FIRST) > 0:
            what = f"the first {self._same} trials" if self._same > 1 else "the only trial"
            raise ModelError("refused", f"{what} ended in the same error: {self._last_error}")

    def check(self) -> None:
        """Raises BudgetExceededError, SandboxError and ModelError where no further trial may start."""
        self.all_failed_alike()
        if self._in_a_row >= INFRA_IN_A_ROW:
            raise SandboxError(
                "container-lost", f"{self._in_a_row} trials in a row had no sandbox: {self._last_failure}"
            )
        if self.budget_usd is not None and self.spent_usd >= self.budget_usd:
            raise BudgetExceededError(
                f"the experiment has spent {self.spent_usd:.4f} USD of its {self.budget_usd:g} USD"
            )
