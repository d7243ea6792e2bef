"""A key right behind the cursor's is for what the cursor has come to, though that is still being read."""

from __future__ import annotations

from pathlib import Path

import pytest

from store.reader import Reader
from tests.support.stores import made
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tests.tui.test_tui_failures import opened, run_id, seven_runs
from tests.tui.test_tui_typing import burst
from tui.reports.failures import find_cluster
from tui.screens.confirm.confirm import ConfirmScreen
from tui.screens.run.run import RunScreen


@pytest.fixture
def full_store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    path.write_bytes(made(seven_runs))
    return path


async def test_what_is_done_with_a_cluster_is_done_with_the_one_under_the_cursor(full_store: Path) -> None:
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        burst(app, "j", "b", "A")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert "Run 2 runs of this cluster again?" in str(app.screen.query_one("Label").render())
        burst(app, "n", "k", "enter", "j", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunScreen) and not app.screen.session.loading)
        assert app.screen.session.state.run_id == run_id(2)  # type: ignore[attr-defined]
    with Reader(full_store) as reader:
        said = reader.annotations.of([run_id(n) for n in range(7)])
    assert [run for run, all_ in said.items() if any(a.kind == "bookmark" for a in all_)] == [run_id(5)]


async def test_for_a_large_cluster_the_command_that_runs_all_of_it_is_whole(
    full_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.screens.failures.failures.MOST_RERUNS", 1)
    app = app_of(ScriptedWorkbench(full_store))
    async with app.run_test(size=WIDE) as pilot:
        await opened(pilot)
        burst(app, "j", "A")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        question = str(app.screen.query_one("Label").render())
    _, _, command = question.partition("All of them: flowreasoner rerun --cluster ")
    with Reader(full_store) as reader:
        _, key, _ = find_cluster(reader, "signature", command.strip())
        assert key is not None and len(reader.runs(cluster=("signature", key), limit=9).rows) == 2
