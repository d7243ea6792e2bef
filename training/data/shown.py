"""Looking at a data set that was built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.data.build import REPORT
from training.data.options import DataError

# What a report is read by (`training.data.report`).
_NEEDED = {"kind", "from", "rows", "problems", "runs", "dropped", "replies", "without_reasoning", "tokens"}


def shown(folder: Path) -> dict[str, Any]:
    """A data set's report, columns and first row.

    Raises DataError where the folder holds no data set of `dataset build`.
    """
    from datasets import load_from_disk

    report = folder / REPORT
    if not report.is_file():
        what = "holds no report.json" if folder.is_dir() else "is no folder"
        raise DataError(f"{folder} {what}; name what `dataset build --out` wrote")
    try:
        told = json.loads(report.read_text(encoding="utf-8"))
        if not isinstance(told, dict) or not told.keys() >= _NEEDED:
            raise ValueError("its report.json is of something else")
        rows: Any = load_from_disk(str(folder))
        first = rows[0]
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise DataError(f"{folder} is damaged ({reason}); build it again") from None
    return {"folder": str(folder), "report": told, "columns": list(rows.column_names), "first_row": first}
