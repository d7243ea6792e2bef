"""Top-K task workflows: the control for whether a workflow per query is needed (Wang et al. 2026, SCALE).

The paper finds that the K best workflows of a task together cover as many queries as workflows written for
each query: a query counts where any of the K solves it. A method cannot know which one does, so everything
beyond that count is ours: the candidates are asked for one after the other, each to solve the task in another
way; the K that together solve most of the problems searched on are kept, chosen greedily; and a problem is
solved by running them in that order until an answer passes the visible tests. Where none does, or there are
no visible tests, the answer of the first one counts, which is the best on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted, Split
from engine.prompts import Experience, task_messages
from engine.run.context import RunContext
from engine.run.execution import Execution, execute
from engine.scores.scoring import Score, evaluate
from engine.search import SearchContext, SearchError
from engine.variants import Options, Result, Variant, options_of
from engine.variants.final import announced_split, final_purpose, mean_score, repeated
from engine.variants.found import found_workflow, journalled, not_searched, read_found
from engine.variants.metaflow import drawn
from engine.variants.proposal import diagnosis, emit_proposal, propose_for
from engine.variants.trials import by_problem, mean, seed_of, tried
from engine.workflows import Rejected, Workflow


class TopKOptions(Options):
    """Options of top-k. The paper takes its candidates from another system's search and gives no numbers
    for this.
    """

    candidates: int = Field(8, ge=1, le=200, description="Workflows that are written and scored (ours).")
    top: int = Field(3, ge=1, le=50, description="Workflows that are kept, the paper's K (ours).")
    repeats: int = Field(1, ge=1, le=100, description="Executions of a candidate on each problem (ours).")
    examples: int = Field(
        3, ge=0, le=50, description="Problems of the task that are shown, without tests or answers (ours)."
    )


@dataclass(frozen=True)
class _Candidate:
    """A workflow with its mean score over the repeats of each problem; problems without a verdict are
    left out.
    """

    number: int
    workflow: Workflow
    scores: Mapping[str, float]

    @property
    def mean(self) -> float:
        return mean(self.scores.values()) or 0.0


async def search(search: SearchContext) -> dict[str, Any]:
    """Write and score candidates and keep the best set. Returns the `workflows`, each as `found_workflow`,
    and the share of problems that they solve together.

    Raises SearchError where the task has no problems, no candidate can run, or none has a verdict.
    """
    options = options_of(TopKOptions, search.run.config.options)
    if not search.task.problems:
        raise SearchError(f"the task {search.task.name} has no problems to score workflows on")
    shown = drawn(search, options.examples)
    written: list[Experience] = []
    candidates: list[_Candidate] = []
    reason = ""
    for number in range(1, options.candidates + 1):
        search.run.emitter.emit(RoundStarted(round=number))
        built = await propose_for(
            search.run,
            task_messages(search.task, search.run.config.operators, examples=shown, others=written),
            round_number=number,
            seed=seed_of(search, "meta", number),
            ask=journalled(search.run, search.journal, f"candidate-{number}"),
        )
        candidate, reason = await _scored(search, options, number, built, candidates)
        if candidate is not None:
            candidates.append(candidate)
            assert isinstance(built, Workflow)
            written.append(Experience(number, built.code, built.prompts, built.modification, None, ""))
    if not candidates:
        name = search.run.services.meta_agent.name
        raise SearchError(
            f"none of {options.candidates} workflows that the meta-agent {name} wrote can run; use a "
            f"stronger one: {reason}"
        )
    if not any(c.scores for c in candidates):
        raise SearchError(f"no run of any workflow came to a verdict: {reason}")
    kept = best_set([c.scores for c in candidates], options.top)
    covered = coverage([candidates[i].scores for i in kept])
    return {
        "workflows": [
            found_workflow(c.workflow, round_number=c.number, val_score=c.mean)
            for c in (candidates[i] for i in kept)
        ],
        "val_score": covered / len(search.task.problems),
    }


async def _scored(
    search: SearchContext,
    options: TopKOptions,
    number: int,
    built: Workflow | Rejected,
    earlier: Sequence[_Candidate],
) -> tuple[_Candidate | None, str]:
    """(the candidate, or None; the round's feedback). A workflow seen before is not scored again."""
    candidate, text, workflow_id = None, "", None
    if isinstance(built, Rejected):
        text = f"The workflow cannot run:\n{diagnosis(built)}"
    else:
        workflow_id = built.id
        same = next((c for c in earlier if c.workflow.id == built.id), None)
        if same is not None:
            text = f"This is the workflow of round {same.number} again."
        else:
            outcomes, _ = await tried(search, f"candidate-{number}", built, repeats=options.repeats)
            scores = {p: s for p, s in by_problem(outcomes).items() if s is not None}
            candidate = _Candidate(number, built, scores)
            text = f"It solves {sum(scores.values()):g} of {len(search.task.problems)} problems."
            if not scores:
                text = next((o["error"] for o in outcomes if o["error"]), "") or "No run came to a verdict."
    score = candidate.mean if candidate else None
    search.run.emitter.emit(RoundFinished(round=number, workflow_id=workflow_id, score=score, feedback=text))
    return candidate, text


def coverage(scores: Sequence[Mapping[str, float]]) -> float:
    """How many problems a set solves: the sum of the best score, in [0, 1], of any of the set on each
    problem.
    """
    problems = {p for s in scores for p in s}
    return sum(max(s.get(p, 0.0) for s in scores) for p in problems)


def best_set(scores: Sequence[Mapping[str, float]], size: int) -> list[int]:
    """Indices of at most `size` candidates, each the one that adds most coverage to those before it.

    Of equals, the one that is better on its own comes first, then the earlier. Greedy covering reaches at
    least 1 - 1/e of the best set's coverage (Nemhauser et al. 1978).
    """
    kept: list[int] = []
    while len(kept) < min(size, len(scores)):
        rest = [i for i in range(len(scores)) if i not in kept]
        kept.append(
            max(rest, key=lambda i: (coverage([scores[j] for j in (*kept, i)]), coverage([scores[i]]), -i))
        )
    return kept


async def solve(context: RunContext) -> Result:
    """Run the kept workflows in their order until one passes the visible tests, anew in each repeat. Raises
    what `execute` and `evaluate` raise.
    """
    if context.found is None:
        return not_searched(context)
    workflows: list[Workflow] = []
    for number, found in enumerate(context.found["workflows"], 1):
        built = read_found(found, context.config.operators)
        if isinstance(built, Rejected):
            name = context.config.operators.name
            text = f"workflow {number} cannot run with the operator set {name}: {diagnosis(built)}"
            context.emitter.emit(Notice(level="warning", text=text))
            continue
        workflows.append(built)
        emit_proposal(context, built, round_number=number)
    if not workflows:
        return Result(None, None, None, None, "none of the workflows that were found can run")
    split = announced_split(context)
    results = await repeated(context, split, lambda repeat: _attempt(context, workflows, split, repeat))
    workflow, execution, _ = next((r for r in results if r[1].answer is not None), results[0])
    score = mean_score([(e, s) for _, e, s in results])
    return Result(score, context.found.get("val_score"), execution.answer, workflow.id, execution.error)


async def _attempt(
    context: RunContext, workflows: Sequence[Workflow], split: Split | None, repeat: int
) -> tuple[Workflow, Execution, Score | None]:
    """One repeat: (the workflow whose answer counts, its execution, its score)."""
    made: list[tuple[Workflow, Execution]] = []
    chosen: tuple[Workflow, Execution] | None = None
    visible = context.problem.kind == "code" and bool(context.problem.tests.visible)
    for number, workflow in enumerate(workflows if visible else workflows[:1], 1):
        execution = await execute(
            context, workflow, round_number=number, repeat=repeat, purpose=final_purpose(split)
        )
        made.append((workflow, execution))
        if not visible or execution.answer is None:
            continue
        seen = await evaluate(context, execution, workflow, "visible", repeat)
        if seen.value == 1.0:
            chosen = made[-1]
            break
    workflow, execution = chosen or next((m for m in made if m[1].answer is not None), made[0])
    execution.raise_refusal()
    if split is None:
        return workflow, execution, None
    return workflow, execution, await evaluate(context, execution, workflow, split, repeat)


VARIANT = Variant(solve, TopKOptions, search, most_calls=lambda _: (0, None), alone=False)
