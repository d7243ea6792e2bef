"""Supervised fine-tuning: what the meta-agent was asked, and what it wrote.

In the form `rounds`, a row is one round: the prompt as the engine sent it, and the reasoning and reply it
got, which is what inference asks for. In the form `trace`, a row is one run, as in Equation 2 of the
FlowReasoner paper, -log P(R, S* | I, q): the first round's prompt (instruction I and query q), the
concatenation R of the rounds' reasoning and replies, then the best round's reply S*. What the meta-agent is
told between the rounds it does not write itself, so it is not in R. No variant of this workbench asks in the
form of a trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from training.data.attempts import Attempt, attempts, best, improving, is_for_task
from training.data.candidates import (
    ABOUT,
    ANSWER,
    PROMPT,
    Candidate,
    KindOfData,
    Reading,
    first_of_each,
    itself,
    texts_of,
)

COLUMNS = {
    **PROMPT,
    **ANSWER,
    **ABOUT,
    "reward": (
        "float64",
        "mean pass rate on `val` in its round, or the share of a task's problems; null where not scored",
    ),
}


def find(reading: Reading) -> Iterator[Candidate]:
    """The rows of one run: its rounds, or its trace (Equation 2 of the FlowReasoner paper)."""
    options, dropped = reading.options, reading.dropped
    candidates = attempts(reading.trajectory, reading.scores, strict=options.strict, dropped=dropped)
    if options.form == "trace" and is_for_task(reading.trajectory):
        dropped["for-a-task"] += len(candidates)
        return
    if options.solved and not any(attempt.score == 1.0 for attempt in candidates):
        dropped["not-solved"] += len(candidates)
        return
    selected = _kept(candidates, reading)
    if options.form == "rounds":
        yield from (_round(reading, attempt) for attempt in selected)
    elif selected:
        yield _trace(reading, selected)


def _kept(candidates: list[Attempt], reading: Reading) -> list[Attempt]:
    keep = reading.options.keep
    if keep == "all":
        return candidates
    chosen = best(candidates)
    selected = improving(candidates) if keep == "monotone" else [chosen] if chosen else []
    for attempt in candidates:
        if attempt not in selected:
            reading.dropped["not-scored" if attempt.score is None else f"not-{keep}"] += 1
    return selected


def _round(reading: Reading, attempt: Attempt) -> Candidate:
    answer = attempt.call.answered
    row = {
        "prompt": attempt.prompt,
        "reasoning": answer.reasoning,
        "reply": answer.text,
        **reading.about(attempt),
        "reward": attempt.score,
    }
    return Candidate(row, reading.same(attempt), attempt.score)


def _trace(reading: Reading, selected: Sequence[Attempt]) -> Candidate:
    final = best(selected) or selected[-1]
    parts = [_part(attempt) for attempt in selected]
    row = {
        "prompt": _asked_first(reading, selected),
        "reasoning": "\n\n".join(parts),
        "reply": final.call.answered.text,
        **reading.about(final),
        "reward": final.score,
    }
    return Candidate(row, reading.same(final), final.score)


def _part(attempt: Attempt) -> str:
    answer = attempt.call.answered
    return "\n".join(
        part for part in (f"Round {attempt.round}:", answer.reasoning.strip(), answer.text.strip()) if part
    )


def _asked_first(reading: Reading, selected: Sequence[Attempt]) -> list[dict[str, str]]:
    """The request that the run began with: of its first reply, whatever became of that."""
    calls = (proposal.call for proposal in reading.trajectory.proposals if proposal.call is not None)
    first = next(calls, selected[0].call)
    return [{"role": message["role"], "content": message["content"]} for message in first.asked.messages]


SFT = KindOfData(COLUMNS, find, first_of_each, texts_of, itself)
