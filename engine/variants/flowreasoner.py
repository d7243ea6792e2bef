"""FlowReasoner, query level: rounds of propose → check → run on `val` → feedback, best kept, then `test`.

Section 4 and Appendix A of the paper, and its release: l = 10 rounds, each workflow executed 3 times,
feedback is the mean pass rate on the query's `val` tests, S* = argmax of it. The best round is locked
before `test` is looked at; the release of AFlow tests round 1 instead. How a round comes from the earlier
ones is a matter of options: the paper only says that it is done as in AFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted, Split
from engine.ids import derived_seed
from engine.problems import Problem
from engine.prompts import Experience, FeedbackOn, propose_messages
from engine.run.context import RunConfig, RunContext
from engine.run.execution import Execution
from engine.scores.scoring import Score, tests_of
from engine.variants import Options, Result, Variant, options_of
from engine.variants.aflow import seed_workflow
from engine.variants.aflow_selection import choose_parent
from engine.variants.final import finish, mean_score, run_repeats
from engine.variants.proposal import diagnosis, emit_proposal, propose_for, say_what_it_knows
from engine.workflows import Rejected, Workflow

_AS_AFLOW: dict[str, Any] = {
    "parent": "soft-mixed",
    "repair": False,
    "stop_early": False,
    "show_tests": False,
}


class FlowReasonerOptions(Options):
    """Options of FlowReasoner. Sources: the paper, and the release (github.com/sail-sg/FlowReasoner), whose
    loop is AFlow's.
    """

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "ours": {},
        "paper": {**_AS_AFLOW, "feedback": "all"},
        "release": {**_AS_AFLOW, "feedback": "none", "seed": "template"},
    }

    preset: Literal["ours", "paper", "release"] = Field(
        "ours", description="what the options below are unless they are given (ours; or paper, or release)"
    )
    parent: Literal["best", "soft-mixed"] = Field(
        "best",
        description="the round to change: the best, or one drawn as AFlow draws it (paper and release)",
    )
    sample: int = Field(
        4, ge=1, description="rounds that soft-mixed draws from, round 1 included (release: 4)"
    )
    alpha: float = Field(
        0.2, ge=0, description="weight of scores, in percent, in soft-mixed (AFlow's release: 0.2)"
    )
    mix: float = Field(
        0.3, ge=0, le=1, description="share of the uniform choice in soft-mixed (AFlow's release: 0.3)"
    )
    seed: Literal["none", "template"] = Field(
        "none",
        description="round 1 in front of the others: none (paper), or template, one plain call (release)",
    )
    feedback: FeedbackOn = Field(
        "last",
        description="rounds of which the meta-agent is told how they went, with their workflows: the last, "
        "all (paper) or none, only scores and changes (release)",
    )
    repair: bool = Field(
        True, description="ask again once where a workflow cannot run (paper and release: no)"
    )
    stop_early: bool | None = Field(
        None,
        description="stop once a workflow passes all of val in every execution; unset, yes but for "
        "--all-rounds (paper and release: no)",
    )
    show_tests: bool = Field(
        True, description="show the meta-agent the visible tests (paper and release: the query alone)"
    )


@dataclass(frozen=True)
class Candidate:
    """The workflow of one round and its mean pass rate on `val` in [0, 1], None where nothing could be
    scored.
    """

    workflow: Workflow
    round: int
    score: float | None


@dataclass(frozen=True)
class Found:
    """What a search found: the workflows that can run, in order of round, and the error of the last round
    without one.
    """

    candidates: tuple[Candidate, ...]
    last_error: str

    @property
    def best(self) -> Candidate | None:
        """The candidate with the highest score, the first of equals; None where there is none."""
        return max(
            self.candidates,
            key=lambda c: (c.score if c.score is not None else -1.0, -c.round),
            default=None,
        )


def search_split(problem: Problem) -> Split | None:
    """The tests that give feedback: `val`, else the visible ones; None where there are neither. A reference
    answer gives no feedback.
    """
    if problem.kind != "code":
        return None
    return next((s for s in ("val", "visible") if tests_of(problem, s)), None)


async def solve(context: RunContext) -> Result:
    """Search over rounds, then finish with the best workflow. Raises what `search` and `finish` raise."""
    found = await search(context)
    if (best := found.best) is None:
        return Result(None, None, None, None, f"No round gave a workflow that can run: {found.last_error}")
    return await finish(context, best.workflow, round_number=best.round, val_score=best.score)


async def search(context: RunContext) -> Found:
    """The rounds of one query, without a look at `test`. Raises SearchError where the template cannot run."""
    options = options_of(FlowReasonerOptions, context.config.options)
    split = search_split(context.problem)
    rounds, first = context.config.rounds, 1
    if split is None and rounds > 1:
        text = "There are no tests to give feedback, so there is one round instead of several."
        context.emitter.emit(Notice(level="info", text=text))
        rounds = 1
    history: list[Experience] = []
    candidates: list[Candidate] = []
    last_error = "the meta-agent wrote no workflow"
    if options.seed == "template" and split is not None:
        rounds, first = rounds + 1, 2
        await _template(context, split, history, candidates)
    for number in range(first, rounds + 1):
        context.emitter.emit(RoundStarted(round=number))
        built = await _propose(context, options, history, number)
        if isinstance(built, Rejected):
            last_error = diagnosis(built)
            _close_round(context, history, number, built, None, f"The workflow cannot run:\n{last_error}")
            continue
        score, feedback = await _score(context, built, number, split, candidates)
        candidates.append(Candidate(built, number, score))
        _close_round(context, history, number, built, score, feedback)
        if split is None or (score == 1.0 and _stops_early(options, context.config)):
            break
    return Found(tuple(candidates), last_error)


async def _template(
    context: RunContext, split: Split, history: list[Experience], candidates: list[Candidate]
) -> None:
    """AFlow's first workflow as round 1."""
    context.emitter.emit(RoundStarted(round=1))
    say_what_it_knows(context)
    workflow = seed_workflow(context.problem.kind, context.config.operators)
    emit_proposal(context, workflow, round_number=1)
    score, feedback = await _score(context, workflow, 1, split, [])
    candidates.append(Candidate(workflow, 1, score))
    _close_round(context, history, 1, workflow, score, feedback)


async def _propose(
    context: RunContext, options: FlowReasonerOptions, history: Sequence[Experience], number: int
) -> Workflow | Rejected:
    """A change of one of the earlier rounds."""
    parent = None
    scores = {e.round: e.score for e in history if e.score is not None}
    if options.parent == "soft-mixed" and scores:
        seed = derived_seed(context.config.seed, "parent", number)
        parent = choose_parent(scores, sample=options.sample, alpha=options.alpha, mix=options.mix, seed=seed)
    asked = propose_messages(
        context.problem,
        context.config.operators,
        history,
        parent=parent,
        feedback=options.feedback,
        show_tests=options.show_tests,
    )
    seed = derived_seed(context.config.seed, "meta", number)
    return await propose_for(context, asked, round_number=number, seed=seed, repair=options.repair)


def _stops_early(options: FlowReasonerOptions, config: RunConfig) -> bool:
    return config.stop_early if options.stop_early is None else options.stop_early


async def _score(
    context: RunContext, workflow: Workflow, number: int, split: Split | None, earlier: list[Candidate]
) -> tuple[float | None, str]:
    """(mean pass rate over the repeats, the feedback on it); a workflow seen before keeps its score."""
    if split is None:
        return None, ""
    same = next((c for c in earlier if c.workflow.id == workflow.id), None)
    if same is not None:
        text = f"Round {number} repeats the workflow of round {same.round}; it is not run again."
        context.emitter.emit(Notice(level="info", text=text))
        return same.score, f"This is the workflow of round {same.round} again. Change it."
    results = await run_repeats(context, workflow, round_number=number, purpose="val", split=split)
    return mean_score(results), feedback_on(results)


def feedback_on(results: list[tuple[Execution, Score | None]]) -> str:
    """The feedback for the meta-agent: pass rate and reason of each execution, never a `val` test."""
    lines = [f"Mean pass rate {mean_score(results) or 0.0:.2f} over {len(results)} executions."]
    for number, (_, score) in enumerate(results, 1):
        if score is not None:
            reason = f": {score.reason}" if score.reason else ""
            lines.append(f"Execution {number}: {score.passed} of {score.total} tests passed{reason}")
    return "\n".join(lines)


def _close_round(
    context: RunContext,
    history: list[Experience],
    number: int,
    built: Workflow | Rejected,
    score: float | None,
    feedback: str,
) -> None:
    history.append(Experience(number, built.code, built.prompts, built.modification, score, feedback))
    workflow_id = built.id if isinstance(built, Workflow) else None
    context.emitter.emit(RoundFinished(round=number, workflow_id=workflow_id, score=score, feedback=feedback))


def _most_calls(config: RunConfig) -> tuple[int, None]:
    """Each round is one proposal and at most one repair turn."""
    return config.rounds * (2 if options_of(FlowReasonerOptions, config.options).repair else 1), None


VARIANT = Variant(solve, FlowReasonerOptions, most_calls=_most_calls)
