"""W4S, weak for strong (Nie et al. 2025, arXiv 2504.04785): a weak meta-agent writes workflows for a strong
worker in a conversation, turn by turn, with the score on validation problems as feedback.

In a turn the meta-agent says what it changes and writes a whole workflow. That is tried on one problem; where
it fails, its error goes back to the meta-agent, at most three times, and a workflow that still fails is left
out. Then it is scored on the task. The conversation goes on for a few turns and begins anew with the last
workflow. The workflow with the best score is used.

The paper trains its meta-agent by reinforcement learning on such conversations; here any model is used as it
is. Sources: summaries of the paper, which was not at hand, and the release (github.com/fannie1208/W4S).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.models.base import Message
from engine.search import SearchContext, SearchError
from engine.variants import Options, Variant, options_of
from engine.variants.aflow import mistakes_of, seed_workflow
from engine.variants.aflow_prompts import Mistake
from engine.variants.found import found_workflow, journalled, solve_found
from engine.variants.proposal import Reply, diagnosis, emit_proposal, say_what_it_knows
from engine.variants.trials import Outcome, at_temperature, mean, seed_of, tried
from engine.variants.w4s_prompts import error_message, feedback_text, first_messages, next_message
from engine.workflows import Rejected, Workflow, build_workflow


class W4SOptions(Options):
    """Options of W4S."""

    turns: int = Field(30, ge=1, le=1000, description="turns, each a new workflow (release: 30)")
    window: int = Field(
        2, ge=1, le=100, description="turns after which the conversation begins anew (release: 2)"
    )
    candidates: int = Field(
        1,
        ge=1,
        le=50,
        description="workflows written in a turn, of which the best goes on (ours; release: 5, to collect "
        "data for training)",
    )
    repairs: int = Field(
        3,
        ge=0,
        le=20,
        description="times the error of a workflow is sent back before it is left out (paper: 3; release: 2)",
    )
    mistakes: int = Field(
        3, ge=0, description="unsolved problems in the feedback (ours; release: 10 samples)"
    )
    temperature: float | None = Field(
        0.5, ge=0, le=2, description="the meta-agent's, where the run sets none (release: 0.5)"
    )
    give_up_after: int = Field(
        5,
        ge=0,
        description="turns without one workflow that can run before the search fails; 0: never, and the "
        "first workflow is used (ours)",
    )


@dataclass(frozen=True)
class _Attempt:
    """A workflow of a turn: what the meta-agent wrote, and how it did. `why` says why it has no score."""

    number: int
    reply: str
    workflow: Workflow | None = None
    score: float | None = None
    cost_usd: float | None = None
    log: list[dict[str, str]] = field(default_factory=list)
    why: str = ""
    repairs: int = 0

    def to_json(self) -> dict[str, Any]:
        """The attempt as a row of the search."""
        return {
            "round": self.number,
            "workflow_id": self.workflow.id if self.workflow else None,
            "score": self.score,
            "cost_usd": self.cost_usd,
            "repairs": self.repairs,
            "error": self.why or None,
        }


async def search(search: SearchContext) -> dict[str, Any]:
    """The workflow with the best mean score on the task, the earliest of equals. Returns `found_workflow`'s
    fields and the `rounds` as rows; round 1 is a plain call.

    Raises SearchError where the task has no problems, the first workflow has no verdict, or the meta-agent
    writes nothing that can run.
    """
    options = options_of(W4SOptions, search.run.config.options)
    if not search.task.problems:
        raise SearchError(f"the task {search.task.name} has no problems to score workflows on")
    search = at_temperature(search, options.temperature)
    kept = [await _first(search)]
    messages: list[Message] = []
    for number in range(2, options.turns + 2):
        search.run.emitter.emit(RoundStarted(round=number))
        scored = [a for a in kept if a.score is not None]
        best = max(a.score or 0.0 for a in scored)
        if (number - 2) % options.window == 0:
            last = scored[-1]
            assert last.workflow is not None
            told = _feedback(search, options, last, None)
            messages = first_messages(search.task, search.run.config.operators, last.workflow, told, best)
        attempt = await _turn(search, options, messages, number)
        kept.append(attempt)
        feedback = _feedback(search, options, attempt, best)
        _close(search, attempt, feedback)
        _give_up(search, options, kept)
        if attempt.score is not None:
            messages = [*messages, {"role": "assistant", "content": attempt.reply}, next_message(feedback)]
    chosen = max((a for a in kept if a.score is not None), key=lambda a: (a.score or 0.0, -a.number))
    assert chosen.workflow is not None
    found = found_workflow(chosen.workflow, round_number=chosen.number, val_score=chosen.score)
    return found | {"rounds": [a.to_json() for a in kept]}


async def _first(search: SearchContext) -> _Attempt:
    search.run.emitter.emit(RoundStarted(round=1))
    say_what_it_knows(search.run)
    workflow = seed_workflow(search.task.kind, search.run.config.operators)
    emit_proposal(search.run, workflow, round_number=1)
    first = await _scored(search, _Attempt(1, "", workflow), "turn-1")
    if first.score is None:
        raise SearchError(f"no run of the first workflow came to a verdict: {first.why}")
    _close(search, first, f"Mean score {first.score:.4f}")
    return first


async def _turn(search: SearchContext, options: W4SOptions, messages: list[Message], number: int) -> _Attempt:
    """The best of a turn's candidates, the first of equals; one without a score where none can run."""
    attempts = []
    for candidate in range(1, options.candidates + 1):
        label = f"turn-{number}/candidate-{candidate}"
        attempt = await _written(search, options, messages, number, label)
        attempts.append(await _scored(search, attempt, label) if attempt.workflow else attempt)
    return max(attempts, key=lambda a: -1.0 if a.score is None else a.score)


async def _written(
    search: SearchContext, options: W4SOptions, messages: list[Message], number: int, label: str
) -> _Attempt:
    """A workflow that runs on a problem of the task, mended by its own errors; or why there is none."""
    ask = journalled(search.run, search.journal, label)
    asked, why, reply = messages, "", ""
    for repair in range(options.repairs + 1):
        name = f"repair-{repair}" if repair else "reply"
        text, call_id = await ask(asked, seed_of(search, label, name), name)
        built = build_workflow(text, "", search.run.config.operators)
        emit_proposal(
            search.run, built, round_number=number, reply=Reply(text, call_id), is_repair=repair > 0
        )
        reply = text
        if isinstance(built, Rejected):
            why = f"It cannot run:\n{diagnosis(built)}"
        elif not (why := await _error_of(search, built, f"{label}/check-{repair}")):
            return _Attempt(number, reply, built, repairs=repair)
        asked = [*asked, {"role": "assistant", "content": text}, error_message(why)]
    return _Attempt(number, reply, why=why, repairs=options.repairs)


async def _error_of(search: SearchContext, workflow: Workflow, label: str) -> str:
    """The error in which a workflow ends on one problem of the task; "" where it gives an answer, or there
    was no verdict.
    """
    problem = Random(seed_of(search, "check")).choice(search.task.problems)
    ((outcome,), _) = await tried(search, label, workflow, problems=[problem])
    if outcome["answered"] or outcome["score"] is None:
        return ""
    return outcome["error"] or "it gave no answer"


async def _scored(search: SearchContext, attempt: _Attempt, label: str) -> _Attempt:
    assert attempt.workflow is not None
    outcomes, log = await tried(search, label, attempt.workflow, extra=mistakes_of)
    why = "" if (score := mean(o["score"] for o in outcomes)) is not None else _first_error(outcomes)
    return replace(attempt, score=score, cost_usd=_cost(outcomes), log=log, why=why)


def _cost(outcomes: Sequence[Outcome]) -> float | None:
    """What a problem cost, in US dollars; None where a price is not known."""
    costs = [o["cost_usd"] for o in outcomes]
    return None if not costs or None in costs else mean(costs)


def _first_error(outcomes: Sequence[Outcome]) -> str:
    return next((o["error"] for o in outcomes if o["error"]), "") or "no run came to a verdict"


def _feedback(search: SearchContext, options: W4SOptions, attempt: _Attempt, previous: float | None) -> str:
    drawn = Random(seed_of(search, "mistakes", attempt.number)).sample(
        attempt.log, min(options.mistakes, len(attempt.log))
    )
    prompts = {p.id: p.prompt for p in search.task.problems}
    mistakes = [Mistake(prompts.get(m["problem_id"], ""), m["answer"], m["why"]) for m in drawn]
    return feedback_text(attempt.score, previous, attempt.cost_usd, mistakes, attempt.why)


def _close(search: SearchContext, attempt: _Attempt, feedback: str) -> None:
    search.run.emitter.emit(
        RoundFinished(
            round=attempt.number,
            workflow_id=attempt.workflow.id if attempt.workflow else None,
            score=attempt.score,
            feedback=feedback,
        )
    )
    if attempt.workflow is None:
        text = f"Turn {attempt.number}: no workflow that can run, after {attempt.repairs} repairs."
        search.run.emitter.emit(Notice(level="warning", text=text))


def _give_up(search: SearchContext, options: W4SOptions, kept: Sequence[_Attempt]) -> None:
    """Raise where nothing of the meta-agent's could run so far, and it had its chances."""
    written = kept[1:]
    chances = min(options.give_up_after, options.turns)
    if chances and len(written) >= chances and not any(a.workflow for a in written):
        raise SearchError(
            f"the meta-agent {search.run.services.meta_agent.name} wrote no workflow that can run in "
            f"{len(written)} turns; use a stronger one. {written[-1].why}"
        )


# The embedded meta-agent was trained on other requests, and on none with a history.
VARIANT = Variant(solve_found, W4SOptions, search, alone=False, embedded=False)
