"""`python -m training.pocket.examples`: choose the problems that ship, and the one a first run opens on.

The bundled example is a held-out problem on which the worker's first attempt nearly always fails a
visible test and a later one nearly always passes, so that a first run shows what workflows are for.
`--rate N` runs it through the engine with N seeds, both models and the sandbox, and counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.benchmarks import find_problem, pocket
from engine.benchmarks.pocket import EXAMPLE_ID
from engine.events import CodeExecuted, RoundStarted, RunFinished
from engine.guest_modules import guest_modules
from engine.models.local import LocalModel
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.runner import Run
from sandbox import open_sandbox
from training.pocket import environment
from training.pocket import model as models
from training.pocket.evaluate import Bench
from training.pocket.phrases import SHORT_NAMES, VERBS
from training.pocket.tasks import Example, examples

FILE = Path(pocket.__file__).with_name("pocket.jsonl")
SEED = 7
SHIPPED = 40
_POOL = 4000
_CANDIDATES = 40
_LUCK = (0.05, 0.35)
_FINALISTS = 5
_SEEDS = 50
_ATTEMPTS = 16
_TURNS = 4


def readable(example: Example) -> bool:
    """Whether a query reads naturally: a usual name, a sentence, no extra parameter."""
    name = example.task.name
    usual = name in SHORT_NAMES or name.partition("_")[0] in VERBS
    return usual and example.task.extra is None and "\n" not in example.prompt


def luck(example: Example) -> float:
    """The probability of reading every vague phrase as it is meant, from 0 to 1."""
    return math.prod(
        step.odds[step.others.index(step.code)] if step.vague else 1.0 for step in example.task.steps
    )  # fmt: skip


def candidates() -> list[Example]:
    """Held-out problems whose vague phrases have unlikely, but not the unlikeliest, meanings."""
    fit = [
        example
        for example in examples(SEED, "held-out", _POOL)
        if readable(example) and len(example.task.steps) in (2, 3) and _LUCK[0] <= luck(example) <= _LUCK[1]
    ]
    return fit[:_CANDIDATES]


async def rank(weights: Path) -> list[tuple[float, float, Example]]:
    """(share of first attempts that fail visibly, share of loops that end right, candidate), the best first.

    Shares are from 0 to 1. Raises SandboxError.
    """
    import torch

    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    model, tokenizer = models.load(weights / "worker")
    chosen = candidates()
    repeated = [one for one in chosen for _ in range(_ATTEMPTS)]
    async with open_sandbox() as sandbox:
        bench = Bench(model, tokenizer, repeated, sandbox)
        first = bench.write(list(range(len(repeated))), models.WORKER.temperature)
        fails = [not ruling.passed for ruling in await bench.visible(first)]
        ended = await bench.mend(first, "revise", _TURNS)
        right = await bench.final(ended)
    rows: list[tuple[float, float, Example]] = []
    for i, example in enumerate(chosen):
        part = slice(i * _ATTEMPTS, (i + 1) * _ATTEMPTS)
        rows.append((sum(fails[part]) / _ATTEMPTS, sum(right[part]) / _ATTEMPTS, example))
    # Every run starts a workflow several times, so that a first attempt that mostly fails is enough;
    # that it ends right has to be all but sure.
    return sorted(rows, key=lambda row: (min(row[1], 0.95), row[0]), reverse=True)


async def choose(weights: Path) -> Example:
    """The candidate on which most runs of the engine show a failing test and pass; the first of equals wins.

    Raises RuntimeError where there is no candidate, or a run fails for another reason than the models.
    """
    best: tuple[int, Example] | None = None
    for fails, right, example in (await rank(weights))[:_FINALISTS]:
        counts = await rate(example.problem(), weights, _SEEDS, lambda line: None)
        hits = counts["failing_test_and_passed"]
        sys.stdout.write(
            f"first fails {fails:.2f}, ends right {right:.2f}, {hits} of {_SEEDS} runs: {example.prompt}\n"
        )
        if best is None or hits > best[0]:
            best = hits, example
    if best is None:
        raise RuntimeError("no candidate: widen the range of luck")
    return best[1]


def write_files(example: Example) -> None:
    """The benchmark's file: the bundled example as its first line, then the other problems."""
    bundled = replace(example.problem(), id=EXAMPLE_ID)
    others = [e.problem() for e in examples(SEED + 1, "held-out", 6 * SHIPPED) if readable(e)]
    problems = [bundled, *others[:SHIPPED]]
    lines = "".join(json.dumps(p.to_json(), ensure_ascii=False) + "\n" for p in problems)
    FILE.write_text(lines, encoding="utf-8")


async def rate(
    problem: Problem, weights: Path, seeds: int, report: Callable[[str], object]
) -> dict[str, Any]:
    """Run `problem` through the engine with seeds 0, 1, …; count the runs that show what it promises.

    Raises RuntimeError where a run fails for another reason than the models.
    """
    meta, worker = (
        LocalModel(f"pocket-{role}", str(weights / role), device="cpu") for role in ("meta", "worker")
    )
    counts = {"runs": 0, "failing_test": 0, "passed": 0, "failing_test_and_passed": 0, "one_round": 0}
    try:
        async with open_sandbox(guest_modules=guest_modules()) as sandbox:
            services = Services(meta, worker, sandbox)
            for seed in range(seeds):
                failed, passed, rounds = await _outcome(Run(problem, RunConfig(seed=seed), services))
                counts["runs"] += 1
                counts["failing_test"] += failed
                counts["passed"] += passed
                counts["failing_test_and_passed"] += failed and passed
                counts["one_round"] += rounds == 1
                report(f"seed {seed}: failing test {failed}, passed {passed}, rounds {rounds}\n")
    finally:
        await meta.aclose()
        await worker.aclose()
    return counts


async def _outcome(run: Run) -> tuple[bool, bool, int]:
    """Whether a step saw a failing test, whether the run passed its final tests, and its rounds."""
    failed, passed, rounds = False, False, 0
    async for event in run.events():
        if isinstance(event, CodeExecuted) and event.purpose == "visible-tests":
            failed = failed or event.verdict.get("status") != "passed"
        elif isinstance(event, RoundStarted):
            rounds = event.round
        elif isinstance(event, RunFinished):
            if event.status in ("error", "infra"):  # not the models' doing, so not to be counted
                raise RuntimeError(f"a run ended with {event.status}: {event.error}")
            passed = event.status == "passed"
    return failed, passed, rounds


def main(arguments: list[str] | None = None) -> None:
    """The program; `arguments` are those of the command line by default."""
    parser = argparse.ArgumentParser(prog="python -m training.pocket.examples", description=__doc__)
    parser.add_argument("--weights", type=Path, default=models.WEIGHTS)
    parser.add_argument("--rate", type=int, metavar="N", help="run the bundled example with N seeds instead")
    options = parser.parse_args(arguments)
    environment.ensure("training.pocket.examples")
    if options.rate:
        problem = find_problem("pocket", EXAMPLE_ID)
        counts = asyncio.run(rate(problem, options.weights, options.rate, sys.stdout.write))
        sys.stdout.write(json.dumps(counts) + "\n")
        return
    write_files(asyncio.run(choose(options.weights)))


if __name__ == "__main__":
    main()
