"""Commands that carry experiments out and list them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.commands.options import JsonFlag, MetaAgent, UnsafeLocal, Worker

app = typer.Typer(rich_markup_mode=None)


@app.command()
def bench(
    benchmark: Annotated[
        str | None,
        typer.Argument(metavar="BENCHMARK", help="A benchmark's name, or a JSONL file of problems."),
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC", help="A variant, as in NAME or NAME,KEY=VALUE; give several to compare."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The experiment's name; by default one is made.")] = None,
    split: Annotated[str | None, typer.Option(help="Division of the problems, as in aflow-1:4.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many problems of each part.")] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Trials per variant and problem.  [default: 1]")
    ] = None,
    executions: Annotated[
        int | None, typer.Option(min=1, max=100, help="Executions of a workflow in a trial.  [default: 3]")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the first repeat; 1 more each.")] = None,
    meta_agent: MetaAgent = None,
    worker: Worker = None,
    data: Annotated[Path | None, typer.Option(help="Local data of the benchmark: a file or folder.")] = None,
    found: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT", help="Use what its searches found, search no more.")
    ] = None,
    on: Annotated[
        str,
        typer.Option(metavar="WHERE", help="Where trials run: local, ray, or ray://HOST:PORT (a cluster)."),
    ] = "local",
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="Trials at once.")] = 8,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Start nothing more once so much is spent.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="NAME", help="Go on with this experiment: what is done stays.")
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            help="With --resume, only these: infra, error, budget, failed, a problem's or run's id."
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check first that the reference solutions pass.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what it would take, run nothing.")] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run it in the background, and say how to follow it.")
    ] = False,
    unsafe_local: UnsafeLocal = False,
    json: JsonFlag = False,
) -> None:
    """Run variants on the problems of a benchmark: an experiment that can be interrupted and resumed.

    Exit code: 0 all trials are done, 1 a reference solution fails, 2 wrong usage, 3 trials are left to
    do, 130 interrupted.
    """
    from engine.config import load
    from tui.service.experiments.prepare import BenchRequest
    from tui.service.experiments.prepare import bench as run_bench
    from tui.service.experiments.prepare import detach as start_bench
    from tui.service.runtime import Workbench

    request = BenchRequest(
        benchmark=benchmark,
        variants=variant or (),
        name=name,
        limit=limit,
        split=split,
        repeats=repeats,
        executions=executions,
        seed=seed,
        data=data,
        meta_agent=meta_agent,
        worker=worker,
        found=found,
        resume=resume,
        retry=retry or (),
        on=on,
        concurrency=concurrency,
        budget_usd=budget,
        verify=verify,
        dry_run=dry_run,
        as_json=json,
    )
    if detach:
        raise typer.Exit(start_bench(load(), request, unsafe_local=unsafe_local))
    raise typer.Exit(run_bench(Workbench(load(), unsafe_local=unsafe_local), request))


@app.command()
def experiments(json: JsonFlag = False) -> None:
    """List experiments, newest first: how far they are and how well their variants do."""
    from engine.config import load
    from tui.reports.experiments import print_experiments

    print_experiments(load().store_path(), as_json=json)
