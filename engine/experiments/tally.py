"""Counting trials: how far a variant is and how well it does, both live and from the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.experiments.keys import DONE


class Attempt(NamedTuple):
    """The state of one run of a trial. `score` is in [0, 1], None without a verdict."""

    run_id: str
    status: str
    score: float | None

    @property
    def is_done(self) -> bool:
        """Whether it counts, so that its trial needs no other run."""
        return self.status in DONE

    def supersedes(self, earlier: Attempt | None) -> bool:
        """Whether this attempt is reported in place of an earlier one: it is, unless only the earlier
        one counts.
        """
        return earlier is None or self.is_done or not earlier.is_done


@dataclass(frozen=True, slots=True)
class VariantState:
    """How far a variant is, in trials. `passed` have a score of 1. `score` in [0, 1] is the mean over the
    done trials that had something to score, with errors as 0; None before there is one.

    `errors` (errors and spent budgets) are among the done ones; `infra` are trials still to do whose last
    attempt failed for want of a sandbox or a model. `search` is "searching", "done", "failed", or None where
    there is none.
    """

    label: str
    total: int
    done: int
    passed: int
    score: float | None
    errors: int
    infra: int
    search: str | None

    @property
    def pass_rate(self) -> float | None:
        """Passed over done trials, in [0, 1], with errors in the denominator; None before one is done."""
        return self.passed / self.done if self.done else None


class Tally:
    """The counts of one variant, as its trials end. `scored` had something to score; `score` is their sum."""

    def __init__(
        self,
        label: str,
        total: int,
        done: int = 0,
        passed: int = 0,
        errors: int = 0,
        infra: int = 0,
        scored: int = 0,
        score: float = 0.0,
    ) -> None:
        self.label, self.total = label, total
        self.done, self.passed, self.errors, self.infra = done, passed, errors, infra
        self._scored, self._sum = scored, score

    def add(self, attempt: Attempt, sign: int = 1) -> None:
        """Count an attempt; a `sign` of -1 takes it out again."""
        self.infra += sign * (attempt.status == "infra")
        if not attempt.is_done:
            return
        self.done += sign
        self.passed += sign * (attempt.status == "passed")
        self.errors += sign * (attempt.status in ("error", "budget"))
        if attempt.status != "answered":  # there was nothing to score
            self._scored += sign
            self._sum += sign * (attempt.score or 0.0)

    def state(self, search: str | None = None) -> VariantState:
        """The counts so far, with the state of the variant's search."""
        score = self._sum / self._scored if self._scored else None
        return VariantState(
            self.label, self.total, self.done, self.passed, score, self.errors, self.infra, search
        )
