"""The schema: released versions stay as they are, every store reaches the newest, docs match."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

import store as package
from store import migrations
from store.db import network_filesystem, open_reader, open_writer
from store.reader import Reader
from store.schema_doc import schema_markdown
from tests.store.samples import started, store, whole_run

_SCHEMAS = sorted(Path(__file__).with_name("schemas").glob("*.sql"))
_SOURCES = sorted(Path(package.__file__).parent.rglob("*.py"))


def schema(db: sqlite3.Connection) -> set[tuple[str, str | None]]:
    query = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex%'"
    return set(db.execute(query))


@pytest.fixture
def newest(tmp_path: Path) -> set[tuple[str, str | None]]:
    db = open_writer(tmp_path / "newest.db")
    found = schema(db)
    db.close()
    return found


@pytest.mark.parametrize("dump", _SCHEMAS, ids=lambda path: path.stem)
def test_every_released_schema_migrates_with_its_data(
    tmp_path: Path, dump: Path, newest: set[tuple[str, str | None]]
) -> None:
    path = tmp_path / "store.db"
    with sqlite3.connect(path) as db:
        db.executescript(dump.read_text(encoding="utf-8"))
    db.close()
    writer = open_writer(path)
    assert schema(writer) == newest
    assert writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    writer.close()

    with Reader(path) as reader:
        assert list(reader.events("r1")) == whole_run()
        assert [hit.run_id for hit in reader.search("answer")] == ["r1"]
    store(path, whole_run("r2"))


def test_every_migration_has_a_released_schema() -> None:
    assert [path.stem for path in _SCHEMAS] == [name.partition("_")[0] for name in migrations.NAMES]


def test_an_older_store_is_brought_up_to_date_by_reading(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "store.db"
    store(path, [started()])
    later = dict(migrations._MIGRATIONS, later=lambda db: db.execute("CREATE TABLE later(id)"))
    monkeypatch.setattr(migrations, "_MIGRATIONS", later)
    monkeypatch.setattr(migrations, "NAMES", tuple(later))

    db = open_reader(path)
    assert db is not None
    assert db.execute("SELECT count(*) FROM later").fetchone() == (0,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.execute("DELETE FROM runs")
    db.close()


def test_a_store_being_made_reads_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.touch()

    assert Reader(path).runs().rows == ()


def test_a_writer_has_its_pragmas(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        db = open_writer(tmp_path / "store.db", lock_timeout_s=7.0)
    pragmas = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "journal_size_limit")
    values = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]
    db.close()

    assert values == ["wal", 1, 1, 7000, 64 * 1024 * 1024]


def test_a_network_filesystem_is_recognised() -> None:
    mounts = "\n".join(
        [
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
            "40 22 0:40 / /home rw shared:2 - nfs4 server:/home rw",
            "41 40 8:2 / /home/me/local\\040disk rw - xfs /dev/sdb rw",
        ]
    )

    assert network_filesystem(Path("/home/me/store.db"), mounts) == "nfs4"
    assert network_filesystem(Path("/home/me/local disk/store.db"), mounts) is None
    assert network_filesystem(Path("/homes/store.db"), mounts) is None
    assert network_filesystem(Path("/store.db"), "") is None


def test_only_write_starts_a_transaction() -> None:
    starts = re.compile(
        r"\batomic\(|(?<!-)\bBEGIN\b(?! *$| IMMEDIATE\b)|[\"']BEGIN|isolation_level=(?!None)|\.begin\("
    )
    found = [
        f"{path.name}: {line.strip()}"
        for path in _SOURCES
        for line in path.read_text(encoding="utf-8").splitlines()
        if starts.search(line)
    ]

    # The second one asks whether the store is being written, and writes nothing.
    begin = 'db.execute("BEGIN IMMEDIATE")'
    assert sorted(found) == [f"db.py: {begin}", f"stalls.py: {begin}"]


def test_importing_the_store_is_cheap() -> None:
    code = "import sys, store.recorder, store.reader, store.retention; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()

    assert not {"pandas", "zstandard", "textual", "typer", "rich", "pydantic"} & set(loaded)


def test_every_table_and_column_is_described() -> None:
    text = schema_markdown()
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrations.apply(db)
    tables = [
        name
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE '%--%'")
    ]

    assert len(tables) == 29
    for table in tables:
        section = text.split(f"## {table}\n")[1].split("\n## ")[0]
        for _, column, *_ in db.execute(f"PRAGMA table_info({table})"):
            assert re.search(rf"^\| `{column}` \| .+ \| \S.* \|$", section, re.MULTILINE), (table, column)
