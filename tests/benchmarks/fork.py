"""How long a fork takes to its first live step: `python -m tests.benchmarks.fork`.

The parent is a run of 100 steps in a real sandbox, recorded in a store; the fork changes the last one, so
that 99 are served. The clock runs from the start of the fork, with its services opened, until that step
begins to run; reading the parent's record from the store is told apart. Prints medians and their ratio to the
limit.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import aclosing
from pathlib import Path

from engine.events import ModelCallStarted
from engine.guest_modules import guest_modules
from engine.operators.sets import PAPER
from engine.problems import Problem
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget
from engine.runner import Run, workflow_job
from engine.workflows import Workflow, build_workflow
from sandbox.pool import Pool, open_sandbox
from store.recorder import Recorder
from store.recording import recorded
from tests.support.runs import completion
from tests.support.scripted import ScriptedModel
from tui.service.asked.fork import fork_request, fork_run, read_record

STEPS = 100
LIMIT_S = 0.5
BODY = f"""
text = "start"
for number in range({STEPS}):
    text = (await self.custom(input=text, instruction=f"Step {{number}}."))["response"]
return text
"""


async def parent(sandbox: Pool, store: Path) -> str:
    """Record the run that is forked; its id."""
    workflow = build_workflow(completion(BODY), "", PAPER)
    assert isinstance(workflow, Workflow), workflow
    models = ScriptedModel("meta", ""), ScriptedModel("worker", lambda m, _: m[-1]["content"][-2000:])
    problem = Problem("steps", "Take a hundred steps.", kind="open")
    config = RunConfig(repeats=1, variant="workflow-file")
    run = Run(problem, config, Services(*models, sandbox), job=workflow_job(workflow))
    async with Recorder(store) as recorder:
        async for _ in recorded(run, recorder):
            pass
    return run.id


async def fork_once(sandbox: Pool, store: Path, run_id: str) -> tuple[float, float]:
    """Seconds to read the record, and from the fork's start to its first live step."""
    begun = time.perf_counter()
    record = read_record(store, run_id)
    request = fork_request(record, at=str(STEPS - 1), sets=["instruction=Another last step."])
    read = time.perf_counter() - begun
    models = ScriptedModel("meta", ""), ScriptedModel("worker", "done")
    run = fork_run(record, request, Services(*models, sandbox), Budget())
    began, live = time.perf_counter(), 0.0
    async with Recorder(store) as recorder, aclosing(recorded(run, recorder)) as events:
        async for event in events:
            if isinstance(event, ModelCallStarted) and not live:
                live = time.perf_counter() - began
    assert len(models[1].calls) == 1
    return read, live


async def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store.db"
        async with open_sandbox(guest_modules=guest_modules()) as sandbox:
            run_id = await parent(sandbox, store)
            await fork_once(sandbox, store, run_id)
            times = [await fork_once(sandbox, store, run_id) for _ in range(rounds)]
    reads, lives = (statistics.median(column) for column in zip(*times, strict=True))
    worst = max(live for _, live in times)
    told = f"{lives * 1e3:.0f} ms (worst {worst * 1e3:.0f} ms), limit {LIMIT_S * 1e3:.0f} ms"
    print(f"{STEPS} steps, {rounds} forks in {sandbox.name}: reading the record {reads * 1e3:.0f} ms,")
    print(f"to the first live step {told}")
    print(f"ratio to the limit {lives / LIMIT_S:.2f}")
    return 0 if lives <= LIMIT_S else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    sys.exit(asyncio.run(main(parser.parse_args().rounds)))
