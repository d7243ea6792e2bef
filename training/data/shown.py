"""Looking at a data set that was built."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.data.build import REPORT
from training.data.options import DataError

# The fields by which a report is recognised (`training.data.report`).
_NEEDED = {"kind", "from", "rows", "problems", "runs", "dropped", "replies", "without_reasoning", "tokens"}


def shown(folder: Path) -> dict[str, Any]:
    """A data set as JSON-ready data: folder, report, columns and first_row.

    Raises DataError where the folder does not hold a data set of `dataset build`, or a damaged one.
    """
    report = folder / REPORT
    if not report.is_file():
        problem = "holds no report.json" if folder.is_dir() else "is no folder"
        raise DataError(f"{folder} {problem}; name what `dataset build --out` wrote")
    try:
        content = json.loads(report.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or not content.keys() >= _NEEDED:
            raise ValueError("its report.json is of something else")
        from datasets import load_from_disk  # takes most of a second: not for a folder of something else

        rows: Any = load_from_disk(str(folder))
        first = rows[0]
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = str(error).strip().partition("\n")[0][:200]
        raise DataError(f"{folder} is damaged ({reason}); build it again") from None
    return {"folder": str(folder), "report": content, "columns": list(rows.column_names), "first_row": first}
