"""`export` and `import bundle`: runs out of the workbench and in, redacted by `store.exports.redaction`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, get_args

from tui.safe import file_stem

if TYPE_CHECKING:
    from engine.config import Settings
    from store.exports.bundle_import import Imported
    from store.exports.redaction import Redactor
    from store.reader import Reader
    from store.rows import RunRow

Format = Literal["bundle", "jsonl", "markdown", "html", "otlp", "parquet", "hf"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[Format, str] = {
    "bundle": ".zip",
    "jsonl": ".jsonl",
    "markdown": ".md",
    "html": ".html",
    "parquet": ".parquet",
    "hf": "-dataset",
}
_TO_STDOUT = ("jsonl", "markdown", "html")


@dataclass(frozen=True)
class Wanted:
    """Which runs: by id, or all that one of the other three names."""

    runs: tuple[str, ...] = ()
    experiment: str | None = None
    search: str | None = None
    training_set: str | None = None


@dataclass(frozen=True)
class Exported:
    """What was written. `count` is of rows or spans, where the format has them; `left_out` are runs that
    are still in progress.
    """

    format: Format
    where: str
    runs: int
    left_out: int
    count: int | None = None


@dataclass
class _Job:
    """One export under way."""

    reader: Reader
    redactor: Redactor
    rows: Iterator[RunRow]
    name: str
    experiment: str | None
    runs: int = 0
    left_out: int = 0

    def ended(self) -> Iterator[RunRow]:
        """The runs that have ended, counted as they go by."""
        for row in self.rows:
            if row.status == "running":
                self.left_out += 1
                continue
            self.runs += 1
            yield row

    def events(self, run_id: str, kinds: tuple[str, ...] = ()) -> Iterator[Any]:
        """A run's redacted events."""
        from engine.event_json import from_json
        from store.exports.events import redacted_events

        return map(from_json, redacted_events(self.reader, run_id, self.redactor, kinds))


def export_runs(
    settings: Settings,
    wanted: Wanted,
    format: Format,
    *,
    out: Path | None = None,
    endpoint: str | None = None,
    force: bool = False,
    folder: Path | None = None,
) -> Exported:
    """Write the wanted runs. Without `out`, into `folder` (by default where we are) under their own name.

    Raises:
        ExportError: the place is taken or cannot be written, the endpoint does not take it, a package is
            missing, or no run that has ended is meant.
        StoreError: there is no such run, or several; the store cannot be read.
    """
    from store.exports.files import ExportError
    from store.exports.redaction import redactor
    from store.reader import Reader

    if (endpoint is None) == (format == "otlp"):
        raise ExportError("--endpoint URL goes with --format otlp, and only with it")
    with Reader(settings.store_path()) as reader:
        rows, name = _select(reader, wanted)
        job = _Job(reader, redactor(settings), rows, name, wanted.experiment)
        if format == "otlp":
            assert endpoint is not None
            return _send(job, endpoint)
        path = out or (folder or Path()) / f"{name}{SUFFIXES[format]}"
        count = _write(job, format, path, force)
    return Exported(format, str(path), job.runs, job.left_out, count)


def _select(reader: Reader, wanted: Wanted) -> tuple[Iterator[RunRow], str]:
    """The runs, and a name for their file."""
    from store.exports.events import runs_in_set
    from store.exports.files import ExportError
    from store.run_filter import parse_filter

    ways = [way for way in (wanted.runs, wanted.experiment, wanted.search, wanted.training_set) if way]
    if len(ways) != 1:
        raise ExportError(
            "say which runs: RUN ids (or `last`), --experiment NAME, --search WORDS or --training-set NAME"
        )
    if wanted.runs:
        # Looked up now, so that a misspelt one is told before anything is written.
        rows = list({row.id: row for row in map(reader.run, wanted.runs)}.values())
        running = next((row for row in rows if row.status == "running"), None)
        if running is not None:
            raise ExportError(f"run {running.id} is still in progress; export it once it has ended")
        return iter(rows), rows[0].id if len(rows) == 1 else f"{rows[0].id}-and-{len(rows) - 1}-more"
    if wanted.experiment:
        reader.experiments.named(wanted.experiment)
        return reader.every_run(experiment=wanted.experiment), wanted.experiment
    if wanted.search:
        conditions = dataclasses.asdict(parse_filter(wanted.search))
        return reader.every_run(**conditions), f"runs-{file_stem(wanted.search, 'runs', longest=60)}"
    name = wanted.training_set or ""
    return map(reader.run, runs_in_set(reader.path, name)), file_stem(name, "runs", longest=60)


def _write(job: _Job, format: Format, path: Path, force: bool) -> int | None:
    """Write a file or folder; how many rows, where the format has them."""
    from store.exports.files import ExportError, new_file, new_folder

    writers: dict[str, Callable[[_Job, Any], int | None]] = {
        "bundle": _bundle,
        "jsonl": _jsonl,
        "markdown": _markdown,
        "html": _html,
        "parquet": _parquet,
        "hf": _hf,
    }
    if str(path) == "-":
        if format not in _TO_STDOUT:
            raise ExportError(f"{format} cannot go to standard output; name a file with --out")
        writers[format](job, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return None
    place = new_folder if format == "hf" else new_file
    with place(path, force=force) as target:
        count = writers[format](job, target)
        if not job.runs:
            raise ExportError("no run that has ended matches; list runs with `runs --search`")
    return count


def _bundle(job: _Job, file: BinaryIO) -> None:
    from store.exports.bundle import write_bundle

    write_bundle(job.reader, job.ended(), job.redactor, file, experiment=job.experiment)


def _jsonl(job: _Job, file: BinaryIO) -> None:
    from store.exports.bundle import line
    from store.exports.events import redacted_events

    for row in job.ended():
        for data in redacted_events(job.reader, row.id, job.redactor):
            file.write(line(data))


def _markdown(job: _Job, file: BinaryIO) -> None:
    from tui.sharing.markdown import markdown

    for piece in markdown(_reports(job)):
        file.write(piece.encode("utf-8", "replace"))


def _html(job: _Job, file: BinaryIO) -> None:
    from tui.sharing.html import html

    for piece in html(_reports(job), f"FlowReasoner: {job.redactor.text(job.name)}"):
        file.write(piece.encode("utf-8", "replace"))


def _reports(job: _Job) -> Iterator[Any]:
    from engine.events import ModelDelta
    from tui.sharing.report import blocks, remarks

    for row in job.ended():
        # Streamed text comes again, whole, at the end of its call.
        yield from blocks(e for e in job.events(row.id) if not isinstance(e, ModelDelta))
        findings = job.redactor.data([f.to_json() for f in job.reader.annotations.findings(row.id)])
        notes = job.reader.annotations.of([row.id]).get(row.id, [])
        yield from remarks(findings, [(n.kind, job.redactor.text(n.value)) for n in notes])


def _parquet(job: _Job, file: BinaryIO) -> int:
    from store.exports.dataset import write_parquet

    return write_parquet(_training_rows(job), file)


def _hf(job: _Job, folder: Path) -> int:
    from store.exports.dataset import write_dataset

    return write_dataset(_training_rows(job), folder)


def _training_rows(job: _Job) -> Iterator[dict[str, Any]]:
    from store.exports.training_rows import rows_of
    from store.trajectories import KINDS

    for row in job.ended():
        yield from rows_of(job.events(row.id, KINDS))


def _send(job: _Job, endpoint: str) -> Exported:
    from store.exports.files import ExportError
    from store.exports.otlp import OtlpSender

    with closing(OtlpSender(endpoint)) as sender:
        for row in job.ended():
            sender.send(job.events(row.id))
    if not job.runs:
        raise ExportError("no run that has ended matches; list runs with `runs --search`")
    return Exported("otlp", endpoint, job.runs, job.left_out, sender.spans)


# -- the commands ------------------------------------------------------------------------------------------


def print_export(exported: Exported, *, as_json: bool) -> None:
    """Say what was written and where; on standard error where the export itself went to standard output."""
    from tui.reports.tables import emit

    if exported.where == "-":
        sys.stderr.write(sentence(exported) + "\n")
        return
    emit(dataclasses.asdict(exported), sentence(exported), as_json)


def sentence(exported: Exported) -> str:
    """What was written, for people."""
    from tui.format import plural

    verb = "sent" if exported.format == "otlp" else "wrote"
    what = {"otlp": "span", "parquet": "row", "hf": "row"}.get(exported.format)
    counted = f" ({plural(exported.count, what)})" if what and exported.count is not None else ""
    running = f"; {exported.left_out} still in progress left out" if exported.left_out else ""
    return f"{verb} {plural(exported.runs, 'run')}{counted} to {exported.where}{running}"


def print_import(settings: Settings, path: Path, *, as_json: bool) -> None:
    """Store the runs of a bundle, and say which are new. Raises as `imported` does."""
    from tui.reports.tables import emit

    done = imported(settings, path)
    emit(dataclasses.asdict(done), imported_sentence(done), as_json)


def imported(settings: Settings, path: Path) -> Imported:
    """Store the runs of a bundle.

    Raises:
        ExportError: it is no bundle that can be imported; StoreError: the store cannot be written.
    """
    from store.exports.bundle_import import import_bundle
    from store.exports.redaction import redactor

    return import_bundle(path, settings.store_path(), redactor(settings))


def imported_sentence(done: Imported) -> str:
    """What an import did, for people."""
    from tui.format import plural

    text = f"imported {plural(len(done.new), 'run')}"
    text += f", {len(done.known)} already there" if done.known else ""
    return text + (f", {plural(len(done.experiments), 'experiment')}" if done.experiments else "")
