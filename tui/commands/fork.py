"""Commands that live a run through again: changed, or as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tui.commands.options import AtOnce, By, JsonFlag, OfCluster, RunId, Unasked

app = typer.Typer(rich_markup_mode=None)


@app.command()
def fork(
    run_id: RunId,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="STEP", help="A step's id, or its place in the trace: val1:3, r2.test1:0, or 3 alone."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="An input of the step: JSON, text, or @FILE."),
    ] = None,
    prompt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with the prompt for the step's first model call."),
    ] = None,
    everywhere: Annotated[
        bool,
        typer.Option(
            "--everywhere", help="Make the change in every step with this operator and these inputs."
        ),
    ] = False,
    worker: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Worker from the step on; without --at, from the start."),
    ] = None,
    workflow: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Workflow to run in place of the run's.")
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="CLUSTER",
            help="Make the same edit in all runs of a cluster, as for `failures`: of the workflow, or of the"
            " step that went wrong in each.",
        ),
    ] = None,
    by: By = "signature",
    limit: OfCluster = 100,
    concurrency: AtOnce = 4,
    yes: Unasked = False,
    json: JsonFlag = False,
) -> None:
    """Run a past run again from one of its steps, with a change; unchanged steps come from its record.

    With --cluster, RUN is the run that the edit is made on. It is carried over line by line; a run in which
    the edited lines are not found is not forked. Exit codes as for `run`; of several runs, the worst.
    """
    from engine.config import load
    from engine.recorded_job import ForkError
    from tui.headless.run import run as run_headless
    from tui.service.asked.fork import fork_request, read_record
    from tui.service.asked.text_file import read_text
    from tui.service.runtime import Runtime

    settings = load()
    text = read_text(prompt, "prompt", ForkError) if prompt else None
    if cluster is not None:
        from tui.headless.reruns import chosen, fork_requests, run_all
        from tui.service.asked.edit_all import edit_of

        if at is not None or worker is not None or everywhere:
            raise ForkError("--at, --worker and --everywhere are for one run; leave them out with --cluster")
        path = settings.store_path()
        (edited,) = chosen(path, [run_id], None, by, limit)
        edit = edit_of(path, edited, workflow=workflow, sets=set_ or [], prompt=text)
        run_ids = dict.fromkeys([edited, *chosen(path, [], cluster, by, limit)])
        requests = fork_requests(path, list(run_ids)[:limit], edit)
        if len(requests) > 1 and not yes:
            typer.confirm(f"Fork {len(requests)} runs?", abort=True, err=True)
        ask = requests.__getitem__
        raise typer.Exit(
            run_all(Runtime(settings), list(requests), ask, concurrency=concurrency, as_json=json)
        )
    record = read_record(settings.store_path(), run_id)
    request = fork_request(
        record,
        at=at,
        sets=set_ or [],
        prompt=text,
        worker=worker,
        workflow=_workflow(workflow) if workflow else None,
        everywhere=everywhere,
    )
    raise typer.Exit(run_headless(Runtime(settings), request, as_json=json))


@app.command()
def replay(
    run_id: RunId,
    speed: Annotated[
        float, typer.Option(min=1, max=50, help="Speed, as a multiple of the original; 2 is twice as fast.")
    ] = 1.0,
    json: JsonFlag = False,
) -> None:
    """Print a recorded run at its own pace. Needs no model, key or sandbox.

    Exit codes as for `run`. Waits of more than two seconds are shortened to two, with a note.
    """
    from engine.config_sources import store_path
    from tui.headless.replay import replay_run

    raise typer.Exit(replay_run(store_path(), run_id, speed, as_json=json))


def _workflow(path: Path) -> tuple[str, str]:
    from tui.service.asked.workflow import read_workflow_file

    return read_workflow_file(path)
