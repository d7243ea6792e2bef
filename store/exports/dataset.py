"""Rows to train on, as Parquet or a folder of the `datasets` library; the same rows are the same bytes."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from store.exports.files import ExportError
from store.exports.training_rows import COLUMNS

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 100
Columns = Mapping[str, tuple[str, str]]  # name: (type, what it holds)


def write_parquet(rows: Iterable[dict[str, Any]], file: BinaryIO) -> int:
    """Write the rows as Parquet, a batch in memory at a time; returns how many.

    Raises ExportError where pyarrow is not installed.
    """
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise _missing("pyarrow") from None
    count = 0
    schema = _schema(COLUMNS)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _tables(rows, schema):
            writer.write_table(table)
            count += table.num_rows
    return count


def write_dataset(rows: Iterable[dict[str, Any]], folder: Path, columns: Columns = COLUMNS) -> int:
    """Write what `datasets.load_from_disk` reads into an empty folder; returns how many rows.

    The rows go to an Arrow file first and are mapped from there, so that they are never all in memory and
    leave nothing in the library's own cache. Raises ExportError where `datasets` is not installed.
    """
    try:
        import pyarrow
        from datasets import Dataset, disable_progress_bars
    except ImportError:
        raise _missing("datasets") from None
    disable_progress_bars()
    schema = _schema(columns)
    count = 0
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as scratch:
        rows_file = Path(scratch) / "rows.arrow"
        with pyarrow.OSFile(str(rows_file), "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as writer:
            for table in _tables(rows, schema):
                writer.write_table(table)
                count += table.num_rows
        mapped = Dataset.from_file(str(rows_file))
        # Left to itself, the library makes up the fingerprint from the time.
        with rows_file.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()[:16]
        Dataset(mapped.data, info=mapped.info, fingerprint=content).save_to_disk(str(folder))
    return count


def _tables(rows: Iterable[dict[str, Any]], schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    import pyarrow

    remaining = iter(rows)
    while batch := list(islice(remaining, _BATCH_ROWS)):
        yield pyarrow.Table.from_pylist(batch, schema=schema)


def _schema(columns: Columns) -> pyarrow.Schema:
    import pyarrow

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    types: dict[str, Any] = {
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "messages": pyarrow.list_(message),
        "answer": pyarrow.struct([("reasoning", pyarrow.string()), ("reply", pyarrow.string())]),
    }
    return pyarrow.schema([(name, types[kind]) for name, (kind, _) in columns.items()])


def _missing(package: str) -> ExportError:
    return ExportError(
        f"this format needs the package {package}; install it with: pip install 'flowreasoner[data]'"
    )
