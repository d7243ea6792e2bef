"""A new user's way from a failed HumanEval run to a passing fork."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.runtime import runtime
from tests.support.tour import failed_run, tour
from tui.app import WorkbenchApp

__all__ = ["runtime"]  # a fixture
DATA = Path(os.environ.get("FLOWREASONER_DATA", "")) / "HumanEval.jsonl"


@pytest.mark.skipif(not DATA.is_file(), reason="needs FLOWREASONER_DATA, a folder with HumanEval.jsonl")
async def test_a_failed_run_becomes_a_passing_fork_in_a_few_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str
) -> None:
    # Restored afterwards: the tour sets it for the processes it starts.
    monkeypatch.setenv("FLOWREASONER_ENDPOINTS__STAND__BASE_URL", "")
    seen: list[str] = []

    def snap(_: WorkbenchApp, name: str) -> None:
        seen.append(name)

    async with failed_run(DATA, tmp_path) as store:
        went = await tour(store, snap)

    assert went.status == "passed"
    assert len(went.keys) < 10
    assert seen == ["runs", "failure", "fork", "passed"]
