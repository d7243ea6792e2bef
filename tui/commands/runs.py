"""Commands that run a problem, or a given workflow on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tui.commands.options import Data, JsonFlag, MetaAgent, UnsafeLocal, Worker

app = typer.Typer(rich_markup_mode=None)

Seed = Annotated[int, typer.Option(help="Seed for all sampling.")]
Repeats = Annotated[int, typer.Option(min=1, max=100, help="Executions per workflow and split.")]
TestsFile = Annotated[
    Path | None, typer.Option("--tests", help="File of tests: asserts, test functions, check(), JSON splits.")
]
EntryPoint = Annotated[str | None, typer.Option(help="Name of the function the tests call.")]
MakeTests = Annotated[bool, typer.Option("--make-tests", help="Have a worker write visible tests first.")]
Operators = Annotated[
    str,
    typer.Option(metavar="SET", help="Operators: a set's name, FILE.toml, or auto for the variant's own."),
]
OwnOperators = Annotated[
    str | None, typer.Option("--operators", metavar="SET", help="As for `run`. Default: a set that fits.")
]
Out = Annotated[Path | None, typer.Option(help="Folder to save the answer and its workflow in.")]
PROBLEM = typer.Argument(
    metavar="PROBLEM", help="FILE.json, FILE.jsonl#ID, BENCHMARK:ID, or - for standard input."
)


@app.command()
def run(
    problem: Annotated[str, PROBLEM],
    variant: Annotated[
        str | None,
        typer.Option(metavar="NAME[,KEY=VALUE…]", help="A variant (see `variants`), or your own FILE.py."),
    ] = None,
    meta_agent: MetaAgent = None,
    worker: Worker = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds of the search.")] = 10,
    repeats: Repeats = 3,
    seed: Seed = 0,
    all_rounds: Annotated[
        bool, typer.Option("--all-rounds", help="Keep searching after all val tests pass.")
    ] = False,
    operators: Operators = "auto",
    found: Annotated[
        str | None,
        typer.Option(metavar="EXPERIMENT", help="Use what the variant's search found in this experiment."),
    ] = None,
    make_tests: MakeTests = False,
    tests: TestsFile = None,
    entry_point: EntryPoint = None,
    data: Data = None,
    unsafe_local: UnsafeLocal = False,
    out: Out = None,
    json: JsonFlag = False,
) -> None:
    """Run one problem and stream its events.

    Exit code: 0 passed or answered, 1 failed its tests, 2 wrong usage, 3 no verdict possible,
    130 interrupted.
    """
    from engine.config import load
    from tui.headless.run import run as run_headless
    from tui.service.requests import NewRun
    from tui.service.runtime import Runtime

    settings = load()
    request = NewRun(
        problem=_problem(problem, tests, entry_point, data or settings.data),
        variant=variant or settings.variant,
        meta_agent=meta_agent or settings.meta_agent,
        worker=worker or settings.worker,
        rounds=rounds,
        seed=seed,
        repeats=repeats,
        stop_early=not all_rounds,
        make_tests=make_tests,
        operators=operators,
        found=found,
    )
    runtime = Runtime(settings, unsafe_local=unsafe_local)
    raise typer.Exit(run_headless(runtime, request, as_json=json, out=out))


@app.command("run-workflow")
def run_workflow(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Workflow source; the formats are in docs/formats.md.")
    ],
    problem: Annotated[str, typer.Option("--problem", metavar="PROBLEM", help="As for `run`.")],
    worker: Worker = None,
    repeats: Repeats = 3,
    seed: Seed = 0,
    operators: OwnOperators = None,
    make_tests: MakeTests = False,
    tests: TestsFile = None,
    entry_point: EntryPoint = None,
    data: Data = None,
    unsafe_local: UnsafeLocal = False,
    out: Out = None,
    json: JsonFlag = False,
) -> None:
    """Run a workflow file on a problem and score it. Exit codes as for `run`."""
    from engine.config import load
    from engine.operators.own import load_set
    from tui.headless.run import run as run_headless
    from tui.service.asked.workflow import load_workflow
    from tui.service.requests import GivenWorkflow
    from tui.service.runtime import Runtime

    settings = load()
    workflow = load_workflow(file, load_set(operators) if operators else None)
    request = GivenWorkflow(
        workflow=workflow,
        problem=_problem(problem, tests, entry_point, data or settings.data),
        meta_agent=settings.meta_agent,
        worker=worker or settings.worker,
        seed=seed,
        repeats=repeats,
        make_tests=make_tests,
        operators=operators or workflow.operators.name,
    )
    runtime = Runtime(settings, unsafe_local=unsafe_local)
    raise typer.Exit(run_headless(runtime, request, as_json=json, out=out))


def _problem(argument: str, tests: Path | None, entry_point: str | None, data: Path | None) -> Any:
    from tui.service.asked.problem import resolve, with_tests

    return with_tests(resolve(argument, data), tests, entry_point)
