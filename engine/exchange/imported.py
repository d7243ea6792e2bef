"""An AFlow workspace as the events of a run, as if its search had been recorded.

Rounds become rounds with their workflows, which are checked and never run; scores, modifications and the
round that each was made from become their feedback. Reference answers in AFlow's logs are left out, because
the meta-agent's feedback on a round must not hold them.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator

from engine.events import (
    Event,
    Notice,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    WorkflowProposed,
)
from engine.formats.aflow import AFLOW
from engine.formats.rounds import Round, Workspace
from engine.problems import Problem
from engine.workflows import Rejected, Workflow, WorkflowGraph
from engine.workflows.choice import build_for_its_set

VARIANT = "aflow-imported"
UNKNOWN = "unknown"


def events_of(workspace: Workspace) -> list[Event]:
    """All events of the run, RunFinished last. Its id is the workspace's, so importing the same content again
    makes the same run.
    """
    now = time.time()
    return [
        dataclasses.replace(event, run_id=workspace.id, seq=seq, at=now, mono=0.0)
        for seq, event in enumerate(_events(workspace))
    ]


def _events(workspace: Workspace) -> Iterator[Event]:
    rounds = workspace.rounds
    yield RunStarted(
        problem=_problem(workspace).to_json(),
        variant=VARIANT,
        meta_agent=UNKNOWN,
        worker=UNKNOWN,
        seed=0,
        sandbox="none",
        config={"rounds": len(rounds)},
    )
    text = "Imported from an AFlow workspace; nothing of it was executed here, and its costs are AFlow's."
    yield Notice(level="info", text=text)
    for note in workspace.notes:
        yield Notice(level="warning", text=note)
    ids: dict[int, str | None] = {}
    for made in rounds:
        yield RoundStarted(round=made.number)
        built = build_for_its_set(made.graph, made.prompts, AFLOW.sets) if made.graph is not None else None
        if built is not None:
            yield _proposed(made, built)
        ids[made.number] = built.id if isinstance(built, Workflow) else None
        yield RoundFinished(
            round=made.number, workflow_id=ids[made.number], score=made.score, feedback=feedback(made)
        )
    for number, score in sorted(workspace.tested.items()):
        yield Notice(level="info", text=f"On the test split, round {number} scored {score:.4f}.")
    yield _finished(workspace, ids)


def _problem(workspace: Workspace) -> Problem:
    name = workspace.dataset
    prompt = f"What AFlow found for {name}."
    return Problem(name or "workspace", prompt, metadata={"benchmark": name.lower(), "imported": "AFlow"})


def _proposed(made: Round, built: Workflow | Rejected) -> WorkflowProposed:
    runnable = isinstance(built, Workflow)
    graph: WorkflowGraph = built.graph
    return WorkflowProposed(
        round=made.number,
        workflow_id=built.id if runnable else None,
        code=built.code,
        prompts=built.prompts,
        modification=made.modification,
        strict_ok=runnable and built.strict_ok,
        diagnostics=tuple(d.to_json() for d in built.diagnostics),
        repairs=tuple(r.to_json() for r in built.repairs),
        graph=graph.to_json(),
        complexity=built.complexity,
    )


def feedback(made: Round) -> str:
    """What is known about a round's result, one fact on each line."""
    lines: list[str] = []
    if made.score is not None and made.scores:
        each = ", ".join(f"{s:.4f}" for s in made.scores)
        times = "once" if len(made.scores) == 1 else f"{len(made.scores)} times"
        lines.append(f"Mean score {made.score:.4f}, evaluated {times} ({each}).")
    elif made.score is None:
        lines.append("No score is recorded.")
    if made.parent is not None:
        before = f", which scored {made.before:.4f}" if made.before is not None else ""
        lines.append(f"Made from round {made.parent}{before}.")
    if made.cost_usd is not None:
        lines.append(f"Its evaluations cost {made.cost_usd:.4f} USD.")
    lines += made.evaluations
    if made.failed:
        lines.append(f"{made.failed} failures are logged, among them:")
        lines += [f"  {question!r} was answered {got!r}" for question, got in made.failures]
    return "\n".join(lines)


def _finished(workspace: Workspace, ids: dict[int, str | None]) -> RunFinished:
    """The run's end: its result is the best round, and its score that round's on the test split, where AFlow
    tested it.
    """
    best = workspace.best
    costs = [r.cost_usd for r in workspace.rounds if r.cost_usd is not None]
    runnable = any(ids.values())
    return RunFinished(
        status="answered" if runnable else "error",
        score=workspace.tested.get(best.number) if best is not None else None,
        val_score=best.score if best is not None else None,
        answer=None,
        workflow_id=ids.get(best.number) if best is not None else None,
        error=None if runnable else "None of its rounds holds a workflow that can be read.",
        tokens_in=0,
        tokens_out=0,
        cost_usd=sum(costs) if costs else None,
        model_calls=0,
        steps=0,
        wall_ms=0.0,
    )
