"""The proposals of a run that may become rows, each with the reply it was written in and its score.

A proposal is left out, and counted, where its row would teach what nobody meant: no model wrote it here, its
reply was cut off, the workflow cannot run, or a budget ended its round before it had a score.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from store.trajectories import Call, Proposal, Trajectory

# Flags of a call whose reply is not what the model would say by itself, with what a report calls it.
_FLAGS = {
    "truncated": "truncated-reply",
    "empty": "empty-reply",
    "only-reasoning": "empty-reply",
    "replayed": "replayed-reply",
}


@dataclass(frozen=True)
class Attempt:
    """A workflow that can run, with the reply it is from. `score` is in [0, 1], None without a verdict."""

    proposal: Proposal
    call: Call
    score: float | None

    @property
    def round(self) -> int:
        """The round that proposed it, from 1."""
        return self.proposal.event.round

    @property
    def prompt(self) -> list[dict[str, str]]:
        """The messages that the reply answers, as they were sent."""
        return [
            {"role": message["role"], "content": message["content"]} for message in self.call.asked.messages
        ]


def is_for_task(trajectory: Trajectory) -> bool:
    """Whether its workflows are for a task: in a search, a trial of one of its candidates, or in RLVR."""
    origin = trajectory.started.origin
    return origin.get("stage") == "search" or (
        "job" in origin and trajectory.started.problem.get("kind") == "open"
    )


def attempts(
    trajectory: Trajectory, scores: Mapping[str, float], *, strict: bool, dropped: Counter[str]
) -> list[Attempt]:
    """The attempts of a run, in order; what is left out is counted in `dropped`.

    The score is the round's on `val`. Those of workflows for a task are in `scores`: the share of its
    problems they solved, by workflow id.
    """
    for_task = is_for_task(trajectory)
    fit: list[Attempt] = []
    for proposal in trajectory.proposals:
        reason = unfit(proposal, for_task=for_task, strict=strict)
        if reason:
            dropped[reason] += 1
            continue
        assert proposal.call is not None  # `unfit` saw to it
        score = scores.get(proposal.event.workflow_id or "") if for_task else proposal.score
        fit.append(Attempt(proposal, proposal.call, score))
    return fit


def unfit(proposal: Proposal, *, for_task: bool, strict: bool) -> str:
    """Why no row is made of a proposal, as a report names it (`report.REASONS`); "" where one is."""
    event, call = proposal.event, proposal.call
    if call is None:
        return "no-reply"
    reason = bad_reply(call)
    if reason:
        return reason
    if not proposal.runs:
        return "cannot-run"
    if not (proposal.ended or for_task):
        return "unfinished-round"
    if not event.repairs and _blankless(event.code) not in _blankless(call.answered.text):
        return "other-reply"
    if strict and not event.strict_ok:
        return "repaired"
    return ""


def _blankless(text: str) -> str:
    """Without blank space, since taking code out of a reply may change its indent."""
    return "".join(text.split())


def bad_reply(call: Call) -> str:
    """Why a reply is not to be learnt from, as a report names it; "" where it may be."""
    if call.answered.error:
        return "failed-call"
    return next((_FLAGS[flag] for flag in call.answered.flags if flag in _FLAGS), "")


def best(candidates: Sequence[Attempt]) -> Attempt | None:
    """The attempt with the highest score, the earliest of equals, as the engine chooses; None without any."""
    scored = [attempt for attempt in candidates if attempt.score is not None]
    return max(scored, key=lambda attempt: attempt.score or 0.0, default=None)


def improving(candidates: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that score higher than all before them; the first that has a score is one."""
    improved: list[Attempt] = []
    for attempt in candidates:
        if attempt.score is not None and (not improved or attempt.score > (improved[-1].score or 0.0)):
            improved.append(attempt)
    return improved
