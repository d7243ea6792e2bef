"""When an experiment starts no further trial: it is paused, its money is spent, the sandbox or a model is
gone, or every trial ends in the same error.
"""

from __future__ import annotations

import asyncio
import re
from typing import NamedTuple

from engine.events import Event, ModelCallFinished, ModelCallStarted, Role
from engine.experiments.waits import Waits
from engine.models.base import OF_THE_CALL, ModelError
from engine.run.ledger import BudgetExceededError
from engine.search import Trial
from sandbox.types import SandboxError

# So many trials in a row without a sandbox or a model are no accident; the others would only fail too.
INFRA_IN_A_ROW = 10
# Where so many trials, from the first on, end in the same error, the set-up is wrong and not the variant.
SAME_AT_FIRST = 5
_VARYING = re.compile(r"\b(?=\w*\d)[\w-]+\b")  # counts, ids and times


class _Model(NamedTuple):
    """A model in a role: one that writes workflows may answer when its calls as a worker all fail."""

    role: Role
    name: str


class Guard:
    """Watches what trials cost, what they wait for and how they end, and admits further ones.

    `spent_usd` sums the calls whose price is known; `unknown_calls` counts the others.
    """

    def __init__(self, budget_usd: float | None = None) -> None:
        self.budget_usd = budget_usd
        self.spent_usd, self.unknown_calls = 0.0, 0
        self.waits = Waits()
        self._in_a_row = 0
        self._last_failure: ModelError | SandboxError | None = None
        self._asked: dict[str, _Model] = {}  # those of the calls in progress, by call
        self._answered: set[_Model] = set()  # those that have answered a call
        self._unanswered: dict[str, _Model] = {}  # those that failed runs in progress, by run
        self._away: _Model | None = None  # the one that failed the last trial without a verdict
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
        """Count the cost of a call that ended, which models answer, and what runs wait for."""
        self.waits.watch(event)
        if isinstance(event, ModelCallStarted):
            self._asked[event.call_id] = _Model(event.role, event.model)
        if not isinstance(event, ModelCallFinished):
            return
        if model := self._asked.pop(event.call_id, None):
            self._note_call(event, model)
        if (charge_usd := event.charge_usd) is None:
            self.unknown_calls += 1
        else:
            self.spent_usd += charge_usd

    def _note_call(self, ended: ModelCallFinished, model: _Model) -> None:
        """Note whether the model answered. One that answers now and then is not gone."""
        if ended.error_kind is not None and ended.error_kind not in OF_THE_CALL:
            self._unanswered[ended.run_id] = model
        elif ended.error is None and "replayed" not in ended.flags:
            self._answered.add(model)
            if model == self._away:
                self._in_a_row = 0

    def ended(self, trial: Trial, *, candidate: bool = False) -> None:
        """Count a trial's end. The error of a search's `candidate` says nothing about the set-up."""
        model = self._unanswered.pop(trial.run_id, None)
        if not candidate:
            self._note_error(trial, model)
        if trial.status == "infra":
            self._in_a_row += 1
            self._away = model
            self._last_failure = _no_verdict(self._in_a_row, trial.error or "", model)
        elif trial.status not in ("cancelled", "interrupted"):
            self._in_a_row = 0

    def _note_error(self, trial: Trial, model: _Model | None) -> None:
        """Note whether this trial ended in the same error as all before it; `model` is the one that failed
        it, if one did.
        """
        lost_sandbox = trial.status == "infra" and model is None
        if trial.status in ("cancelled", "interrupted") or lost_sandbox or self._differs:
            return
        is_error = trial.status == "error" or (trial.status == "infra" and model not in self._answered)
        error = trial.error if is_error else None
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
        ModelError where a model is or all trials end in the same error.
        """
        self.all_failed_alike()
        if self._in_a_row >= INFRA_IN_A_ROW and self._last_failure is not None:
            raise self._last_failure
        if self.budget_usd is not None and self.spent_usd >= self.budget_usd:
            raise BudgetExceededError(
                f"the experiment has spent {self.spent_usd:.4f} USD of its {self.budget_usd:g} USD"
            )


def _no_verdict(in_a_row: int, why: str, model: _Model | None) -> ModelError | SandboxError:
    """What to raise after so many trials in a row without a verdict, the last of them for want of `model`, or
    of a sandbox where that is None.
    """
    if model:
        return ModelError("server", f"{in_a_row} trials in a row had no answer of {model.name}: {why}")
    return SandboxError("container-lost", f"{in_a_row} trials in a row had no sandbox: {why}")
