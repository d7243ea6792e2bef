"""Repair: a proposal that cannot run and what is wrong with it, and a proposal that ran.

Where the engine's repair turn mended it, the row is that turn as it was. Else the same request is made up
from the record, and answered by the next proposal of the run that can run; where the run has none, as where a
person picked it from the failures, by the best one on the same problem in the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import takewhile
from typing import cast

from engine.diagnostics import Diagnostic
from engine.models.base import Message
from engine.prompts import repair_messages
from engine.variants.proposal import diagnosis_of
from store.trajectories import Call, Proposal, Trajectory
from training.data.attempts import Attempt, attempts, bad_reply, best
from training.data.candidates import (
    ABOUT,
    ANSWER,
    PROMPT,
    Candidate,
    KindOfData,
    Reading,
    first_of_each,
    itself,
    key,
    texts_of,
)

COLUMNS = {
    **PROMPT,
    **ANSWER,
    **ABOUT,
    "mended_by": ("string", "turn: the engine's repair turn; later: the same run; other: another run"),
    "mending_run": ("string", "the run of the reply"),
    "reward": ("float64", "mean pass rate on `val` of the workflow that ran, null where not scored"),
}


def find(reading: Reading) -> Iterator[Candidate]:
    """The rows of one run: one for each proposal that cannot run and that something mends."""
    own = reading.trajectory
    ran = attempts(own, reading.scores, strict=reading.options.strict, dropped=Counter())
    elsewhere = cache(lambda: _elsewhere(reading))
    for place, proposal in enumerate(own.proposals):
        if proposal.runs or proposal.call is None:
            continue
        if not proposal.call.answered.text.strip() or bad_reply(proposal.call):
            reading.dropped["nothing-to-mend"] += 1
            continue
        later = {id(other) for other in own.proposals[place + 1 :]}
        mended = next((attempt for attempt in ran if id(attempt.proposal) in later), None)
        if mended is not None:
            how = "turn" if _is_turn(mended, proposal.call) else "later"
            yield _candidate(reading, proposal, proposal.call, mended, own, how)
        elif (mending := elsewhere()) is not None:
            yield _candidate(reading, proposal, proposal.call, *mending, "other")
        else:
            reading.dropped["never-mended"] += 1


def _is_turn(mended: Attempt, rejected: Call) -> bool:
    """Whether the reply was asked for as a repair of the rejected one."""
    messages = mended.call.asked.messages
    return len(messages) > 2 and messages[-2]["content"] == rejected.answered.text


def _elsewhere(reading: Reading) -> tuple[Attempt, Trajectory] | None:
    """The best workflow on the same problem with the same operators, and its run."""
    operators = reading.trajectory.started.config.get("operators")
    for other in reading.others():
        if other.started.config.get("operators") != operators:
            continue
        fit = attempts(other, {}, strict=reading.options.strict, dropped=Counter())
        if fit:
            return best(fit) or fit[0], other
    return None


def _candidate(
    reading: Reading, rejected: Proposal, call: Call, mended: Attempt, mending: Trajectory, how: str
) -> Candidate:
    answer = mended.call.answered
    row = {
        "prompt": mended.prompt if how == "turn" else _request(rejected, call),
        "reasoning": answer.reasoning,
        "reply": answer.text,
        **reading.about(mended),
        "round": rejected.event.round,
        "meta_agent": mending.started.meta_agent,
        "mended_by": how,
        "mending_run": mending.started.run_id,
        "reward": mended.score,
    }
    return Candidate(row, reading.same(mended, key(rejected.event.code)), mended.score)


def _request(rejected: Proposal, call: Call) -> list[dict[str, str]]:
    """What the engine would have asked. A repair that was rejected too answers what was asked first."""
    first = takewhile(lambda message: message["role"] != "assistant", call.asked.messages)
    messages = cast(
        list[Message], [{"role": message["role"], "content": message["content"]} for message in first]
    )
    diagnostics = [Diagnostic(**diagnostic) for diagnostic in rejected.event.diagnostics]
    request = repair_messages(messages, call.answered.text, diagnosis_of(diagnostics))
    return [{"role": message["role"], "content": message["content"]} for message in request]


REPAIR = KindOfData(
    COLUMNS, find, first_of_each, texts_of, itself, nothing="no proposal in them was rejected and mended"
)
