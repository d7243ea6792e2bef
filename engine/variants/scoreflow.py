"""ScoreFlow: a generator that writes a workflow for each problem, and preferences to train it on (arXiv
2502.04306).

The generator is the meta-agent. `search` lets it write several workflows for each problem of the task, scores
them, and draws preference pairs from them; `solve` asks it for one workflow. A generator trained on the pairs
is used by naming it as the meta-agent. Differences from the release: a workflow that cannot run is written
again only a few times, and any operator set can be used.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.ids import derived_seed
from engine.problems import Kind, Problem
from engine.run.context import RunContext
from engine.search import SearchContext, SearchError
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import finish
from engine.variants.found import journalled
from engine.variants.proposal import ask_meta_agent, diagnosis, emit_proposal
from engine.variants.scoreflow_pairs import Scored, pair_up, sample_pairs, similarity, similarity_limit
from engine.variants.scoreflow_prompts import example_for, generate_messages
from engine.variants.trials import mean, seed_of, together, tried
from engine.workflows import Rejected, Workflow, build_workflow

_HUMANEVAL_PAIRS, _PAIRS = 600, 2000


class ScoreFlowOptions(Options):
    """Options of ScoreFlow. Sources: the paper, and the release (github.com/Gen-Verse/ScoreFlow)."""

    collect: bool = Field(
        True, description="search for preference pairs; off, only solve with the meta-agent as it is (ours)"
    )
    workflows: int = Field(8, ge=1, description="workflows to score for each problem (paper and release: 8)")
    executions: int = Field(3, ge=1, description="executions each score is the mean of (release: 3)")
    pairs: int | None = Field(
        None, ge=1, description="pairs to draw (release: 2000, and 600 for HumanEval, which is the default)"
    )
    similarity: float | None = Field(
        None,
        ge=0,
        description="similarity to the example at which a workflow is refused (release: 0.75, GSM8K "
        "0.8, off for code, which is the default)",
    )
    attempts: int = Field(
        5, ge=1, description="tries at one workflow before giving up (ours; release: up to 500)"
    )


@dataclass(frozen=True)
class _Candidate:
    """A workflow with its mean score in [0, 1]. `reply` is the generator's reply, which it is trained to
    give.
    """

    problem_id: str
    workflow_id: str
    reply: str
    score: float
    unjudged: int  # executions without a verdict, which the score leaves out


async def search(search: SearchContext) -> dict[str, Any]:
    """Score workflows for each problem and draw preference pairs, which the journal holds under "pairs".

    Returns the counts of workflows and pairs. Raises SearchError where the task has no problems, or no
    workflow for the first one can run.
    """
    options = options_of(ScoreFlowOptions, search.run.config.options)
    if not options.collect:
        return {"pairs": 0}
    if not search.task.problems:
        raise SearchError(f"the task {search.task.name} has no problems to write workflows for")
    scored: list[Scored] = []
    for number, problem in enumerate(search.task.problems, 1):
        for one in await _problem(search, options, number, problem):
            scored.append(Scored(problem_id=one.problem_id, workflow=one.reply, score=one.score))
    return await _record(search, options, scored)


async def _record(search: SearchContext, options: ScoreFlowOptions, scored: list[Scored]) -> dict[str, Any]:
    """Draw the pairs and record them. Returns how many there are, and the journal's key."""
    possible = pair_up(scored)
    wanted = options.pairs or (_HUMANEVAL_PAIRS if "humaneval" in search.task.name.lower() else _PAIRS)
    drawn = sample_pairs(scored, possible, wanted, seed_of(search, "pairs"))
    operators = search.run.config.operators
    prompts = {p.id: generate_messages(p, operators) for p in search.task.problems}

    async def make() -> dict[str, Any]:
        return {
            "prompts": prompts,
            "workflows": scored,
            "pairs": [{"chosen": w, "rejected": r, "count": n} for (w, r), n in sorted(drawn.items())],
        }

    await search.journal.once("pairs", make)
    if not possible:
        text = "For no problem do two workflows differ in score, so there are no preference pairs."
        search.run.emitter.emit(Notice(level="warning", text=text))
    return {
        "journal": "pairs",
        "pairs": sum(drawn.values()),
        "different_pairs": len(drawn),
        "possible_pairs": len(possible),
        "workflows": len(scored),
        "problems": len({s["problem_id"] for s in scored}),
        "val_score": mean(s["score"] for s in scored),
    }


async def _problem(
    search: SearchContext, options: ScoreFlowOptions, number: int, problem: Problem
) -> list[_Candidate]:
    """The workflows written for one problem, with scores."""
    search.run.emitter.emit(RoundStarted(round=number))
    slots = range(1, options.workflows + 1)
    results = await together(_candidate(search, options, number, problem, s) for s in slots)
    candidates = [r for r in results if isinstance(r, _Candidate)]
    reasons = [r for r in results if isinstance(r, str)]
    if number == 1 and not candidates:
        raise SearchError(
            f"the meta-agent {search.run.services.meta_agent.name} wrote no workflow that can run in "
            f"{options.workflows * options.attempts} attempts at {problem.id}; use a stronger one. "
            f"{reasons[0]}"
        )
    best = max(candidates, key=lambda c: c.score, default=None)
    shown = ", ".join(f"{c.score:.2f}" for c in candidates) or "none"
    unjudged = sum(c.unjudged for c in candidates)
    without = f"; executions without a verdict, left out: {unjudged}" if unjudged else ""
    left = f"; {len(reasons)} could not be had: {reasons[0]}" if reasons else ""
    search.run.emitter.emit(
        RoundFinished(
            round=number,
            workflow_id=best.workflow_id if best else None,
            score=mean(c.score for c in candidates),
            feedback=f"{problem.id}: scores of {len(candidates)} workflows: {shown}{without}{left}",
        )
    )
    return candidates


async def _candidate(
    search: SearchContext, options: ScoreFlowOptions, number: int, problem: Problem, slot: int
) -> _Candidate | str:
    """One scored workflow that can run and is not the example again; else a text that says why there is
    none.
    """
    why = ""
    for attempt in range(1, options.attempts + 1):
        prefix = f"problem-{number}/workflow-{slot}/try-{attempt}"
        ask = journalled(search.run, search.journal, prefix)
        asked = generate_messages(problem, search.run.config.operators)
        reply = await ask(asked, seed_of(search, problem.id, slot, attempt), "reply")
        built = build_workflow(reply.text, "", search.run.config.operators)
        emit_proposal(search.run, built, round_number=number, reply=reply)
        if isinstance(built, Rejected):
            why = f"The workflow cannot run:\n{diagnosis(built)}"
            continue
        if (why := _too_similar(search, options, problem, built)) != "":
            continue
        outcomes, _ = await tried(search, prefix, built, problems=[problem], repeats=options.executions)
        score = mean(o["score"] for o in outcomes)
        if score is not None and any(o["answered"] for o in outcomes):
            unjudged = sum(o["score"] is None for o in outcomes)
            return _Candidate(problem.id, built.id, reply.text, score, unjudged)
        why = next((o["error"] for o in outcomes if o["error"]), None) or "no execution gave an answer"
    return why


def _too_similar(search: SearchContext, options: ScoreFlowOptions, problem: Problem, built: Workflow) -> str:
    """Why the workflow counts as a copy of the example; "" where it does not."""
    limit = options.similarity
    if limit is None:
        limit = similarity_limit(problem.kind, search.task.name)
    example = example_for(problem.kind, search.run.config.operators)
    if limit > 1 or not example:
        return ""
    ratio = similarity(built.code, example, limit)
    return f"The workflow is the example again (similarity {ratio:.2f})." if ratio >= limit else ""


async def solve(context: RunContext) -> Result:
    """Write one workflow for the problem, execute it `repeats` times (the release: 3) and average the scores.
    Raises what `ask_meta_agent` and `finish` raise.
    """
    options = options_of(ScoreFlowOptions, context.config.options)
    asked = generate_messages(context.problem, context.config.operators)
    error = ""
    for attempt in range(1, options.attempts + 1):
        context.emitter.emit(RoundStarted(round=attempt))
        seed = derived_seed(context.config.seed, "meta", attempt)
        reply = await ask_meta_agent(context, asked, seed)
        built = build_workflow(reply.text, "", context.config.operators)
        emit_proposal(context, built, round_number=attempt, reply=reply)
        runs = isinstance(built, Workflow)
        error = "" if runs else f"The workflow cannot run:\n{diagnosis(built)}"
        context.emitter.emit(
            RoundFinished(round=attempt, workflow_id=built.id if runs else None, score=None, feedback=error)
        )
        if isinstance(built, Workflow):
            return await finish(context, built, round_number=attempt, val_score=None)
    return Result(None, None, None, None, f"No attempt gave a workflow that can run: {error}")


_SETS: dict[Kind, str] = {
    "code": "scoreflow-code",
    "math": "scoreflow-math",
    "qa": "scoreflow-qa",
    "open": "scoreflow-qa",
}
VARIANT = Variant(
    solve,
    ScoreFlowOptions,
    search,
    operators=lambda kind: _SETS[kind],
    needs_problems=lambda config: options_of(ScoreFlowOptions, config.options).collect,
)
