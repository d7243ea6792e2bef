"""Rows to train on, as a Parquet file or as a folder of the `datasets` library."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from store.exports.files import ExportError
from store.exports.training_rows import COLUMNS

if TYPE_CHECKING:
    import pyarrow

_BATCH_ROWS = 100


def write_parquet(rows: Iterable[dict[str, Any]], file: BinaryIO) -> int:
    """Write the rows as Parquet, a batch in memory at a time; how many. Raises ExportError."""
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise _missing("pyarrow") from None
    count = 0
    schema = _schema()
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in _tables(rows, schema):
            writer.write_table(table)
            count += table.num_rows
    return count


def write_dataset(rows: Iterable[dict[str, Any]], folder: Path) -> int:
    """Write what `datasets.load_from_disk` reads into an empty folder; how many rows.

    The rows go to an Arrow file first and are mapped from there, so that they are never all in memory
    and leave nothing in the library's own cache.
    """
    try:
        import pyarrow
        from datasets import Dataset, disable_progress_bars
    except ImportError:
        raise _missing("datasets") from None
    disable_progress_bars()
    schema = _schema()
    count = 0
    with tempfile.TemporaryDirectory(prefix=f"{folder.name}.", dir=folder.parent) as beside:
        rows_file = Path(beside) / "rows.arrow"
        with pyarrow.OSFile(str(rows_file), "wb") as sink, pyarrow.ipc.new_stream(sink, schema) as writer:
            for table in _tables(rows, schema):
                writer.write_table(table)
                count += table.num_rows
        Dataset.from_file(str(rows_file)).save_to_disk(str(folder))
    return count


def _tables(rows: Iterable[dict[str, Any]], schema: pyarrow.Schema) -> Iterator[pyarrow.Table]:
    import pyarrow

    rest = iter(rows)
    while batch := list(islice(rest, _BATCH_ROWS)):
        yield pyarrow.Table.from_pylist(batch, schema=schema)


def _schema() -> pyarrow.Schema:
    import pyarrow

    message = pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())])
    types: dict[str, Any] = {
        "string": pyarrow.string(),
        "int64": pyarrow.int64(),
        "float64": pyarrow.float64(),
        "bool": pyarrow.bool_(),
        "messages": pyarrow.list_(message),
    }
    return pyarrow.schema([(name, types[kind]) for name, (kind, _) in COLUMNS.items()])


def _missing(package: str) -> ExportError:
    return ExportError(
        f"this format needs the package {package}; install it with: pip install 'flowreasoner[data]'"
    )
