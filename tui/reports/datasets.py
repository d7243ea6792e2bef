"""What the commands about data sets print."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from tui.format import plural
from tui.reports.tables import emit, table
from tui.safe import clean, one_line

if TYPE_CHECKING:
    from training.data import Progress

_CHARS = 2_000  # of a text in the first row


def print_built(report: dict[str, Any], out: str, pushed: str | None, *, as_json: bool) -> None:
    """What was written, and what was left out."""
    data = {"out": out, "pushed": pushed, "report": report}
    lines = [f"wrote {plural(report['rows'], 'row')} to {out}", *_lines(report)]
    if pushed:
        lines.append(f"pushed to {pushed}")
    emit(data, "\n".join(lines), as_json)


def print_dataset(data: dict[str, Any], *, as_json: bool) -> None:
    """A data set: its report and first row."""
    report = data["report"]
    wanted = repr(report["from"]) if report["from"].strip() else "all runs"
    lines = [f"{plural(report['rows'], 'row')} for {report['kind']} from {wanted}"]
    lines += _lines(report)
    for name in data["columns"]:
        lines += ["", f"{name}:", _text(data["first_row"][name])]
    emit(data, "\n".join(map(clean, lines)), as_json)


def tell(progress: Progress) -> None:
    """Progress, on a line of its own that stays one line."""
    of = f" of {progress.total:,}" if progress.total is not None else ""
    noun = "runs" if progress.phase == "reading" else "rows"
    sys.stderr.write(f"\r\x1b[K{progress.phase} {progress.done:,}{of} {noun}")
    sys.stderr.flush()


def end_telling() -> None:
    sys.stderr.write("\r\x1b[K")
    sys.stderr.flush()


def _lines(report: dict[str, Any]) -> list[str]:
    runs = report["runs"]
    lines = [f"{plural(report['problems'], 'problem')}, {runs['read']:,} of {runs['matched']:,} runs read"]
    if tokens := report["tokens"]:
        lines.append(
            f"tokens of {tokens['student']}: mean {tokens['mean']:,.0f}, longest {tokens['longest']:,} (row "
            f"{tokens['longest_row']}), {tokens['trained']:,} trained on"
        )
    if replies := report["replies"]["all"]:
        lines.append(
            f"{report['replies']['truncated']:,} of {plural(replies, 'reply', 'replies')} cut off; "
            f"{plural(report['without_reasoning'], 'row')} without reasoning"
        )
    if report["dropped"]:
        dropped = sorted(report["dropped"].items(), key=lambda pair: (-pair[1], pair[0]))
        lines.append(table(("left out", ""), [(name, f"{count:,}") for name, count in dropped]))
    return [one_line(line) if "\n" not in line else line for line in lines]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}… ({len(text):,} characters)"
