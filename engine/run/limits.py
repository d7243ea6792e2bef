"""What one execution of a workflow may use, besides the budget of its run."""

from __future__ import annotations

from dataclasses import dataclass

from engine.run.ledger import Ledger


class ExecutionLimitError(Exception):
    """An execution reached a limit of its own; the message names it. It ends the execution, not its run."""


@dataclass(frozen=True)
class ExecutionLimits:
    """Limits of one execution of a workflow; None is unlimited. `seconds` are the run's own, as
    `engine.run.clock.Clock` counts them; `calls` are those of the worker, `tokens` what these read and write.

    An execution that reaches one ends as "timeout" without an answer, which scores 0; its run goes on.
    """

    seconds: float | None = None
    steps: int | None = None
    calls: int | None = None
    tokens: int | None = None


class Allowance:
    """What one execution has used of its limits."""

    def __init__(self, limits: ExecutionLimits, ledger: Ledger) -> None:
        self._limits, self._ledger = limits, ledger
        self._started = ledger.clock.own_s
        self._steps = self._calls = self._tokens = 0

    @property
    def seconds_left(self) -> float | None:
        """Seconds left of them, negative once the time is up; None is unlimited."""
        limit = self._limits.seconds
        return None if limit is None else limit - (self._ledger.clock.own_s - self._started)

    def admit_step(self) -> None:
        """Count a step about to run. Raises ExecutionLimitError where the execution may take no more."""
        self._check("steps", self._steps, self._limits.steps)
        self._steps += 1

    def admit_call(self) -> None:
        """Count a model call about to be made. Raises ExecutionLimitError where calls or tokens are used
        up.
        """
        self._check("model calls", self._calls, self._limits.calls)
        self._check("tokens", self._tokens, self._limits.tokens)
        self._calls += 1

    def charge(self, tokens: int) -> None:
        """Add a finished call's tokens, those read and those written."""
        self._tokens += tokens

    def check_seconds(self) -> None:
        """Raises ExecutionLimitError when the execution's time is up."""
        left = self.seconds_left
        if left is not None and left <= 0:
            self._spent(f"{self._limits.seconds:g} s")

    def _check(self, what: str, used: int, limit: int | None) -> None:
        if limit is not None and used >= limit:
            self._spent(f"{limit} {what}")

    def _spent(self, limit: str) -> None:
        raise ExecutionLimitError(f"the execution reached its limit of {limit}")
