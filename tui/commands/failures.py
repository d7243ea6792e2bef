"""Commands about failed runs: cluster them, say something of them, do them again."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

import typer

from tui.commands.options import AtOnce, By, JsonFlag, OfCluster, Unasked, UnsafeLocal

app = typer.Typer(rich_markup_mode=None)

Runs = typer.Argument(metavar="RUN…", help="Ids of runs, starts of ids, or `last`.")


@app.command()
def failures(
    cluster: Annotated[
        str | None,
        typer.Argument(metavar="[CLUSTER|RUN]", help="A cluster, by its short id or name, or a run in it."),
    ] = None,
    by: By = "signature",
    experiment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only runs of this experiment.")
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only runs since then: 30m, 12h, 7d, or a date.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000)] = 20,
    forks: Annotated[
        bool, typer.Option("--forks", help="The cluster's runs beside their forks and reruns.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Cluster failed runs, list a cluster's runs, or show why a run failed, with evidence."""
    from engine.config_sources import store_path
    from tui.reports.failures import print_cluster, print_clusters, print_forks

    path = store_path()
    if cluster is not None:
        if experiment is not None or since is not None:
            raise typer.BadParameter(
                "--experiment and --since only filter the list of clusters; leave them out"
            )
        show = print_forks if forks else print_cluster
        show(path, by, cluster, limit=limit, as_json=json)
        return
    if forks:
        raise typer.BadParameter("--forks needs a CLUSTER, or a RUN in one")
    moment = _moment(since) if since is not None else None
    print_clusters(path, by, experiment=experiment, since=moment, limit=limit, as_json=json)


@app.command()
def annotate(
    run: Annotated[list[str], Runs],
    label: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A label.")] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="A note.")] = None,
    bookmark: Annotated[bool, typer.Option("--bookmark", help="A bookmark.")] = False,
    training_set: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="A training set to add the runs to.")
    ] = None,
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove the annotation instead of adding it.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Label, note or bookmark runs, or add them to a training set; without an option, print annotations.

    `runs --search` finds them again by label:NAME, training-set:NAME and bookmark:yes.
    """
    from engine.config_sources import store_path
    from store.annotations import Kind, checked, unannotate
    from store.annotations import annotate as say_of
    from store.reader import Reader
    from tui.reports.failures import print_annotations

    path = store_path()
    with Reader(path) as reader:
        run_ids = list(dict.fromkeys(reader.run(one).id for one in run))
    said: dict[Kind, list[str]] = {
        "label": label or [],
        "note": [note] if note is not None else [],
        "bookmark": [""] if bookmark else [],
        "training-set": training_set or [],
    }
    pairs: list[tuple[Kind, str]]
    pairs = [(kind, checked(kind, value)) for kind, values in said.items() for value in values]
    for kind, value in pairs:  # all of them checked before anything is written
        if remove:
            unannotate(path, run_ids, kind, value)
        else:
            say_of(path, run_ids, kind, value)
    print_annotations(path, run_ids, as_json=json)


@app.command()
def rerun(
    run: Annotated[list[str] | None, Runs] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="CLUSTER", help="All runs of a cluster, as for `failures`.")
    ] = None,
    by: By = "signature",
    limit: OfCluster = 100,
    concurrency: AtOnce = 4,
    yes: Unasked = False,
    unsafe_local: UnsafeLocal = False,
    json: JsonFlag = False,
) -> None:
    """Run recorded runs again: same problem, variant, options, models and seed.

    Exit code as for `run`; of several runs, the worst.
    """
    from engine.config import load
    from tui.headless.reruns import chosen, run_all
    from tui.service.asked.again import rerun_request
    from tui.service.runtime import Runtime

    if bool(run) == (cluster is not None):
        raise typer.BadParameter("name runs, or a --cluster of them")
    settings = load()
    run_ids = chosen(settings.store_path(), run or [], cluster, by, limit)
    if len(run_ids) > 1 and not yes:
        typer.confirm(f"Run {len(run_ids)} runs again?", abort=True, err=True)
    runtime = Runtime(settings, unsafe_local=unsafe_local)
    ask = partial(rerun_request, settings.store_path())
    raise typer.Exit(run_all(runtime, run_ids, ask, concurrency=concurrency, as_json=json))


_UNITS = {"m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def _moment(text: str) -> float:
    """`7d` or `2026-11-21` as Unix seconds."""
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdecimal() and unit in _UNITS and len(number) < 7:
        return datetime.now().timestamp() - int(number) * _UNITS[unit]
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time; write 30m, 12h, 7d, or 2026-11-21") from None
