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
    """The rows of one run."""
    options, dropped = reading.options, reading.dropped
    found = attempts(reading.trajectory, reading.scores, strict=options.strict, dropped=dropped)
    if options.form == "trace" and is_for_task(reading.trajectory):
        dropped["for-a-task"] += len(found)
        return
    if options.solved and not any(attempt.score == 1.0 for attempt in found):
        dropped["not-solved"] += len(found)
        return
    kept = _kept(found, reading)
    if options.form == "rounds":
        yield from (_round(reading, attempt) for attempt in kept)
    elif kept:
        yield _trace(reading, kept)


def _kept(found: list[Attempt], reading: Reading) -> list[Attempt]:
    keep = reading.options.keep
    if keep == "all":
        return found
    chosen = best(found)
    kept = improving(found) if keep == "monotone" else [chosen] if chosen else []
    for attempt in found:
        if attempt not in kept:
            reading.dropped["not-scored" if attempt.score is None else f"not-{keep}"] += 1
    return kept


def _round(reading: Reading, attempt: Attempt) -> Candidate:
    said = attempt.call.answered
    row = {
        "prompt": attempt.prompt,
        "reasoning": said.reasoning,
        "reply": said.text,
        **reading.about(attempt),
        "reward": attempt.score,
    }
    return Candidate(row, reading.same(attempt), attempt.score)


def _trace(reading: Reading, kept: Sequence[Attempt]) -> Candidate:
    final = best(kept) or kept[-1]
    parts = [_part(attempt) for attempt in kept]
    row = {
        "prompt": _asked_first(reading, kept),
        "reasoning": "\n\n".join(parts),
        "reply": final.call.answered.text,
        **reading.about(final),
        "reward": final.score,
    }
    return Candidate(row, reading.same(final), final.score)


def _part(attempt: Attempt) -> str:
    said = attempt.call.answered
    return "\n".join(t for t in (f"Round {attempt.round}:", said.reasoning.strip(), said.text.strip()) if t)


def _asked_first(reading: Reading, kept: Sequence[Attempt]) -> list[dict[str, str]]:
    """The request that the run began with: of its first reply, whatever became of that."""
    calls = (p.call for p in reading.trajectory.proposals if p.call is not None)
    first = next(calls, kept[0].call)
    return [{"role": m["role"], "content": m["content"]} for m in first.asked.messages]


SFT = KindOfData(COLUMNS, find, first_of_each, texts_of, itself)
