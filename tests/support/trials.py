"""Experiments put into a store by hand: trials that ended as the test says, without running anything."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from engine.events import (
    EvaluationFinished,
    Event,
    ModelCallFinished,
    ModelCallStarted,
    RunFinished,
    RunStarted,
    StepFinished,
    StepStarted,
    WorkflowProposed,
    WorkflowStarted,
)
from engine.experiments.keys import TrialKey
from store.db import open_writer, write
from store.projections import add
from tests.support.stores import begin_store

CODE = """class Workflow:
    async def __call__(self, problem):
        return await self.custom(input=problem)
"""


@dataclass(frozen=True)
class Step:
    """A step of a run's test execution."""

    operator: str
    output: Any
    key: str = ""
    inputs: Mapping[str, Any] | None = None
    prompt: str = ""  # of its only model call, if it makes one; the reply is the output
    wall_ms: float = 1.0
    usd: float | None = 0.0


@dataclass(frozen=True)
class Reply:
    """A reply of the meta-agent and the workflow read from it; without `turn`, none was looked for."""

    code: str = CODE
    runs: bool = True
    as_written: bool = True
    reasoning: str = ""
    turn: Literal["reply", "repair"] | None = "reply"
    journalled: bool = False  # a resumed search has it without a call


@dataclass(frozen=True)
class Ran:
    """How a run went. Times are in milliseconds; the meta-agent's call comes first, then the worker's."""

    status: str = "passed"
    score: float | None = None
    val_score: float | None = None
    strict: bool = True
    meta_usd: float | None = 0.0
    worker_usd: float | None = 0.0
    meta_ms: float = 0.0
    worker_ms: float = 100.0
    worker: str = "w"
    seed: int = 1
    code: str = ""
    steps: tuple[Step, ...] = ()
    error: str | None = None
    mode: str = "split"
    answer: str = "42"
    question: str = "q"  # what the meta-agent was asked
    round: int = 1
    replies: tuple[Reply, ...] = ()  # more of the meta-agent's, before the workflow that is scored

    @property
    def told_score(self) -> float | None:
        return {"passed": 1.0, "failed": 0.0}.get(self.status) if self.score is None else self.score


PASS, FAIL = Ran(), Ran("failed")


def run_events(
    run_id: str,
    ran: Ran,
    *,
    problem: str = "p",
    variant: str = "v",
    origin: dict[str, Any] | None = None,
    at: float = 1.78e9,
    tests: list[str] | None = None,
) -> Iterator[Event]:
    """A run's events. A status of "running" leaves out its end."""
    body = list(_body(ran, problem, variant, origin, tests))
    for seq, event in enumerate(body):
        yield dataclasses.replace(event, run_id=run_id, seq=seq, at=at + seq / 1e3, mono=seq / 1e3)


def _body(
    ran: Ran, problem: str, variant: str, origin: dict[str, Any] | None, tests: list[str] | None
) -> Iterator[Event]:
    yield RunStarted(
        problem={
            "id": problem,
            "prompt": f"Solve {problem}.",
            "tests": {"test": tests or ["assert f() == 1"]},
        },
        variant=variant,
        meta_agent="meta",
        worker=ran.worker,
        seed=ran.seed,
        sandbox="docker",
        config={"rounds": 2, "seed": ran.seed, "budget": {"usd": None}},
        origin=origin or {},
    )
    if ran.meta_ms:
        yield from _call("c0", "meta", ran.meta_ms, ran.meta_usd, prompt=ran.question)
    for number, reply in enumerate(ran.replies):
        if not reply.journalled:
            yield from _call(f"m{number}", "meta", 1.0, 0.0, reasoning=reply.reasoning)
        if reply.turn:
            as_written = reply.runs and reply.as_written
            yield _proposed(reply.code, runs=reply.runs, strict_ok=as_written, turn=reply.turn)
    workflow_id = None
    if ran.code:
        proposed = _proposed(ran.code, strict_ok=ran.strict, steps=ran.steps)
        workflow_id = proposed.workflow_id
        yield proposed
    yield WorkflowStarted(
        execution_id="e1",
        workflow_id=workflow_id or "",
        round=ran.round,
        repeat=1,
        purpose="test",
        container_id="box",
    )
    if ran.worker_ms:
        yield from _call("c1", "worker", ran.worker_ms, ran.worker_usd)
    for index, step in enumerate(ran.steps):
        yield StepStarted(
            step_id=f"s{index}",
            execution_id="e1",
            index=index,
            operator=step.operator,
            line=3,
            key=step.key or f"k{index}",
            inputs=dict(step.inputs or {}),
        )
        if step.prompt:
            yield from _call(
                f"c-s{index}",
                "worker",
                step.wall_ms,
                step.usd,
                f"s{index}",
                step.prompt,
                str(step.output),
                ran.worker,
            )
        yield StepFinished(
            step_id=f"s{index}",
            status="ok",
            output=step.output,
            error=None,
            reused=False,
            wall_ms=step.wall_ms,
            cpu_ms=1.0,
            tokens_in=0,
            tokens_out=0,
            cost_usd=step.usd,
        )
    if ran.status in ("passed", "failed"):
        yield EvaluationFinished(
            execution_id="e1",
            workflow_id=workflow_id or "wf",
            split="test",
            repeat=1,
            score=ran.told_score,
            passed=int(ran.status == "passed"),
            total=1,
            strict=ran.strict,
            tests_written_by="author",
            verdict={"metric": "tests", "status": ran.status, "tests": [], "mode": ran.mode},
        )
    if ran.status != "running":
        costs = (ran.meta_usd if ran.meta_ms else 0.0, ran.worker_usd if ran.worker_ms else 0.0)
        yield RunFinished(
            status=ran.status,
            score=ran.told_score,
            val_score=ran.val_score,
            answer=ran.answer,
            workflow_id=workflow_id or ("wf" if ran.status in ("passed", "failed") else None),
            error=ran.error,
            tokens_in=10,
            tokens_out=5,
            cost_usd=None if None in costs else sum(c for c in costs if c is not None),
            model_calls=1,
            steps=len(ran.steps),
            wall_ms=ran.meta_ms + ran.worker_ms,
        )


def _proposed(
    code: str, *, strict_ok: bool, runs: bool = True, steps: tuple[Step, ...] = (), turn: Any = None
) -> WorkflowProposed:
    return WorkflowProposed(
        round=1,
        workflow_id=f"{zlib.crc32(code.encode()):08x}wf" if runs else None,
        code=code,
        prompts="",
        modification="",
        strict_ok=strict_ok,
        diagnostics=(),
        repairs=(),
        graph={"nodes": [_node(i, step) for i, step in enumerate(steps)], "edges": []},
        complexity=len(code.splitlines()),
        turn=turn,
    )


def _node(index: int, step: Step) -> dict[str, Any]:
    shape = {"in_loop": False, "conditional": False, "concurrent": False}
    where = {"id": f"n{index}", "attribute": step.operator.lower(), "line": 3, "end_line": 3}
    return {**where, "operator": step.operator, **shape}


def _call(
    call_id: str,
    role: Any,
    wall_ms: float,
    cost: float | None,
    step_id: str | None = None,
    prompt: str = "q",
    reply: str = "t",
    model: str = "m",
    reasoning: str = "",
) -> Iterator[Event]:
    yield ModelCallStarted(
        call_id=call_id,
        role=role,
        model=model,
        step_id=step_id,
        messages=({"role": "user", "content": prompt},),
        params={},
    )
    yield ModelCallFinished(
        call_id=call_id,
        text=reply,
        reasoning=reasoning,
        finish="stop",
        tokens_in=10,
        tokens_out=5,
        cost_usd=cost,
        ttft_ms=1.0,
        wall_ms=wall_ms,
    )


def store_run(path: Path, run_id: str, ran: Ran, **about: Any) -> None:
    """Store one run that is no trial."""
    _write(path, [run_events(run_id, ran, **about)], None)


def store_experiment(
    path: Path, name: str, trials: Mapping[str, Mapping[str, Iterable[Ran]]], **plan: Any
) -> None:
    """Store an experiment: for each label and problem its repeats, as they went."""
    problems = list(dict.fromkeys(problem for of_label in trials.values() for problem in of_label))
    repeats = max((len(list(rans)) for of_label in trials.values() for rans in of_label.values()), default=1)
    known = {
        "name": name,
        "benchmark": "bench",
        "split": None,
        "data": None,
        "seed": 1,
        "repeats": repeats,
        "executions": 1,
        "meta_agent": "meta",
        "worker": "w",
        "variants": {label: label for label in trials},
        "problems": problems,
        "search_problems": [],
        "digest": "d",
        "found": None,
    } | plan
    runs = (
        run_events(
            f"{name}-{label}-{number}-{repeat}",
            ran,
            problem=problem,
            variant=label.partition(",")[0],
            origin={"experiment": name, "trial": str(TrialKey(label, problem, repeat)), "stage": "final"},
        )
        for label, of_label in trials.items()
        for number, (problem, rans) in enumerate(of_label.items())
        for repeat, ran in enumerate(rans, 1)
    )
    _write(path, runs, known)


def _write(path: Path, runs: Iterable[Iterable[Event]], plan: Mapping[str, Any] | None) -> None:
    begin_store(path)
    db = open_writer(path)
    with write(db):
        if plan is not None:
            row = (plan["name"], plan["benchmark"], json.dumps(plan))
            db.execute(
                "INSERT INTO experiments(name, benchmark, plan, started_at) VALUES (?, ?, ?, 1.0)", row
            )
        for events in runs:
            add(db, events)
    db.close()
