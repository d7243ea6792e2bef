"""What `runs` and `prune` print of a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from store import reader as reading
from tests.store.samples import store, whole_run
from tui.reports.tables import print_prune, print_runs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    for number in range(7):
        store(path, whole_run(f"r{number}", at=float(number)))
    return path


def test_runs_as_json_are_a_line_each_over_any_number_of_pages(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reading, "_PAGE_RUNS", 2)
    print_runs(path, failed=False, search=None, limit=5, as_json=True)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == ["r6", "r5", "r4", "r3", "r2"]
    assert rows[0]["config"] == {"rounds": 2} and rows[0]["parent"] is None


def test_prune_says_that_the_file_keeps_its_size_unless_it_is_shrunk(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def said(keep: int, *, dry_run: bool = False, vacuum: bool = False) -> str:
        print_prune(path, None, keep, dry_run=dry_run, vacuum=vacuum, as_json=False)
        return capsys.readouterr().out

    assert said(5, dry_run=True) == "would delete 2 runs and 30 events\n"
    assert "\nthe file keeps its size of " in said(5)
    size = path.stat().st_size
    shrunk = said(1, vacuum=True)
    assert shrunk.startswith("deleted 4 runs and 60 events\nthe file takes ")
    assert shrunk.endswith(f"MB now, and took {size / 1e6:,.1f} MB\n")
    assert path.stat().st_size < size
