"""The state of an experiment in progress, as plain data that is shown here or sent to another process."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.experiments.tally import VariantState
from engine.json_objects import read_object

# "pausing": no further trial is started, but some are in progress. "ended": `end` says how.
Status = Literal["running", "pausing", "paused", "cancelling", "ended"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The state of an experiment at one moment.

    `done`, `total` and `running` count trials; those of searches and their candidates are not among the
    running ones. `spent_usd` sums the calls of known price, `unknown_calls` counts the others. `waits` says
    what all of its runs wait for, `failures` by label why a search failed. Once it has ended, `end` is
    "done", "incomplete", "budget", "sandbox", "cancelled" or "error", and `stopped` says why no further trial
    was started.
    """

    experiment: str
    benchmark: str
    status: Status
    done: int
    total: int
    running: int
    concurrency: int
    elapsed_s: float
    eta_s: float | None
    spent_usd: float
    unknown_calls: int
    budget_usd: float | None
    variants: tuple[VariantState, ...]
    waits: tuple[str, ...] = ()
    failures: dict[str, str]
    end: str = ""
    stopped: str = ""

    def to_json(self) -> dict[str, Any]:
        """All fields by name, and for each variant its `pass_rate` as well."""
        variants = [asdict(state) | {"pass_rate": state.pass_rate} for state in self.variants]
        return asdict(self) | {"variants": variants, "waits": list(self.waits)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Standing:
        """The inverse of `to_json`. Raises ValueError where `data` is of another version."""
        return read_object(cls, data, "the experiment's standing")
