"""What the workbench opens on."""

from __future__ import annotations

from pathlib import Path

from engine.benchmarks.pocket import EXAMPLE_ID
from engine.config import Settings
from store.db import open_writer
from tests.tui.pilots import record
from tests.tui.scripted import passing_run
from tui.service.workbench import EngineWorkbench


async def test_the_example_is_offered_until_the_store_has_a_run(tmp_path: Path) -> None:
    workbench = EngineWorkbench(Settings(store=tmp_path / "store.db"))
    for make in (lambda: None, lambda: open_writer(workbench.store_path).close()):
        make()
        request = workbench.first_request()
        assert request is not None
        assert request.problem is not None
        assert request.problem.id.endswith(EXAMPLE_ID)
    await record(workbench.store_path, [passing_run()])
    assert workbench.first_request() is None


def test_a_store_that_cannot_be_read_is_left_to_home(tmp_path: Path) -> None:
    workbench = EngineWorkbench(Settings(store=tmp_path / "store.db"))
    workbench.store_path.write_text("This is not a store.")
    assert workbench.first_request() is None
