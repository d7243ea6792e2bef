"""How an experiment under way stands, as plain data: shown here, or sent to whoever asks."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from engine.experiments.tally import VariantState
from engine.json_objects import read_object

# "pausing": no further trial is started, some still run. "ended": see `end`.
Status = Literal["running", "pausing", "paused", "cancelling", "ended"]


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A moment of an experiment. Times are in seconds, money in US dollars of known price.

    `running` counts trials under way (searches and their candidates are not among them), `waits` says what
    all of its runs wait for. Once it has ended, `end` is "done", "incomplete", "budget", "sandbox",
    "cancelled" or "error", and `stopped` says why where it is not the first.
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
        """JSON-ready data, with the pass rates."""
        variants = [asdict(state) | {"pass_rate": state.pass_rate} for state in self.variants]
        return asdict(self) | {"variants": variants, "waits": list(self.waits)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Standing:
        """The inverse of `to_json`. Raises ValueError where it is another version's."""
        return read_object(cls, data, "the experiment's standing")
