"""AFlow: a tree search over workflows for a task, each a change of an earlier one (arXiv 2410.10762).

Round 1 is the simplest workflow. Every further round picks a parent by the soft mixed probability, asks the
meta-agent for one change of it and validates the result several times. Differences from the release: `solve`
runs the best round (its test mode runs round 1), logs hold no reference solution, a round that fails is a row
without a score, and a repeated change is asked for again only a few times.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from random import Random
from typing import Any

from pydantic import Field

from engine.events import Notice, RoundFinished, RoundStarted
from engine.operators.specs import OperatorSet
from engine.problems import Kind
from engine.search import SearchContext, SearchError, Trial
from engine.variants import Options, Variant, options_of
from engine.variants.aflow_prompts import Mistake, Tried, improve_messages
from engine.variants.aflow_selection import choose_parent, converged
from engine.variants.found import found_workflow, journalled, solve_found
from engine.variants.proposal import diagnosis, emit_proposal, propose_for, say_what_it_knows
from engine.variants.trials import Outcome, by_repeat, clipped, mean, score_of, seed_of, tried
from engine.workflows import Rejected, Workflow, build_workflow

_LOG_SIZE = 50  # mistakes of a round that are kept to draw from


class AFlowOptions(Options):
    """Options of AFlow. Sources: the paper, and the release (github.com/FoundationAgents/AFlow)."""

    rounds: int = Field(20, ge=1, description="changes to try after round 1 (paper and release: 20)")
    validation_rounds: int = Field(
        5, ge=1, description="times each workflow is run on the task (paper: 5; the release's script: 1)"
    )
    sample: int = Field(4, ge=1, description="rounds a parent is chosen from, round 1 included (release: 4)")
    alpha: float = Field(0.2, ge=0, description="weight of scores, in percent, in the choice (release: 0.2)")
    mix: float = Field(
        0.3, ge=0, le=1, description="share of the uniform choice, the paper's lambda (release: 0.3)"
    )
    mistakes: int = Field(3, ge=0, description="unsolved problems shown to the meta-agent (release: 3)")
    check_convergence: bool = Field(True, description="stop once the best rounds stop changing (release: on)")
    top: int = Field(3, ge=1, description="rounds whose mean must stop changing (release: 3)")
    z: float = Field(
        0.0, ge=0, description="z-score up to which a change does not count (release: 0, exactly equal)"
    )
    consecutive: int = Field(5, ge=1, description="rounds in a row without a change (release: 5)")
    duplicate_retries: int = Field(
        3, ge=0, description="times to ask again for a change made before (ours; the release never stops)"
    )
    give_up_after: int = Field(
        5,
        ge=0,
        description="rounds without one workflow that can run before the search fails; 0: never, and "
        "round 1 is used (ours)",
    )


@dataclass(frozen=True)
class _Round:
    """A round. `scores` has one mean for each validation. `why` says why there is no workflow, or none was
    validated; `log` holds the mistakes to draw from.
    """

    number: int
    parent: int | None
    modification: str
    workflow: Workflow | None = None
    scores: list[float] = field(default_factory=list)
    log: list[dict[str, str]] = field(default_factory=list)
    why: str = ""

    @property
    def mean(self) -> float | None:
        return mean(self.scores)

    def to_json(self, before: float | None) -> dict[str, Any]:
        """The row of this round, with AFlow's experience: parent, change, before, after, success."""
        return {
            "round": self.number,
            "parent": self.parent,
            "modification": self.modification,
            "before": before,
            "after": self.mean,
            "success": Tried(self.number, "", before, self.mean).success,
            "workflow_id": self.workflow.id if self.workflow else None,
            "error": self.why or None,
        }


async def search(search: SearchContext) -> dict[str, Any]:
    """Find the workflow with the best mean validation score. Returns `found_workflow`'s fields and the
    `rounds` as rows.

    Raises SearchError where the task has no problems, the first workflow cannot run or has no verdict, or the
    meta-agent writes nothing that can run.
    """
    options = options_of(AFlowOptions, search.run.config.options)
    if not search.task.problems:
        raise SearchError(f"the task {search.task.name} has no problems to validate workflows on")
    rounds = {1: await _first_round(search, options)}
    for number in range(2, options.rounds + 2):
        search.run.emitter.emit(RoundStarted(round=number))
        rounds[number] = await _next_round(search, options, rounds, number)
        _close(search, rounds, number)
        _give_up(search, options, rounds)
        if options.check_convergence and _converged(options, rounds):
            text = f"The best {options.top} rounds have not changed for {options.consecutive}: AFlow stops."
            search.run.emitter.emit(Notice(level="info", text=text))
            break
    best = max((r for r in rounds.values() if r.workflow), key=lambda r: (_or_below(r.mean), -r.number))
    assert best.workflow is not None
    rows = [r.to_json(rounds[r.parent].mean if r.parent else None) for r in rounds.values()]
    return found_workflow(best.workflow, round_number=best.number, val_score=best.mean) | {"rounds": rows}


def seed_workflow(kind: Kind, operators: OperatorSet) -> Workflow:
    """AFlow's first workflow: one call, of CustomCodeGenerate for code (of Custom where the set lacks it),
    else of Custom. Raises SearchError where the set has neither.
    """
    folder = files("engine.variants") / "files" / "aflow"
    reason = ""
    for name in ("code", "text") if kind == "code" else ("text",):
        built = build_workflow((folder / name / "graph.py").read_text(encoding="utf-8"), "", operators)
        if isinstance(built, Workflow):
            return built
        reason = diagnosis(built)
    raise SearchError(
        f"the operator set {operators.name} cannot run AFlow's first workflow; use one that has custom, such "
        f"as aflow-code, aflow-math or aflow-qa: {reason}"
    )


async def _first_round(search: SearchContext, options: AFlowOptions) -> _Round:
    search.run.emitter.emit(RoundStarted(round=1))
    say_what_it_knows(search.run)
    workflow = seed_workflow(search.task.kind, search.run.config.operators)
    emit_proposal(search.run, workflow, round_number=1)
    first = await _validated(search, options, workflow, 1, None, "the first workflow")
    if first.mean is None:
        raise SearchError(f"no run of the first workflow came to a verdict: {first.why}")
    _close(search, {1: first}, 1)
    return first


async def _next_round(
    search: SearchContext, options: AFlowOptions, rounds: dict[int, _Round], number: int
) -> _Round:
    parent = choose_parent(
        {n: r.mean for n, r in rounds.items()},
        sample=options.sample,
        alpha=options.alpha,
        mix=options.mix,
        seed=seed_of(search, "parent", number),
    )
    built, why = await _propose(search, options, rounds, rounds[parent], number)
    if not isinstance(built, Workflow):
        return _Round(number, parent, built.modification, why=why)
    if why:
        return _Round(number, parent, built.modification, workflow=built, why=why)
    return await _validated(search, options, built, number, parent, built.modification)


async def _propose(
    search: SearchContext, options: AFlowOptions, rounds: dict[int, _Round], parent: _Round, number: int
) -> tuple[Workflow | Rejected, str]:
    """A change of the parent that was not made before, or why there is none."""
    assert parent.workflow is not None
    siblings = [r for r in rounds.values() if r.parent == parent.number]
    seed = seed_of(search, "mistakes", number)
    drawn = Random(seed).sample(parent.log, min(options.mistakes, len(parent.log)))
    prompts = {p.id: p.prompt for p in search.task.problems}
    mistakes = [Mistake(prompts.get(m["problem_id"], ""), m["answer"], m["why"]) for m in drawn]
    known = [Tried(r.number, r.modification, parent.mean, r.mean) for r in siblings]
    attempt, refused = 1, ""
    while True:
        asked = improve_messages(
            search.task,
            search.run.config.operators,
            parent.workflow,
            parent.mean,
            known,
            mistakes,
            refused,
        )
        built = await propose_for(
            search.run,
            asked,
            round_number=number,
            seed=seed_of(search, "meta", number, attempt),
            ask=journalled(search.run, search.journal, f"round-{number}/try-{attempt}"),
        )
        if isinstance(built, Rejected):
            return built, f"The workflow cannot run:\n{diagnosis(built)}"
        same = _same(built, rounds, siblings)
        if same is None:
            return built, ""
        if attempt > options.duplicate_retries:
            return built, f"Every proposal repeats an earlier round; the last one, round {same}."
        text = f"Round {number}, try {attempt}: the change repeats round {same}."
        search.run.emitter.emit(Notice(level="info", text=text))
        refused = f"Your last proposal is that of round {same} again. Change something else."
        attempt += 1


def _same(built: Workflow, rounds: dict[int, _Round], siblings: list[_Round]) -> int | None:
    """The round that this workflow repeats: one with the same workflow, or with the same change of the
    same parent.
    """
    change = " ".join(built.modification.split()).casefold()
    for other in rounds.values():
        if other.workflow is not None and other.workflow.id == built.id:
            return other.number
    for other in siblings:
        if change and " ".join(other.modification.split()).casefold() == change:
            return other.number
    return None


async def _validated(
    search: SearchContext,
    options: AFlowOptions,
    workflow: Workflow,
    number: int,
    parent: int | None,
    modification: str,
) -> _Round:
    outcomes, log = await tried(
        search, f"round-{number}", workflow, repeats=options.validation_rounds, extra=mistakes_of
    )
    scores = by_repeat(outcomes)
    why = "" if scores else f"No run came to a verdict: {_first_error(outcomes)}"
    return _Round(number, parent, modification, workflow, scores, log, why)


def mistakes_of(trials: list[Trial]) -> list[dict[str, str]]:
    """{problem_id, answer, why} of the first trials that did not solve their problem.

    AFlow's release logs the canonical solution as well, and shows it to the meta-agent.
    """
    wrong = [(t, s) for t in trials if (s := score_of(t)) is not None and s < 1.0]
    return [
        {
            "problem_id": t.problem_id,
            "answer": clipped(t.answer or ""),
            "why": clipped(t.error, 300) if t.error else f"the answer is wrong (score {s:.2f})",
        }
        for t, s in wrong[:_LOG_SIZE]
    ]


def _first_error(outcomes: list[Outcome]) -> str:
    return next((o["error"] for o in outcomes if o["error"]), "there were no runs") or ""


def _close(search: SearchContext, rounds: dict[int, _Round], number: int) -> None:
    this = rounds[number]
    text = this.why
    if this.mean is not None:
        text = f"Mean score {this.mean:.4f} over {len(this.scores)} validations"
        if this.parent is not None:
            text += f"; its parent, round {this.parent}, has {rounds[this.parent].mean or 0.0:.4f}"
    search.run.emitter.emit(
        RoundFinished(
            round=number,
            workflow_id=this.workflow.id if this.workflow else None,
            score=this.mean,
            feedback=text,
        )
    )


def _give_up(search: SearchContext, options: AFlowOptions, rounds: dict[int, _Round]) -> None:
    """Raise where nothing of the meta-agent's could run so far, and it had its chances."""
    written = [r for n, r in rounds.items() if n > 1]
    chances = min(options.give_up_after, options.rounds)
    if chances and len(written) >= chances and not any(r.workflow for r in written):
        raise SearchError(
            f"the meta-agent {search.run.services.meta_agent.name} wrote no workflow that can run in "
            f"{len(written)} rounds; use a stronger one. {written[-1].why}"
        )


def _converged(options: AFlowOptions, rounds: dict[int, _Round]) -> bool:
    scores = [r.scores for r in rounds.values()]
    return converged(scores, top=options.top, z=options.z, consecutive=options.consecutive)


def _or_below(score: float | None) -> float:
    return -1.0 if score is None else score


_SETS: dict[Kind, str] = {"code": "aflow-code", "math": "aflow-math", "qa": "aflow-qa", "open": "aflow-qa"}
# Asked for a change of a workflow, the embedded meta-agent writes none (0 of 4 replies).
VARIANT = Variant(
    solve_found,
    AFlowOptions,
    search,
    operators=lambda kind: _SETS[kind],
    alone=False,
    embedded=False,
)
