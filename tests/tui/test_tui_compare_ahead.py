"""What is about to be compared is read before somebody asks, once, and again when the store has changed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from store.compare import sides
from store.compare.sides import CompareError
from store.errors import StoreError
from tests.support.trials import FAIL, PASS, store_experiment
from tests.tui.pilots import WIDE, app_of, until
from tests.tui.scripted import ScriptedWorkbench
from tui.screens.compare.choose import ChooseScreen
from tui.screens.compare.compare import CompareScreen
from tui.screens.experiments.experiments import ExperimentsScreen
from tui.service.records import Records
from tui.widgets.table_view import TableView


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = tmp_path / "store.db"
    both = {"p0": [PASS], "p1": [FAIL]}
    store_experiment(store, "e", {"a": both, "b": both})
    return store


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were read from the store so far."""
    names: list[str] = []
    read_named = sides.read_named

    def spy(reader: sides.Reader, name: str) -> list[sides.NamedParts]:
        names.append(name)
        return read_named(reader, name)

    monkeypatch.setattr(sides, "read_named", spy)
    return names


def test_what_was_read_ahead_is_not_read_again(path: Path, read: list[str]) -> None:
    async def scenario() -> None:
        records = Records(path)
        await records.read_ahead(["e:a"])
        await records.read_ahead(["e:a", "e:b"])
        assert read == ["e:a", "e:b"]
        found = await records.comparison(["e:a", "e:b"], 0)
        assert found is await records.comparison(["e:a", "e:b"], 0)
        other_way = await records.comparison(["e:a", "e:b"], 1)
        assert read == ["e:a", "e:b"]
        assert [side.name for side in found.sides] == ["e:a", "e:b"]
        assert [side.name for side in other_way.sides] == ["e:b", "e:a"]
        await records.comparison(["e"], 0)  # the others are let go of
        await records.comparison(["e:a", "e:b"], 0)
        assert read == ["e:a", "e:b", "e", "e:a", "e:b"]
        await records.aclose()

    asyncio.run(scenario())


def test_a_store_that_has_changed_since_is_read_again(path: Path) -> None:
    async def scenario() -> None:
        records = Records(path)
        await records.read_ahead(["e:a", "e:b"])
        before = await records.comparison(["e:a", "e:b"], 0)
        assert [summary.counts.passed for summary in before.summaries] == [1, 1]
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("UPDATE runs SET status = 'passed', score = 1.0")
        found = await records.comparison(["e:a", "e:b"], 0)
        assert [summary.counts.passed for summary in found.summaries] == [2, 2]
        await records.aclose()

    asyncio.run(scenario())


def test_what_cannot_be_read_ahead_is_said_when_it_is_asked_for(path: Path) -> None:
    async def scenario() -> None:
        records = Records(path)
        await records.read_ahead(["e:c", "nothing", "e:a"])
        with pytest.raises(CompareError, match="has no variant 'c'"):
            await records.comparison(["e:c", "e:a"], 0)
        with pytest.raises(StoreError, match="nothing"):
            await records.comparison(["nothing", "e:a"], 0)
        await records.aclose()

    asyncio.run(scenario())


def test_screens_read_what_is_marked_or_selected(path: Path, read: list[str]) -> None:
    async def scenario() -> None:
        app = app_of(ScriptedWorkbench(path))
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("6")
            await until(pilot, lambda: isinstance(app.screen, ChooseScreen))
            await until(pilot, lambda: app.screen.query_one("#variants", TableView).count)
            await pilot.press("space", "j", "space")
            await until(pilot, lambda: read == ["e:a", "e:b"])
            await pilot.press("c")
            await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.state.comparison)
            assert read == ["e:a", "e:b"]
            await pilot.press("5")
            await until(pilot, lambda: isinstance(app.screen, ExperimentsScreen))
            await until(pilot, lambda: read == ["e:a", "e:b", "e"])
            await pilot.press("c")
            await until(pilot, lambda: isinstance(app.screen, CompareScreen) and app.screen.state.comparison)
            assert read == ["e:a", "e:b", "e"]

    asyncio.run(scenario())
