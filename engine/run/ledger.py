"""What a run may spend and what it has spent: the host's own count, never the workflow's."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.models.base import Spent
from engine.run.clock import Clock


class BudgetExceededError(Exception):
    """A limit was reached; the message names it and how to raise it."""


@dataclass(frozen=True)
class Budget:
    """Limits of one run; None is unlimited. `wall_s` in seconds of its clock's `own_s`, `cost_usd` in US
    dollars.
    """

    model_calls: int | None = None
    tokens: int | None = None
    cost_usd: float | None = None
    wall_s: float | None = None
    steps: int | None = None


@dataclass
class Ledger:
    """Totals of one run. `cost_usd` turns None, for good, when one call's price is unknown; `known_cost_usd`
    is the sum of the prices that are known, which is what a budget in dollars is held against.
    """

    budget: Budget
    model_calls: int = 0
    steps: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_usd: float | None = 0.0
    known_cost_usd: float = 0.0
    clock: Clock = field(default_factory=Clock)
    # What an earlier attempt at this run paid for: it uses up the budget, and is not spent again.
    _recorded_calls: int = 0
    _recorded: Spent = field(default_factory=Spent)

    @property
    def wall_left_s(self) -> float | None:
        """Seconds left of the budget's wall time, negative once it is over; None is unlimited."""
        return None if self.budget.wall_s is None else self.budget.wall_s - self.clock.own_s

    def admit_step(self) -> None:
        """Count a step about to run. Raises BudgetExceededError where steps or wall time are used up."""
        self._check("steps", self.steps, self.budget.steps)
        self.check_wall()
        self.steps += 1

    def admit_call(self) -> None:
        """Count a model call about to be made. Raises BudgetExceededError where calls, tokens, dollars or
        wall time are used up. Calls in progress are charged when they end, so a run can overshoot by those.
        """
        self._check_calls()
        self.model_calls += 1

    def admit_recorded(self, spent: Spent) -> None:
        """Count a call that an earlier attempt at this run has made and `spent` this on. Raises as
        `admit_call`.
        """
        self._check_calls()
        self._recorded_calls += 1
        self._recorded += Spent(spent.tokens_in, spent.tokens_out, spent.cost_usd or 0.0)

    def charge(self, tokens_in: int, tokens_out: int, cost_usd: float | None) -> None:
        """Add a finished call; a `cost_usd` of None is an unknown price."""
        self.tokens_in += tokens_in
        self.tokens_out += tokens_out
        self.known_cost_usd += cost_usd or 0.0
        self.cost_usd = None if cost_usd is None or self.cost_usd is None else self.cost_usd + cost_usd

    def check_wall(self) -> None:
        """Raises BudgetExceededError when the run's time is up."""
        self._check("wall time", self.clock.own_s, self.budget.wall_s, unit=" s")

    def _check_calls(self) -> None:
        before = self._recorded
        tokens = self.tokens_in + self.tokens_out + before.tokens_in + before.tokens_out
        self._check("model calls", self.model_calls + self._recorded_calls, self.budget.model_calls)
        self._check("tokens", tokens, self.budget.tokens)
        self._check("cost", self.known_cost_usd + (before.cost_usd or 0.0), self.budget.cost_usd, unit=" USD")
        self.check_wall()

    def _check(self, what: str, used: float, limit: float | None, unit: str = "") -> None:
        if limit is not None and used >= limit:
            raise BudgetExceededError(
                f"The run's budget of {limit:g}{unit} for {what} is used up; raise it in the configuration."
            )
