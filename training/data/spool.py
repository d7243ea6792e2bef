"""The candidates of a data set on disk, so that choosing among those of 100,000 runs needs no memory."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Self

import zstandard

from training.data.candidates import Candidate, Row

_TABLES = (
    "CREATE TABLE candidates (number INTEGER PRIMARY KEY, same TEXT, grouped TEXT, score REAL, row BLOB)",
    "CREATE TABLE shown (problem TEXT, assertion TEXT, PRIMARY KEY (problem, assertion)) WITHOUT ROWID",
)
# Of several that count as one: the highest score, then the earliest.
_FIRST = (
    "SELECT number, grouped, score FROM (SELECT number, grouped, score, row_number() OVER"
    " (PARTITION BY same ORDER BY score DESC NULLS LAST, number) AS place FROM candidates) WHERE place = 1"
)


class Spool:
    """Candidates in the order they came in. A context manager; what it holds is gone with its file."""

    def __init__(self, path: Path, *, duplicates: bool) -> None:
        """With `duplicates`, candidates with an equal `same` are all kept."""
        self._db = sqlite3.connect(path, isolation_level=None)
        for pragma in ("journal_mode = OFF", "synchronous = OFF"):
            self._db.execute(f"PRAGMA {pragma}")
        for table in _TABLES:
            self._db.execute(table)
        self._db.execute("BEGIN")
        self._duplicates = duplicates
        self._packer, self._unpacker = zstandard.ZstdCompressor(1), zstandard.ZstdDecompressor()
        self.count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._db.close()

    def add(self, candidate: Candidate) -> None:
        """Add a candidate after the others."""
        row = self._packer.compress(json.dumps(candidate.row, ensure_ascii=True).encode("ascii"))
        values = (candidate.same, candidate.group, candidate.score, row)
        self._db.execute("INSERT INTO candidates(same, grouped, score, row) VALUES (?, ?, ?, ?)", values)
        self.count += 1

    def show(self, problem: str, assertions: Iterable[str]) -> None:
        """Note what a problem's visible tests assert: rows about the problem may hold it."""
        self._db.executemany(
            "INSERT OR IGNORE INTO shown VALUES (?, ?)", ((problem, assertion) for assertion in assertions)
        )

    def shown(self, problem: str) -> frozenset[str]:
        """What was noted of a problem by `show`."""
        rows = self._db.execute("SELECT assertion FROM shown WHERE problem = ?", (problem,))
        return frozenset(assertion for (assertion,) in rows)

    def unique_count(self) -> int:
        """How many rows `unique` gives."""
        return int(self._db.execute(f"SELECT count(*) FROM ({self._chosen})").fetchone()[0])

    def unique(self) -> Iterator[Row]:
        """One row of each `Candidate.same`, in the order in which they were added."""
        for (number,) in self._db.execute(f"SELECT number FROM ({self._chosen}) ORDER BY number"):
            yield self.row(number)

    def scored_groups(self) -> Iterator[list[tuple[float, int]]]:
        """Of each group (score, number) of one of each, in the order they came in; groups by their first."""
        query = (
            f"WITH chosen AS MATERIALIZED ({self._chosen}), firsts AS"
            " (SELECT grouped, min(number) AS first FROM chosen GROUP BY grouped)"
            " SELECT first, score, number FROM chosen JOIN firsts USING (grouped) ORDER BY first, number"
        )
        for _, found in groupby(self._db.execute(query), key=lambda row: row[0]):
            yield [(score, number) for _, score, number in found]

    def row(self, number: int) -> Row:
        """The row of this number."""
        (packed,) = self._db.execute("SELECT row FROM candidates WHERE number = ?", (number,)).fetchone()
        return json.loads(self._unpacker.decompress(packed))

    @property
    def _chosen(self) -> str:
        return "SELECT number, grouped, score FROM candidates" if self._duplicates else _FIRST
