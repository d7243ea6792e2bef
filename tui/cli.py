"""The command line. Everything but the options themselves is imported by the command that needs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tui.commands import compare, exchange, experiments, failures, fork, live, playground, web

if TYPE_CHECKING:
    from engine.config import Settings

app = typer.Typer(
    name="flowreasoner",
    help="A terminal workbench for LLM-generated workflows. Without a command, it opens the workbench.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
sandbox_app = typer.Typer(
    help="The image and the containers that generated code runs in.", rich_markup_mode=None
)
config_app = typer.Typer(help="Where settings come from and what they are.", rich_markup_mode=None)
app.add_typer(live.app)
app.add_typer(fork.app)
app.add_typer(playground.app)
app.add_typer(sandbox_app, name="sandbox", no_args_is_help=True)
app.add_typer(config_app, name="config", no_args_is_help=True)
app.add_typer(exchange.app)
app.add_typer(experiments.app)
app.add_typer(web.app)
app.add_typer(compare.app)
app.add_typer(failures.app)

JsonFlag = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
MetaAgent = Annotated[str | None, typer.Option(help="Model that writes workflows; see `models`.")]
Worker = Annotated[str | None, typer.Option(help="Model that operators call; see `models`.")]
Seed = Annotated[int, typer.Option(help="Seed of everything that is sampled.")]
Repeats = Annotated[int, typer.Option(min=1, max=100, help="Executions per workflow and split.")]
Data = Annotated[Path | None, typer.Option(help="Local data file of the benchmark.")]
TestsFile = Annotated[
    Path | None, typer.Option("--tests", help="File of tests: asserts, check(), or JSON splits.")
]
EntryPoint = Annotated[str | None, typer.Option(help="Name of the function the tests call.")]
MakeTests = Annotated[bool, typer.Option("--make-tests", help="Let a worker write visible tests first.")]
Operators = Annotated[str, typer.Option(metavar="SET", help="Operators to use: a set's name, or FILE.toml.")]
OwnOperators = Annotated[
    str | None, typer.Option("--operators", metavar="SET", help="As for `run`; by default a set that fits.")
]
UnsafeLocal = Annotated[
    bool,
    typer.Option("--unsafe-local", help="No sandbox: generated code runs as you, with all you can reach."),
]
Out = Annotated[Path | None, typer.Option(help="Folder to save the answer and its workflow in.")]
Search = Annotated[
    str | None,
    typer.Option(
        help="Words; status:, variant:, benchmark:, experiment:, label:, training-set:VALUE; bookmark:yes."
    ),
]
PROBLEM = typer.Argument(
    metavar="PROBLEM", help="FILE.json, FILE.jsonl#ID, BENCHMARK:ID, or - for standard input."
)


@app.callback()
def workbench(context: typer.Context) -> None:
    """Open the workbench; where standard output is no terminal, run its example and print the trace."""
    if context.invoked_subcommand is not None:
        return
    settings = _settings()
    if sys.stdout.isatty() and sys.stdin.isatty():
        from tui.app import WorkbenchApp
        from tui.remote.workbench import RemoteWorkbench

        workbench = RemoteWorkbench(settings)
        WorkbenchApp(workbench, initial_request=workbench.default_request()).run()
        return
    from tui.headless import run as run_headless
    from tui.launch import Workbench

    bench = Workbench(settings)
    raise typer.Exit(run_headless(bench, bench.default_request()))


@app.command()
def run(
    problem: Annotated[str, PROBLEM],
    variant: Annotated[
        str | None, typer.Option(metavar="NAME[,KEY=VALUE…]", help="See `variants`; or a FILE.py of yours.")
    ] = None,
    meta_agent: MetaAgent = None,
    worker: Worker = None,
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds of the search.")] = 10,
    repeats: Repeats = 3,
    seed: Seed = 0,
    all_rounds: Annotated[bool, typer.Option("--all-rounds", help="Go on after all val tests pass.")] = False,
    operators: Operators = "paper",
    found: Annotated[
        str | None, typer.Option(metavar="EXPERIMENT", help="Use what the variant's search found there.")
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
    from tui.headless import run as run_headless
    from tui.launch import Workbench
    from tui.ports import RunRequest

    settings = _settings()
    request = RunRequest(
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
    bench = Workbench(settings, unsafe_local=unsafe_local)
    raise typer.Exit(run_headless(bench, request, as_json=json, out=out))


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
    """Run a given workflow file on a problem and score it. Exit codes as for `run`."""
    from engine.operators.own import load_set
    from tui.headless import run as run_headless
    from tui.launch import Workbench
    from tui.ports import RunRequest
    from tui.workflow_source import load_workflow

    settings = _settings()
    workflow = load_workflow(file, load_set(operators) if operators else None)
    request = RunRequest(
        problem=_problem(problem, tests, entry_point, data or settings.data),
        variant="workflow-file",
        meta_agent=settings.meta_agent,
        worker=worker or settings.worker,
        rounds=1,
        seed=seed,
        repeats=repeats,
        make_tests=make_tests,
        operators=operators or workflow.operators.name,
    )
    bench = Workbench(settings, unsafe_local=unsafe_local)
    raise typer.Exit(run_headless(bench, request, workflow=workflow, as_json=json, out=out))


@app.command()
def runs(
    failed: Annotated[bool, typer.Option("--failed", help="Only runs that did not pass.")] = False,
    search: Search = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 50,
    json: JsonFlag = False,
) -> None:
    """List recorded runs, newest first."""
    from tui.reports.tables import print_runs

    print_runs(_settings().store_path(), failed=failed, search=search, limit=limit, as_json=json)


@app.command()
def show(
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="A run's id, the start of one, or `last`.")],
    json: JsonFlag = False,
) -> None:
    """Print a recorded run exactly as it was printed live."""
    from store.reader import Reader
    from tui.headless import printer

    with Reader(_settings().store_path()) as reader:
        row, shown = reader.run(run_id), printer(json)
        for event in reader.events(row.id):
            shown(event)


@app.command()
def prune(
    older_than: Annotated[
        float | None, typer.Option(min=0, help="Delete runs older than this many days.")
    ] = None,
    keep: Annotated[int | None, typer.Option(min=0, help="Keep only this many of the newest runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, delete nothing.")] = False,
    json: JsonFlag = False,
) -> None:
    """Delete old runs and what only they used."""
    from tui.reports.tables import print_prune

    if older_than is None and keep is None:
        raise typer.BadParameter("say what may go: --older-than DAYS, --keep N, or both")
    print_prune(_settings().store_path(), older_than, keep, dry_run=dry_run, as_json=json)


@app.command()
def doctor(
    fix: Annotated[
        bool, typer.Option("--fix", help="Install and start what is missing, where that is possible.")
    ] = False,
    brief: Annotated[bool, typer.Option("--brief", help="Print only what is not in order.")] = False,
    json: JsonFlag = False,
) -> None:
    """Check everything a run needs, and try to break out of the sandbox."""
    from tui.reports.sandbox import print_doctor

    raise typer.Exit(print_doctor(_settings().docker_hosts, fix=fix, brief=brief, as_json=json))


@app.command()
def models(json: JsonFlag = False) -> None:
    """List the models that can be named."""
    from tui.reports.tables import print_models

    print_models(_settings(), as_json=json)


@app.command()
def variants(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="A variant's name, or FILE.py; left out, all.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the variants, or one variant's options with their defaults and where those come from."""
    from tui.reports.variants import print_variants

    print_variants(name, as_json=json)


@app.command("operators")
def operator_sets(
    name: Annotated[
        str | None, typer.Argument(metavar="SET", help="A set's name, or FILE.toml; left out, all sets.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """List the operator sets, or one set's operators with their signatures."""
    from tui.reports.operators import print_operators

    print_operators(name, as_json=json)


@app.command()
def benchmarks(data: Data = None, json: JsonFlag = False) -> None:
    """List the benchmarks that can be named, their sizes, metrics, splits, and where their data is."""
    from tui.reports.benchmarks import print_benchmarks

    print_benchmarks(data or _settings().data, as_json=json)


@app.command()
def verify(
    benchmark: Annotated[
        str, typer.Argument(metavar="BENCHMARK", help="A benchmark's name, or a JSONL file of your own.")
    ],
    data: Data = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only this many, from the first.")] = None,
    json: JsonFlag = False,
) -> None:
    """Run a benchmark's reference solutions against all its tests, and say which do not pass.

    Exit code: 0 all pass, 1 some fail, 2 wrong usage, 3 the sandbox gave no verdict.
    """
    from tui.reports.benchmarks import print_verify

    settings = _settings()
    raise typer.Exit(print_verify(settings, benchmark, data or settings.data, limit, as_json=json))


@sandbox_app.command("build")
def sandbox_build(
    image: Annotated[
        Literal["core", "science", "math"],
        typer.Option(
            help="The standard library and pytest; science: numpy, pandas and more, too; math: math-verify."
        ),
    ] = "core",
    json: JsonFlag = False,
) -> None:
    """Build a sandbox image, unless it is up to date."""
    from tui.reports.sandbox import print_build

    print_build(image, _settings().docker_hosts, as_json=json)


@sandbox_app.command("status")
def sandbox_status(json: JsonFlag = False) -> None:
    """Show the image and the containers that exist now."""
    from tui.reports.sandbox import print_sandbox_status

    print_sandbox_status(_settings().docker_hosts, as_json=json)


@sandbox_app.command("prune")
def sandbox_prune(json: JsonFlag = False) -> None:
    """Remove images that newer ones replaced and containers whose owner is gone."""
    from tui.reports.sandbox import print_sandbox_prune

    print_sandbox_prune(_settings().docker_hosts, as_json=json)


@config_app.command("path")
def config_path(json: JsonFlag = False) -> None:
    """Print where the config file is looked for."""
    from engine.config import config_path as path
    from tui.reports.tables import emit

    emit({"path": str(path())}, str(path()), json)


@config_app.command("show")
def config_show(json: JsonFlag = False) -> None:
    """Print the settings in force. Keys are never shown."""
    from tui.reports.tables import print_settings

    print_settings(_settings(), as_json=json)


def _settings() -> Settings:
    from engine.config import load

    return load()


def _problem(argument: str, tests: Path | None, entry_point: str | None, data: Path | None) -> Any:
    from tui.problem_source import resolve, with_tests

    return with_tests(resolve(argument, data), tests, entry_point)


def main() -> None:
    """The `flowreasoner` command: every error is one sentence on standard error."""
    try:
        app()
    except BrokenPipeError:  # the reader of our output is gone: nothing to say, nobody to say it to
        sys.stderr.close()
        raise SystemExit(141) from None
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  the process's edge: no traceback leaves it
        from tui.errors import INTERNAL, explain, internal, say

        sentence, code = explain(error) or (internal(error), INTERNAL)
        say(sentence)
        raise SystemExit(code) from None


if __name__ == "__main__":
    main()
