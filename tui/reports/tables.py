"""What the reading commands print: a table for people, JSON for programs."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from store.run_filter import parse_filter
from tui.format import cost, count, day_time, duration, plural, score
from tui.safe import clean, one_line

if TYPE_CHECKING:
    from engine.config import Settings
    from store.rows import RunRow

_AT_ONCE = 500  # items of a list in JSON


def emit(data: Any, text: str, as_json: bool) -> None:
    """Print `data` as JSON, or `text`. An iterator in `data` is a list whose items are made as they are
    printed, so that they are never all in memory.
    """
    sys.stdout.writelines(_json(data) if as_json else [text])
    sys.stdout.write("\n")


def _json(data: Any) -> Iterator[str]:
    lists: list[Iterator[Any]] = []
    place = os.urandom(16).hex()  # no text in `data` can know it

    def later(items: Any) -> str:
        if not isinstance(items, Iterator):
            raise TypeError(f"{type(items).__name__} is nothing that JSON has")
        lists.append(items)
        return place

    first, *parts = json.dumps(data, default=later).split(f'"{place}"')
    yield first
    for items, part in zip(lists, parts, strict=True):
        yield "["
        separator = ""
        while some := list(islice(items, _AT_ONCE)):
            yield separator + json.dumps(some)[1:-1]
            separator = ", "
        yield f"]{part}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, the last one free."""
    widths = [max(len(r[i]) for r in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in [head, *rows]
    ]
    return "\n".join(lines)


def print_runs(path: Path, *, failed: bool, search: str | None, limit: int, as_json: bool) -> None:
    """`flowreasoner runs`; as JSON a line a run, however many there are. Raises StoreError."""
    from store.reader import Reader
    from store.rows import RunRow

    wanted = dataclasses.asdict(parse_filter(search or ""))
    with Reader(path) as reader:
        if as_json:
            names = [field.name for field in dataclasses.fields(RunRow)]
            for row in reader.every_run(limit, failed=failed, **wanted):
                emit({name: getattr(row, name) for name in names}, "", True)
            return
        page = reader.runs(failed=failed, limit=limit, **wanted)
    if not page.rows:
        emit(
            None, "no runs match" if failed or search else "no runs yet; start one with: flowreasoner", False
        )
        return
    head = ("run", "started", "status", "test", "val", "variant", "problem", "cost", "tokens", "time")
    emit(None, table(head, [_run_cells(r) for r in page.rows]), False)
    if page.next_cursor:
        emit(None, f"the newest {limit} are shown; --limit shows more", False)


def _run_cells(row: RunRow) -> tuple[str, ...]:
    marks = [row.status]
    if row.strict is False:
        marks.append("repaired")
    if row.tests_written_by == "model":
        marks.append("model-written tests")
    return (
        row.id,
        day_time(row.started_at),
        ", ".join(marks),
        score(row.score),
        score(row.val_score),
        row.variant,
        one_line(row.problem_id, 32),
        cost(row.cost_usd),
        count(row.tokens_in + row.tokens_out),
        duration(row.wall_ms),
    )


def print_prune(
    path: Path, older_than: float | None, keep: int | None, *, dry_run: bool, vacuum: bool, as_json: bool
) -> None:
    """`flowreasoner prune`. Raises StoreError."""
    from store.retention import prune

    before = path.stat().st_size if path.exists() else 0
    report = prune(path, older_than_days=older_than, keep=keep, dry_run=dry_run, vacuum=vacuum)
    verb = "would delete" if dry_run else "deleted"
    text = f"{verb} {plural(report.runs, 'run')} and {plural(report.events, 'event')}"
    if vacuum and not dry_run:
        text += f"\nthe file takes {report.file_bytes / 1e6:,.1f} MB now, and took {before / 1e6:,.1f} MB"
    elif report.free_bytes and not dry_run:
        text += (
            f"\nthe file keeps its size of {report.file_bytes / 1e6:,.1f} MB: new runs fill the"
            f" {report.free_bytes / 1e6:,.1f} MB that are free in it first; --vacuum shrinks it"
        )
    emit(dataclasses.asdict(report), text, as_json)


def print_settings(settings: Settings, *, as_json: bool) -> None:
    """`flowreasoner config show`: one `key = value` a line, keys redacted."""
    from engine.config import show

    data = show(settings)
    lines = [f"{key} = {json.dumps(value)}" for key, value in _flat(data)]
    emit(data, clean("\n".join(lines)), as_json)


def _flat(data: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    for key, value in data.items():
        if isinstance(value, dict) and value:
            pairs += _flat(value, f"{prefix}{key}.")
        else:
            pairs.append((f"{prefix}{key}", value))
    return pairs
