"""When an experiment starts nothing more: it is paused, its money is spent, or the sandbox is away."""

from __future__ import annotations

import asyncio

from engine.events import Event, ModelCallFinished
from engine.experiments.waits import Waits
from engine.run.ledger import BudgetExceededError
from engine.search import Trial
from sandbox.types import SandboxError

# So many trials in a row without a sandbox are no accident: going on would only fail the others too.
INFRA_IN_A_ROW = 10


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
        if not isinstance(event, ModelCallFinished) or event.error is not None:
            return
        if event.cost_usd is None:
            self.unknown_calls += 1
        else:
            self.spent_usd += event.cost_usd

    def ended(self, trial: Trial) -> None:
        """Count a trial's end."""
        if trial.status == "infra":
            self._in_a_row += 1
            self._last_failure = trial.error or ""
        elif trial.status not in ("cancelled", "interrupted"):
            self._in_a_row = 0

    def check(self) -> None:
        """Raises BudgetExceededError and SandboxError where no further trial may start."""
        if self._in_a_row >= INFRA_IN_A_ROW:
            raise SandboxError(
                "container-lost", f"{self._in_a_row} trials in a row had no sandbox: {self._last_failure}"
            )
        if self.budget_usd is not None and self.spent_usd >= self.budget_usd:
            raise BudgetExceededError(
                f"the experiment has spent {self.spent_usd:.4f} USD of its {self.budget_usd:g} USD"
            )
