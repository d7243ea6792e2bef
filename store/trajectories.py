"""A run as training sees it: what the meta-agent was asked, what it wrote, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from engine.events import (
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RoundFinished,
    RunFinished,
    RunStarted,
    WorkflowProposed,
)

# What a trajectory is made of; of model calls, those of the meta-agent.
KINDS = tuple(
    cls.kind
    for cls in (
        RunStarted,
        ModelCallStarted,
        ModelCallFinished,
        WorkflowProposed,
        RoundFinished,
        RunFinished,
    )
)


@dataclass(frozen=True)
class Call:
    """One reply of the meta-agent, and what it is the reply to."""

    asked: ModelCallStarted
    answered: ModelCallFinished


@dataclass
class Proposal:
    """One proposed workflow; `call` is None where no model wrote it, as where it was found before.

    `score` is the mean pass rate on `val` of the round, in [0, 1], where this is the workflow that it ran;
    `feedback` what was said of the round; `ended` whether the round came to its end.
    """

    event: WorkflowProposed
    call: Call | None
    score: float | None = None
    feedback: str = ""
    ended: bool = False

    @property
    def runs(self) -> bool:
        """Whether it can run at all."""
        return self.event.workflow_id is not None


@dataclass
class Trajectory:
    """One run. `unused` is the last reply that no proposal was made of."""

    started: RunStarted
    proposals: list[Proposal] = field(default_factory=list)
    ended: RunFinished | None = None
    unused: Call | None = None


def trajectory_of(events: Iterable[Event]) -> Trajectory | None:
    """The trajectory of one run, from its events in order; None where they do not begin with its start."""
    trajectory: Trajectory | None = None
    asked: dict[str, ModelCallStarted] = {}
    calls: list[Call] = []  # of which no proposal was made
    newest: Call | None = None  # of those since the last proposal
    for event in events:
        if isinstance(event, RunStarted):
            trajectory = Trajectory(event)
        elif isinstance(event, ModelCallStarted) and event.role == "meta":
            asked[event.call_id] = event
        elif isinstance(event, ModelCallFinished) and (call := asked.pop(event.call_id, None)):
            newest = Call(call, event)
            calls.append(newest)
        elif trajectory is None:
            continue
        elif isinstance(event, WorkflowProposed):
            written_in = _written_in(event, calls) or newest
            trajectory.proposals.append(Proposal(event, written_in))
            calls = [call for call in calls if call is not written_in]
            newest = None
        elif isinstance(event, RoundFinished):
            _close(trajectory.proposals, event)
        elif isinstance(event, RunFinished):
            trajectory.ended = event
    if trajectory is not None:
        trajectory.unused = newest
    return trajectory


def _written_in(event: WorkflowProposed, calls: list[Call]) -> Call | None:
    """The reply that holds the workflow, None where its text does not say, as after a repair.

    A search asks for several at once, so that it need not be the newest.
    """
    code = event.code.strip()
    return next((c for c in reversed(calls) if code and code in c.answered.text), None)


def _close(proposals: list[Proposal], event: RoundFinished) -> None:
    """A round's score is of the workflow it ran, which is the last that it proposed."""
    last = next((p for p in reversed(proposals) if p.event.round == event.round), None)
    if last is None:
        return
    last.feedback = event.feedback
    if last.event.workflow_id == event.workflow_id:
        last.score = event.score
    for proposal in proposals:
        if proposal.event.round == event.round:
            proposal.ended = True
