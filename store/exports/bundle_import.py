"""Reading a bundle into the store. A bundle comes from somebody else: nothing in it is believed.

Nothing is unpacked to disk, and a member's name never becomes a path. Everything is checked before the
first run is stored; each run is then stored in one transaction.
"""

from __future__ import annotations

import json
import math
import sqlite3
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.event_json import from_json
from engine.events import Event, RunFinished
from store.annotations import KINDS, checked
from store.db import open_writer, write
from store.errors import StoreError, explained
from store.exports.bundle import FORMAT, MANIFEST, VERSION, line, sha256_of
from store.exports.bundle_shapes import BUNDLE_RUN_ID, MEMBER, ShapeError, check_event, check_row
from store.exports.events import redact
from store.exports.files import ExportError
from store.exports.redaction import Redactor
from store.projections import add
from store.reader import Reader
from store.recorder import UNSUITABLE

# A bundle may not grow to more than this when unpacked: a fixed part, and so much for each byte of the file.
_FREE_BYTES = 256 << 20
_RATIO = 100
_MANIFEST_BYTES = 64 << 20
# The longest line that is read: it has to be in memory at once.
_LINE_BYTES = 128 << 20
_ANNOTATE = "INSERT OR IGNORE INTO annotations(run_id, kind, value, source, at) VALUES (?, ?, ?, ?, ?)"


@dataclass
class Imported:
    """What an import did: ids of new runs and of runs that were known, and names of new experiments."""

    new: list[str] = field(default_factory=list)
    known: list[str] = field(default_factory=list)
    experiments: list[str] = field(default_factory=list)
    annotations: int = 0


def import_bundle(path: Path, store: Path, redactor: Redactor) -> Imported:
    """Store every run of the bundle that is not stored yet, with its annotations and experiments.

    `redactor` is this workbench's own. A run that came from here lacks what redaction took out; it is still
    recognised as the same run.

    Raises:
        ExportError: the file is not a bundle, is damaged, too large or of a newer version, or holds
            something else under the name of a run or experiment that is here.
        StoreError: the store cannot be written.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            bundle = _Bundle(path, archive)
            bundle.check()
            return _Importer(bundle, store, redactor).run()
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}; name a bundle you may read") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ExportError(
            f"{path}: not a bundle, or a damaged one ({error or type(error).__name__}); get it again"
        ) from None


class _Bundle:
    """The file, once its manifest is read."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._archive = archive
        self.manifest = self._read_manifest()
        self._infos = {info.filename: info for info in archive.infolist()}

    def fail(self, what: str) -> ExportError:
        return ExportError(f"{self.path}: {what}")

    @property
    def runs(self) -> list[dict[str, Any]]:
        return self.manifest["runs"]

    def check(self) -> None:
        """Everything that can be known before a run is read. Raises ExportError."""
        names = [info.filename for info in self._archive.infolist()]
        if len(set(names)) != len(names):
            raise self.fail("two members have one name, which no bundle of ours has; refused")
        members = self.manifest["members"]
        total = sum(member["bytes"] for member in members.values())
        if total > _FREE_BYTES + _RATIO * self.path.stat().st_size:
            raise self.fail(f"it would unpack to {total:,} bytes, far more than runs compress by; refused")
        for name, member in members.items():
            if name not in self._infos:
                raise self.fail(f"its member {name} is missing; get it again")
            with self._archive.open(name) as file:
                digest, size = sha256_of(file, member["bytes"])
            if size != member["bytes"] or digest != member["sha256"]:
                raise self.fail(f"its member {name} is not what the manifest says; get it again")
        ids = [run["id"] for run in self.runs]
        if len(set(ids)) != len(ids):
            raise self.fail("it holds a run twice; refused")
        for run in self.runs:
            if run["member"] not in members:
                raise self.fail(f"the manifest lacks the events of run {run['id']}; get it again")
            for _ in self.events(run):
                pass

    def rows(self, name: str) -> Iterator[Any]:
        """The rows of a member of the manifest, none where it has no such member."""
        if name not in self.manifest["members"]:
            return
        with self._archive.open(name) as file:
            number = 0
            while data := file.readline(_LINE_BYTES + 1):
                number += 1
                where = f"{name}, line {number}"
                if len(data) > _LINE_BYTES:
                    raise self.fail(f"{where} has more than {_LINE_BYTES >> 20} MiB; refused")
                yield self._decode(data, where)

    def table(self, name: str) -> Iterator[dict[str, Any]]:
        """The rows of a table, each checked."""
        for number, row in enumerate(self.rows(f"{name}.jsonl"), 1):
            try:
                yield check_row(name, row)
            except ShapeError as error:
                raise self.fail(f"{name}.jsonl, line {number}: {error}") from None

    def events(self, run: dict[str, Any]) -> Iterator[Event]:
        """A run's events, each checked, and the run as a whole."""
        last: Event | None = None
        for number, data in enumerate(self.rows(run["member"]), 1):
            where = f"{run['member']}, line {number}"
            try:
                event = from_json(data) if isinstance(data, dict) else None
                if event is None:
                    raise ShapeError("not an event")
                check_event(event, run["id"], last)
            except (ValueError, RecursionError) as error:
                reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
                raise self.fail(f"{where}: {reason}") from None
            last = event
            yield event
        if not isinstance(last, RunFinished):
            raise self.fail(f"run {run['id']} has no end; get the bundle again")

    def _decode(self, data: bytes, where: str) -> Any:
        try:
            return json.loads(data, parse_constant=_no_constant, parse_float=_finite)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise self.fail(f"{where} is not JSON of ours ({reason[:200]})") from None

    def _read_manifest(self) -> dict[str, Any]:
        try:
            info = self._archive.getinfo(MANIFEST)
        except KeyError:
            raise self.fail("not a bundle: it has no manifest.json") from None
        with self._archive.open(info) as file:
            data = file.read(_MANIFEST_BYTES + 1)
        manifest = self._decode(data, MANIFEST) if len(data) <= _MANIFEST_BYTES else None
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise self.fail("not a bundle: its manifest is of something else")
        version = manifest.get("version")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise self.fail("its manifest has no version; get it again")
        if version > VERSION:
            raise self.fail(
                f"a bundle of version {version}, and this flowreasoner reads {VERSION}; upgrade it"
            )
        if not _is_manifest(manifest):
            raise self.fail("its manifest is damaged; get it again")
        return manifest


class _Importer:
    """Puts a checked bundle into a store."""

    def __init__(self, bundle: _Bundle, store: Path, redactor: Redactor) -> None:
        self._bundle, self._store, self._redactor = bundle, store, redactor

    def run(self) -> Imported:
        imported = Imported()
        db = open_writer(self._store)
        try:
            with explained(self._store):
                annotations = self._annotations()
                experiments = self._new_experiments(db)
                todo = [run for run in self._bundle.runs if not self._is_known(db, run, imported)]
                for row in experiments:
                    self._add_experiment(db, row, imported)
                for run in todo:
                    self._add_run(db, run)
                    imported.new.append(run["id"])
                with write(db):
                    imported.annotations = sum(db.execute(_ANNOTATE, row).rowcount for row in annotations)
        finally:
            db.close()
        return imported

    def _is_known(self, db: sqlite3.Connection, run: dict[str, Any], imported: Imported) -> bool:
        """Whether the store has this very run. Raises ExportError where it has another of the id."""
        if not db.execute("SELECT 1 FROM runs WHERE id = ?", (run["id"],)).fetchone():
            return False
        with Reader(self._store) as reader:
            if not self._same(reader, run):
                raise self._bundle.fail(
                    f"run {run['id']} is in the store {self._store} with other content; nothing was imported"
                )
        imported.known.append(run["id"])
        return True

    def _same(self, reader: Reader, run: dict[str, Any]) -> bool:
        """Whether the stored events are the bundle's, as they are or once redacted here.

        Pieces of streamed text may have been joined on the way out, so that only their sum counts.
        """
        for stored, bundled in _pairs(reader.events(run["id"]), self._bundle.events(run)):
            if stored is None or bundled is None:
                return False
            if stored == bundled or stored.kind == bundled.kind == "model_delta":
                continue
            stored_line = line(next(redact(iter([stored]), self._redactor, {})))
            if stored_line != line(next(redact(iter([bundled]), self._redactor, {}))):
                return False
        return True

    def _new_experiments(self, db: sqlite3.Connection) -> list[dict[str, Any]]:
        """Those that are not here. Raises ExportError where one of the name has another plan."""
        new = []
        for row in self._bundle.table("experiments"):
            stored = db.execute("SELECT plan FROM experiments WHERE name = ?", (row["name"],)).fetchone()
            if stored is None:
                new.append(row)
            elif self._redactor.data(json.loads(stored[0])) != self._redactor.data(row["plan"]):
                raise self._bundle.fail(
                    f"the store {self._store} has another experiment {row['name']!r}; nothing was imported"
                )
        return new

    def _add_experiment(self, db: sqlite3.Connection, row: dict[str, Any], imported: Imported) -> None:
        journal = [r for r in self._bundle.table("journal") if r["experiment"] == row["name"]]
        with write(db):
            db.execute(
                "INSERT INTO experiments(name, benchmark, plan, started_at) VALUES (?, ?, ?, ?)",
                (row["name"], row["benchmark"], json.dumps(row["plan"]), row["started_at"]),
            )
            db.executemany(
                "INSERT OR IGNORE INTO journal(experiment, key, value, at) VALUES (?, ?, ?, ?)",
                [(r["experiment"], json.dumps(r["key"]), json.dumps(r["value"]), r["at"]) for r in journal],
            )
        imported.experiments.append(row["name"])

    def _add_run(self, db: sqlite3.Connection, run: dict[str, Any]) -> None:
        seq = 0

        def counted() -> Iterator[Event]:
            nonlocal seq
            for event in self._bundle.events(run):
                seq = event.seq
                yield event

        try:
            with write(db):
                add(db, counted())
        except UNSUITABLE as error:
            reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            raise self._bundle.fail(f"event {seq} of run {run['id']} cannot be stored: {reason}") from None

    def _annotations(self) -> list[tuple[Any, ...]]:
        """Their rows, checked."""
        ours = {run["id"] for run in self._bundle.runs}
        rows = []
        for row in self._bundle.table("annotations"):
            if row["run_id"] not in ours or row["kind"] not in KINDS or row["source"] not in ("user", "auto"):
                raise self._bundle.fail("its annotations are not of its runs; get it again")
            try:
                value = checked(row["kind"], row["value"])
            except StoreError as error:
                raise self._bundle.fail(f"an annotation of run {row['run_id']}: {error}") from None
            rows.append((row["run_id"], row["kind"], value, row["source"], row["at"]))
        return rows


def _pairs(stored: Iterator[Event], bundled: Iterator[Event]) -> Iterator[tuple[Event | None, Event | None]]:
    while True:
        pair = (next(stored, None), next(bundled, None))
        if pair == (None, None):
            return
        yield pair


def _is_manifest(manifest: dict[str, Any]) -> bool:
    members, runs = manifest.get("members"), manifest.get("runs")
    return (
        isinstance(members, dict)
        and isinstance(runs, list)
        and all(MEMBER.fullmatch(name) and _is_member(member) for name, member in members.items())
        and all(
            isinstance(run, dict)
            and isinstance(run.get("id"), str)
            and BUNDLE_RUN_ID.fullmatch(run["id"])
            and isinstance(run.get("member"), str)
            for run in runs
        )
    )


def _is_member(member: Any) -> bool:
    return (
        isinstance(member, dict)
        and type(member.get("bytes")) is int
        and 0 <= member["bytes"] < math.inf
        and isinstance(member.get("sha256"), str)
    )


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value
