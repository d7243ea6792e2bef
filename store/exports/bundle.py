"""A bundle: runs in one file, for another workbench. This says what is in it; see docs/sharing.md.

It is a zip file. `manifest.json` names every other member with its size and SHA-256; nothing that it does
not name is read. `runs/N.jsonl` is one run's events, one a line; `annotations.jsonl`, `experiments.jsonl`
and `journal.jsonl` are rows of the tables of those names.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

from store import migrations
from store.db import open_reader
from store.errors import explained
from store.exports.events import redacted_events
from store.exports.redaction import Redactor
from store.reader import Reader
from store.rows import RunRow

FORMAT = "flowreasoner-bundle"
VERSION = 1
MANIFEST = "manifest.json"
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the same runs make the same bytes


@dataclass
class Written:
    """What a bundle holds, as it is written."""

    runs: list[dict[str, Any]] = field(default_factory=list)
    members: dict[str, dict[str, Any]] = field(default_factory=dict)


def write_bundle(
    reader: Reader, runs: Iterable[RunRow], redactor: Redactor, file: BinaryIO, *, experiment: str | None
) -> int:
    """Write the runs, their annotations and the experiments they belong to; returns the number of runs.

    With `experiment`, the journal of its searches too, so that it can be resumed elsewhere. Raises StoreError
    where the store cannot be read; an error of writing `file` is the caller's (`store.exports.files`).
    """
    written = Written()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for row in runs:
            name = f"runs/{len(written.runs)}.jsonl"
            events = _member(archive, written, name, redacted_events(reader, row.id, redactor))
            written.runs.append({"id": row.id, "member": name, "events": events})
        ids = [run["id"] for run in written.runs]
        tables = _tables(reader.path, ids, experiment)
        for name, rows in tables.items():
            _member(archive, written, f"{name}.jsonl", (redactor.data(row) for row in rows))
        manifest = {
            "format": FORMAT,
            "version": VERSION,
            "schema": migrations.NAMES[-1],
            "runs": written.runs,
            "members": written.members,
        }
        archive.writestr(zipfile.ZipInfo(MANIFEST, _NO_TIME), json.dumps(manifest, indent=1))
    return len(written.runs)


def line(data: Any) -> bytes:
    """One row as JSON with its line end.

    ASCII, so that lone surrogates and odd line ends pass through any tool.
    """
    return json.dumps(data, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _member(archive: zipfile.ZipFile, written: Written, name: str, rows: Iterable[Any]) -> int:
    info = zipfile.ZipInfo(name, _NO_TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    digest, size, count = hashlib.sha256(), 0, 0
    with archive.open(info, "w", force_zip64=True) as member:
        for row in rows:
            data = line(row)
            member.write(data)
            digest.update(data)
            size += len(data)
            count += 1
    written.members[name] = {"bytes": size, "sha256": digest.hexdigest()}
    return count


def _tables(path: Path, run_ids: list[str], experiment: str | None) -> dict[str, list[dict[str, Any]]]:
    """Rows of the tables that no event derives."""
    ids = json.dumps(run_ids)
    in_runs = "IN (SELECT value FROM json_each(?))"
    db = open_reader(path)
    if db is None:
        return {}
    try:
        with explained(path):
            annotations = db.execute(
                f"SELECT run_id, kind, value, source, at FROM annotations WHERE run_id {in_runs}"
                " ORDER BY run_id, kind, value",
                (ids,),
            )
            tables: dict[str, list[dict[str, Any]]] = {}
            tables["annotations"] = [dict(zip(ANNOTATION, row, strict=True)) for row in annotations]
            names = {experiment} if experiment else set()
            experiments = db.execute(
                f"SELECT DISTINCT experiment FROM origins WHERE run_id {in_runs}", (ids,)
            )
            names |= {name for (name,) in experiments if name is not None}
            tables["experiments"] = list(_rows(db, "experiments", EXPERIMENT, "name", sorted(names)))
            tables["journal"] = list(
                _rows(db, "journal", JOURNAL, "experiment", [experiment] if experiment else [])
            )
    finally:
        db.close()
    return {name: rows for name, rows in tables.items() if rows}


# Columns that hold JSON are JSON here too: as text, their escaped quotes would hide a key from redaction.
HOLDS_JSON = {"experiments": ("plan",), "journal": ("key", "value"), "annotations": ()}
ANNOTATION: tuple[str, ...] = ("run_id", "kind", "value", "source", "at")
EXPERIMENT = ("name", "benchmark", "plan", "started_at")
JOURNAL = ("experiment", "key", "value", "at")


def _rows(
    db: Any, table: str, columns: tuple[str, ...], key: str, names: list[str]
) -> Iterator[dict[str, Any]]:
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE {key} = ? ORDER BY 1, 2"
    json_columns = HOLDS_JSON[table]
    for name in names:
        for row in db.execute(query, (name,)):
            values = dict(zip(columns, row, strict=True))
            yield {k: json.loads(v) if k in json_columns else v for k, v in values.items()}


def sha256_of(file: IO[bytes], limit: int) -> tuple[str, int]:
    """(hex digest, bytes read) of a file.

    Reads one byte more than `limit`, so that a member which is longer than it claims shows.
    """
    digest, size = hashlib.sha256(), 0
    while size <= limit and (data := file.read(min(1 << 20, limit + 1 - size))):
        digest.update(data)
        size += len(data)
    return digest.hexdigest(), size
