"""FlowReasoner's loop at equal calls: each preset and single option against the default.

    python -m tests.benchmarks.loop_options [--problems N] [--seeds N] [--calls N] [--minutes N]
                                            [--all-with KEY=VALUE,…]

With the embedded models. Every search has the same number of model calls, the meta-agent's included, and is
cut off there: the best of the rounds that were finished counts, and is executed three times on `test`. A
search that stops early leaves calls over. The problems are fresh ones of the embedded models' language, of
compositions that were held out of their training; none is of the benchmark `pocket`. Options are paired by
problem and share their draws: a seeded reply to the same messages is the same, so it is asked for once.
Intervals are paired bootstraps over problems, the seeds of each being averaged.

With the default, the first round mostly passes `val`, so that options of later rounds have little to act on.
`--all-with show_tests=no` gives every search that option: more rounds are needed then. Presets and other
values of that option are left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from engine.config import load
from engine.events import EvaluationFinished, Event, ModelCallFinished, RoundFinished, WorkflowProposed
from engine.guest_modules import guest_modules
from engine.models.base import ChatModel, Completion, Delta, Message, Retry, Sampling
from engine.models.registry import open_model
from engine.problems import Problem
from engine.run.context import RunConfig, RunContext, Services
from engine.run.ledger import Budget
from engine.runner import Run
from engine.scores.statistics import mean_intervals
from engine.variants import Result
from engine.variants.final import finish
from engine.variants.flowreasoner import search
from engine.variants.spec import read_spec
from engine.workflows import Workflow, build_workflow
from sandbox import open_sandbox
from training.pocket.tasks import generate

SEED = 1128  # of the problems
EXECUTIONS = 3
TOGETHER = 24  # searches in progress: more of them fill the batches of the embedded models
CONTAINERS = 12  # a workflow keeps one while it waits for its model
DEFAULT = "flowreasoner"
OTHERS = (
    *("preset=paper", "preset=release", "parent=soft-mixed", "seed=template", "feedback=none"),
    *("feedback=all", "repair=no", "stop_early=no", "show_tests=no"),
)


class Remembering:
    """A model that is asked once for each seeded reply."""

    def __init__(self, model: ChatModel) -> None:
        self.name = model.name
        self._model = model
        self._replies: dict[str, asyncio.Task[Completion]] = {}

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Completion]:
        key = json.dumps([list(messages), sampling.to_json()])
        if key not in self._replies:
            self._replies[key] = asyncio.create_task(self._ask(messages, sampling))
        yield await asyncio.shield(self._replies[key])

    async def _ask(self, messages: Sequence[Message], sampling: Sampling) -> Completion:
        said = [part async for part in self._model.stream(messages, sampling)]
        assert isinstance(said[-1], Completion)
        return said[-1]

    async def aclose(self) -> None:
        for reply in self._replies.values():  # that nobody waits for any more
            reply.cancel()
        await asyncio.gather(*self._replies.values(), return_exceptions=True)
        await self._model.aclose()


@dataclass(frozen=True)
class Trial:
    """The share of executions of the chosen workflow that pass all of `test`, and what the search cost."""

    passed: float
    calls: int
    rounds: int


async def trial(problem: Problem, options: str, seed: int, calls: int, services: Services) -> Trial:
    """One search, cut off after `calls`, and the test of what it found."""
    spec, _ = read_spec(",".join(filter(None, (DEFAULT, options))))
    config = RunConfig(
        rounds=calls,
        repeats=EXECUTIONS,
        seed=seed,
        options=spec.values,
        budget=Budget(model_calls=calls),
        deltas=False,
    )

    async def only_search(context: RunContext) -> Result:
        await search(context)
        return Result(None, None, None, None)

    events = [event async for event in Run(problem, config, services, job=only_search).events()]
    spent = sum(isinstance(event, ModelCallFinished) for event in events)
    scored = [e for e in events if isinstance(e, RoundFinished) and e.score is not None]
    if not scored:
        return Trial(0.0, spent, 0)
    best = max(scored, key=lambda e: (e.score or 0.0, -e.round))
    workflow = _workflow(events, best.round, config)

    async def only_final(context: RunContext) -> Result:
        return await finish(context, workflow, round_number=1, val_score=best.score)

    final = RunConfig(repeats=EXECUTIONS, seed=seed, deltas=False)
    judged = [
        event
        async for event in Run(problem, final, services, job=only_final).events()
        if isinstance(event, EvaluationFinished)
    ]
    assert len(judged) == EXECUTIONS, f"{problem.id}: {len(judged)} verdicts"
    return Trial(statistics.mean(e.score == 1.0 for e in judged), spent, len(scored))


def _workflow(events: Sequence[Event], number: int, config: RunConfig) -> Workflow:
    proposals = [e for e in events if isinstance(e, WorkflowProposed) and e.round == number and e.workflow_id]
    built = build_workflow(proposals[-1].code, proposals[-1].prompts, config.operators)
    assert isinstance(built, Workflow)
    return built


async def measure(
    problems: Sequence[Problem], seeds: int, calls: int, minutes: float, common: str
) -> dict[str, list[list[Trial]]]:
    """Per option and problem, the trials of all seeds, for the problems that every option was done with in
    time. `common` are options that all searches have.
    """
    keys = {pair.partition("=")[0] for pair in common.split(",") if pair} | ({"preset"} if common else set())
    compared = ("", *(option for option in OTHERS if option.partition("=")[0] not in keys))
    settings = load()
    meta, worker = (Remembering(open_model(name, settings)) for name in ("pocket-meta", "pocket-worker"))
    slots = asyncio.Semaphore(TOGETHER)
    async with open_sandbox(guest_modules=guest_modules(), size=CONTAINERS) as sandbox:
        services = Services(meta, worker, sandbox)

        async def one(problem: Problem, option: str, seed: int) -> Trial:
            async with slots:
                options = ",".join(filter(None, (common, option)))
                return await trial(problem, options, seed, calls, services)

        async def per_problem(problem: Problem, option: str) -> list[Trial]:
            return list(await asyncio.gather(*(one(problem, option, seed) for seed in range(seeds))))

        tasks = {
            (option, problem.id): asyncio.create_task(per_problem(problem, option))
            for problem in problems
            for option in compared
        }
        await asyncio.wait(tasks.values(), timeout=60 * minutes)
        done = [p for p in problems if all(tasks[o, p.id].done() for o in compared)]
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
    await meta.aclose()
    await worker.aclose()
    return {o: [tasks[o, problem.id].result() for problem in done] for o in compared}


def report(trials: dict[str, list[list[Trial]]]) -> str:
    """The table, as Markdown."""

    def passed(option: str) -> list[float]:
        return [100 * statistics.mean(t.passed for t in each) for each in trials[option]]

    base, others = passed(""), [option for option in trials if option]
    rows = [[a - b for a, b in zip(passed(option), base, strict=True)] for option in others]
    intervals = mean_intervals(rows)
    lines = [
        "| Option | passed, % | against the default [95 %] | calls | rounds |",
        "|---|---|---|---|---|",
    ]
    for option in trials:
        every = [t for each in trials[option] for t in each]
        against = "–"
        if option:
            place = others.index(option)
            within = intervals[place]
            span = f" [{within.low:+.1f}, {within.high:+.1f}]" if within else ""
            against = f"{statistics.mean(rows[place]):+.1f}{span}"
        calls, rounds = (statistics.mean(v) for v in ([t.calls for t in every], [t.rounds for t in every]))
        name = f"`{option}`" if option else "the default"
        lines.append(
            f"| {name} | {statistics.mean(passed(option)):.1f} | {against} | {calls:.1f} | {rounds:.1f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--problems", type=int, default=20)
    parser.add_argument("--calls", type=int, default=40)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60.0, help="report what is done by then")
    parser.add_argument("--all-with", default="", metavar="KEY=VALUE,…", help="options of all searches")
    args = parser.parse_args()
    problems = generate(SEED, "held-out", args.problems)
    started = time.perf_counter()
    trials = asyncio.run(measure(problems, args.seeds, args.calls, args.minutes, args.all_with))
    table = report(trials)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(table)
    print(f"\n{len(trials[''])} problems, {args.seeds} seeds, {args.calls} calls a search; ", end="")
    print(f"{time.perf_counter() - started:.0f} s, {used.ru_utime + used.ru_stime:.0f} s of CPU time")


if __name__ == "__main__":
    main()
