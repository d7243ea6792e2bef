"""`export-workflow`: a stored workflow as files of another project's layout. `export-pairs`: preferences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.exchange.aflow_export import Exported
    from store.rows import StoredWorkflow


def export_workflow(store: Path, name: str, out: Path, *, dataset: str | None, as_json: bool) -> None:
    """Write the workflow of a run, or the one of this id, below `out`; print the files and the findings.

    Raises:
        FormatError: it cannot be put into the layout, or `out` holds such files already.
        StoreError: there is no such run or workflow.
    """
    from engine.exchange.aflow_export import DATASETS, export_aflow
    from engine.workflows.choice import build_for_its_set
    from tui.reports.tables import emit

    workflow, benchmark = _find(store, name)
    known = {d.lower(): d for d in DATASETS}
    dataset = dataset or known.get((benchmark or "").lower(), "HumanEval")
    operators = build_for_its_set(workflow.code, workflow.prompts).operators
    exported = export_aflow(workflow.code, workflow.prompts, operators, dataset)
    _write(exported, out)
    data = {
        "workflow_id": workflow.id,
        "dataset": dataset,
        "files": [str(out / file) for file in exported.files],
        "findings": [d.to_json() for d in exported.findings],
    }
    place = f"workspace/{dataset}/workflows/"
    lines = [f"wrote {out / 'round_1'}; put it into {place} of AFlow", *map(str, exported.findings)]
    emit(data, "\n".join(lines), as_json)


def export_pairs(store: Path, name: str, out: Path, *, label: str | None, as_json: bool) -> None:
    """Write the preference pairs of an experiment's search to the new file `out`, one row a line.

    Raises:
        FormatError: `out` exists or cannot be written.
        StoreError: there is no such experiment, or none of its searches (that of `label`) has drawn pairs.
    """
    from engine.formats.format import FormatError
    from engine.variants.scoreflow_pairs import write_preferences
    from store.errors import StoreError
    from store.reader import Reader
    from tui.reports.tables import emit

    with Reader(store) as reader:
        reader.experiments.named(name)
        pairs = reader.experiments.recorded(name, "pairs")
    if label is not None:
        pairs = {known: value for known, value in pairs.items() if known == label}
    if not pairs:
        raise StoreError(
            f"{name} has no preference pairs{f' of {label}' if label else ''}; `bench` with --variant "
            "scoreflow draws some."
        )
    if len(pairs) > 1:
        raise StoreError(f"{name} has preference pairs of {', '.join(pairs)}; choose one with --variant.")
    ((label, value),) = pairs.items()
    if not value["pairs"]:
        raise StoreError(f"{label} has no pairs: no two of its workflows differ in score on any problem.")
    try:
        rows = write_preferences(value, out)
    except FileExistsError:
        raise FormatError(f"{out} exists already; name another file with --out") from None
    except OSError as error:
        raise FormatError(f"{out}: {error.strerror or error}; name a file you may write") from None
    data = {"experiment": name, "variant": label, "file": str(out), "pairs": rows}
    emit(data, f"wrote {rows} preference pairs of {label} to {out}", as_json)


def _find(store: Path, name: str) -> tuple[StoredWorkflow, str | None]:
    """The workflow, and the benchmark of its run where a run was named."""
    from store.errors import RunNotFoundError, StoreError
    from store.reader import Reader

    with Reader(store) as reader:
        try:
            row = reader.run(name)
        except RunNotFoundError:
            if name == "last":
                raise
            workflow_id, benchmark = reader.workflow_id(name), None
            if workflow_id is None:
                text = f"Neither a run nor one workflow begins with {name!r}; list runs with `runs`."
                raise StoreError(text) from None
        else:
            workflow_id, benchmark = row.workflow_id, row.benchmark
            if workflow_id is None:
                raise StoreError(f"Run {row.id} ended without a workflow, so there is nothing to export.")
        workflow = reader.workflow(workflow_id)
    if workflow is None:
        raise StoreError(f"The store {store} does not hold the workflow {workflow_id}.")
    return workflow, benchmark


def _write(exported: Exported, out: Path) -> None:
    from engine.formats.format import FormatError

    path = out
    try:
        for name, text in exported.files.items():
            path = out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
    except FileExistsError:
        raise FormatError(f"{path} exists already; name another folder with --out") from None
    except OSError as error:
        raise FormatError(f"{path}: {error.strerror or error}; name a folder you may write to") from None
