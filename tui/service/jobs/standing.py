"""How a job stands now: what it has reported, what its supervisor says, and what follows from both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.jobs.reading import JobRow
    from training.jobs.directory import JobStatus

GOING_ON = ("queued", "starting", "running", "stopping", "unsupervised")
SILENT_S = 300.0  # a running job that has reported nothing for longer may be stuck
# Where steps are slow, it takes the time of several of them.
_SILENT_STEPS = 3


@dataclass(frozen=True)
class JobStanding:
    """A job of the store and the state of its processes. `now` is Unix seconds."""

    row: JobRow
    status: JobStatus
    now: float

    @property
    def state(self) -> str:
        """The state of its processes (`training.jobs.directory.JobStatus.state`)."""
        return self.status.state

    @property
    def is_going_on(self) -> bool:
        """Whether something of it may still be at work."""
        return self.state in GOING_ON

    @property
    def is_resumable(self) -> bool:
        """Whether it ended before it was done."""
        return self.state in ("failed", "stopped", "lost")

    @property
    def seconds_per_step(self) -> float | None:
        """Mean seconds per step of the newest attempt, from its start; None before its first step is done."""
        row = self.row
        if row.step is None or row.begun_step is None or row.begun_at is None or row.heard_at is None:
            return None
        steps_done = row.step - row.begun_step + 1
        return (
            (row.heard_at - row.begun_at) / steps_done
            if steps_done > 0 and row.heard_at > row.begun_at
            else None
        )

    @property
    def eta_s(self) -> float | None:
        """Seconds until the last step is done, at the pace so far; None where that is not known."""
        pace, row = self.seconds_per_step, self.row
        if not self.is_going_on or pace is None or not row.total_steps or row.step is None:
            return None
        since = max(self.now - (row.heard_at or self.now), 0.0)
        return max(pace * (row.total_steps - row.step) - since, 0.0)

    @property
    def heartbeat_s(self) -> float | None:
        """Seconds since it last reported; None once it is over, and before its first report."""
        if not self.is_going_on or self.row.heard_at is None:
            return None
        return max(self.now - self.row.heard_at, 0.0)

    @property
    def trouble(self) -> str:
        """What is wrong with the job as a whole, in one sentence; "" where nothing is."""
        if self.status.link is not None:
            return f"Its host does not answer ({self.status.link}); the job may be well."
        if self.state == "failed":
            return self.row.error or self.status.error or "It failed; its log says more."
        if self.state == "lost":
            return "All of its processes are gone without an end; it can be resumed."
        if self.state == "unsupervised":
            return "Its supervisor is gone, and it goes on; stopping it ends what is left."
        silence = self.heartbeat_s
        limit = max(SILENT_S, _SILENT_STEPS * (self.seconds_per_step or 0.0))
        if self.state == "running" and silence is not None and silence > limit:
            return f"No step for {silence / 60:.0f} minutes."
        return ""
