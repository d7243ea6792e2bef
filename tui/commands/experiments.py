"""Commands that carry experiments out and list them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tui.commands.options import JsonFlag, MetaAgent, UnsafeLocal, Worker

if TYPE_CHECKING:
    from tui.service.requests import Resume, TryFlips

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
            metavar="SPEC", help="A variant: NAME or NAME,KEY=VALUE; repeatable, to compare several."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The experiment's name. Default: a generated one.")] = None,
    split: Annotated[str | None, typer.Option(help="How to split the problems, such as aflow-1:4.")] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many problems, of those that are reported.")
    ] = None,
    search_limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most this many problems for searches.  [default: as --limit]"),
    ] = None,
    repeats: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Trials per variant and problem.  [default: 1]")
    ] = None,
    executions: Annotated[
        int | None, typer.Option(min=1, max=100, help="Executions of a workflow in a trial.  [default: 3]")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of the first repeat; each further repeat adds 1.")
    ] = None,
    meta_agent: MetaAgent = None,
    worker: Worker = None,
    data: Annotated[Path | None, typer.Option(help="Local data of the benchmark: a file or folder.")] = None,
    found: Annotated[
        str | None,
        typer.Option(
            metavar="EXPERIMENT", help="Use what the searches of this experiment found instead of searching."
        ),
    ] = None,
    on: Annotated[
        str,
        typer.Option(metavar="WHERE", help="Where trials run: local, ray, or ray://HOST:PORT (a cluster)."),
    ] = "local",
    concurrency: Annotated[int, typer.Option(min=1, max=10_000, help="How many trials to run at once.")] = 8,
    processes: Annotated[
        int,
        typer.Option(
            min=1, max=256, help="Processes of this machine that carry trials out: one for each core."
        ),
    ] = 1,
    budget: Annotated[
        float | None, typer.Option(min=0, metavar="USD", help="Start no more trials once this much is spent.")
    ] = None,
    resume: Annotated[
        str | None, typer.Option(metavar="NAME", help="Continue this experiment; finished trials are kept.")
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            help="With --resume, only these: infra, error, budget, failed, a problem's or run's id."
        ),
    ] = None,
    flips_of: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Try again, with new seeds, the problems on which this experiment's variants differ.",
        ),
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="First check that the reference solutions pass.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only estimate the calls and the cost; run nothing.")
    ] = False,
    detach: Annotated[
        bool, typer.Option("--detach", help="Run it in the background, and print how to follow it.")
    ] = False,
    unsafe_local: UnsafeLocal = False,
    json: JsonFlag = False,
) -> None:
    """Run variants on the problems of a benchmark: an experiment that can be interrupted and resumed.

    Exit code: 0 all trials are done, 1 a reference solution fails, 2 wrong usage, 3 trials are not
    done or all ended in the same error, 130 interrupted.
    """
    from engine.config import load
    from tui.headless.bench import bench as carry_out
    from tui.headless.bench import detach as start_elsewhere
    from tui.headless.bench import estimate_only, verify_only
    from tui.service.experiments.places import check_place
    from tui.service.requests import NewExperiment, Placement
    from tui.service.runtime import Runtime

    parts = {
        "variants": tuple(variant or ()),
        "name": name,
        "limit": limit,
        "search_limit": search_limit,
        "split": split,
        "repeats": repeats,
        "executions": executions,
        "seed": seed,
        "data": data,
        "meta_agent": meta_agent,
        "worker": worker,
        "found": found,
    }
    if resume is not None:
        request = _resumed(resume, benchmark, tuple(retry or ()), parts)
    elif flips_of is not None:
        request = _flips(flips_of, benchmark, parts)
    else:
        request = NewExperiment(benchmark=_benchmark(benchmark, retry), **parts)
    placement = Placement(on=on, concurrency=concurrency, budget_usd=budget, processes=processes)
    check_place(placement)
    settings = load()
    if detach:
        _for_this_terminal(("--dry-run", dry_run), ("--verify", verify), ("--unsafe-local", unsafe_local))
        raise typer.Exit(start_elsewhere(settings, request, placement, as_json=json))
    if dry_run:
        raise typer.Exit(estimate_only(settings, request, as_json=json))
    runtime = Runtime(settings, unsafe_local=unsafe_local)
    if verify and not variant and resume is None:
        raise typer.Exit(verify_only(runtime, request, as_json=json))
    raise typer.Exit(carry_out(runtime, request, placement, verify=verify, as_json=json))


def _resumed(name: str, benchmark: str | None, retry: tuple[str, ...], parts: Mapping[str, Any]) -> Resume:
    """Raises PlanError: an option would change what the experiment consists of."""
    from engine.experiments.plan import PlanError
    from tui.service.requests import Resume

    for option, value in parts.items():
        if value not in (None, ()):
            shown = option.rstrip("s") if option == "variants" else option.replace("_", "-")
            raise PlanError(
                f"--{shown} cannot change what {name} consists of; leave it out, or start a new one"
            )
    return Resume(name=name, benchmark=benchmark, retry=retry)


def _flips(of: str, benchmark: str | None, parts: Mapping[str, Any]) -> TryFlips:
    """Raises PlanError: an option would change what was compared."""
    from engine.experiments.plan import PlanError
    from tui.service.requests import DEFAULT_TRIES, TryFlips

    given = {**parts, "benchmark": benchmark}
    variants, repeats = given.pop("variants"), given.pop("repeats")
    for option, value in given.items():
        if value is not None:
            raise PlanError(
                f"--flips-of tries {of} again as it was: leave {option.replace('_', '-')} out;"
                " --variant and --repeats may be given"
            )
    return TryFlips(of=of, variants=variants, repeats=repeats or DEFAULT_TRIES)


def _benchmark(name: str | None, retry: list[str] | None) -> str:
    from engine.experiments.plan import PlanError

    if name is None:
        raise PlanError("name a benchmark or a file of problems, or an experiment to --resume")
    if retry:
        raise PlanError("--retry needs an experiment; name it with --resume NAME")
    return name


def _for_this_terminal(*options: tuple[str, bool]) -> None:
    from engine.experiments.plan import PlanError

    for option, is_on in options:
        if is_on:
            raise PlanError(f"{option} needs this terminal, which --detach leaves; leave one of them out")


@app.command()
def experiments(json: JsonFlag = False) -> None:
    """List experiments, newest first, with their progress and scores."""
    from engine.config_sources import store_path
    from tui.reports.experiments import print_experiments

    print_experiments(store_path(), as_json=json)
