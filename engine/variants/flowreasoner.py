"""FlowReasoner, query level: rounds of propose → check → run on `val` → feedback, best kept, then `test`.

Section 4 and Appendix A of the paper (arXiv 2504.15257), and its release: l = 10 rounds, each workflow
executed 3 times, the feedback is the mean pass rate on the query's `val` tests, S* = argmax of it. The best
round is chosen before `test` is looked at; the release of AFlow tests round 1 instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.events import Notice, RoundFinished, RoundStarted, Split
from engine.ids import derived_seed
from engine.problems import Problem
from engine.prompts import Experience
from engine.run.context import RunContext
from engine.run.execution import Execution
from engine.scores.scoring import Score, tests_of
from engine.variants import Result, Variant
from engine.variants.final import finish, mean_score, run_repeats
from engine.variants.proposal import diagnosis, propose
from engine.workflows import Rejected, Workflow


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
    """The rounds of one query, which never look at `test`. Raises BudgetExceededError, ModelError and
    SandboxError.
    """
    split = search_split(context.problem)
    rounds = context.config.rounds
    if split is None and rounds > 1:
        text = "There are no tests to give feedback, so there is one round instead of several."
        context.emitter.emit(Notice(level="info", text=text))
        rounds = 1
    history: list[Experience] = []
    candidates: list[Candidate] = []
    last_error = "the meta-agent wrote no workflow"
    for number in range(1, rounds + 1):
        context.emitter.emit(RoundStarted(round=number))
        seed = derived_seed(context.config.seed, "meta", number)
        built = await propose(context, history, round_number=number, seed=seed)
        if isinstance(built, Rejected):
            last_error = diagnosis(built)
            _close_round(context, history, number, built, None, f"The workflow cannot run:\n{last_error}")
            continue
        score, feedback = await _score(context, built, number, split, candidates)
        candidates.append(Candidate(built, number, score))
        _close_round(context, history, number, built, score, feedback)
        if split is None or (score == 1.0 and context.config.stop_early):
            break
    return Found(tuple(candidates), last_error)


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


# Each round is one proposal and at most one repair turn.
VARIANT = Variant(solve, most_calls=lambda config: (2 * config.rounds, None))
