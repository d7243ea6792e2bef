"""Finding runs again: facets with their counts, filters with a name, and the searches made before."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input, OptionList

from store import facets as facets_module
from store.annotations import annotate
from store.reader import Reader
from store.run_filter import RunFilter, parse_filter, with_term
from tests.tui.pilots import SMALL, WIDE, app_of, record, told, until
from tests.tui.scripted import RUN_ID, ScriptedWorkbench, failing_run, passing_run
from tui.app import WorkbenchApp
from tui.memory import Memory
from tui.screens.ask.ask import AskScreen
from tui.screens.pick.pick import PickScreen
from tui.screens.runs.filters import SAVED, Filters, RunsFilter, facet_choices
from tui.screens.runs.runs import RunsScreen
from tui.widgets.table_view import TableView


@pytest.fixture
async def full(store: Path) -> Path:
    """Two runs that failed, one of another variant, and three that passed."""
    failed = [failing_run(f"{RUN_ID}{n}", 1.78e9 + n) for n in range(2)]
    failed[1] = [dataclasses.replace(failed[1][0], variant="vanilla"), *failed[1][1:]]  # type: ignore[call-arg]
    passed = [passing_run(f"{RUN_ID}{n}", 1.78e9 + n) for n in range(2, 5)]
    await record(store, [*failed, *passed])
    annotate(store, [f"{RUN_ID}0"], "label", "agent-bug")
    return store


def counts(store: Path, search: str = "", **more: Any) -> dict[str, dict[str, int]]:
    with Reader(store) as reader:
        found = reader.facets(parse_filter(search), **more)
    return {facet: dict(values) for facet, values in found.values.items()}


def test_runs_are_counted_by_what_they_are(full: Path) -> None:
    found = counts(full)
    assert found["status"] == {"passed": 3, "failed": 2}
    assert found["variant"] == {"flowreasoner": 4, "vanilla": 1}
    assert found["label"]["agent-bug"] == 1
    assert counts(full, "variant:vanilla")["status"] == {"failed": 1}
    assert counts(full, failed=True)["status"] == {"failed": 2}
    assert counts(full, "label:agent-bug")["variant"] == {"flowreasoner": 1}
    assert counts(full, "median status:passed")["status"] == {"passed": 3}
    assert counts(full, "nothinglikethis") == {facet: {} for facet in facets_module.FACETS}


def test_counts_are_bounded_and_say_so(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facets_module, "MOST_COUNTED", 3)
    with Reader(full) as reader:
        found = reader.facets(RunFilter())
        assert found.is_part and found.counted == 3
        assert all(text.partition("+")[1] for _, text in facet_choices(found, ""))
        assert not reader.facets(parse_filter("status:failed")).is_part


def test_there_is_nothing_to_count_in_a_store_that_is_not_there(store: Path) -> None:
    with Reader(store) as reader:
        assert reader.facets(RunFilter()).counted == 0


@pytest.mark.parametrize(
    ("text", "field", "value", "wanted"),
    [
        ("", "status", "failed", "status:failed"),
        ("median", "status", "failed", "median status:failed"),
        ("status:passed median", "status", "failed", "median status:failed"),
        ("status:failed median", "status", "failed", "median"),
        ("status:a status:b", "status", "c", "status:c"),
        ("my status", "status", "failed", "my status status:failed"),
    ],
)
def test_a_term_takes_the_place_of_another_of_its_field(
    text: str, field: str, value: str, wanted: str
) -> None:
    assert with_term(text, field, value) == wanted


def test_the_history_is_walked_and_ends_at_what_was_typed(tmp_path: Path) -> None:
    filters = Filters(Memory(tmp_path))
    for search in ("one", "two", "one", "three", ""):
        filters.note(search)
    assert filters.history == ["two", "one", "three"]
    assert [filters.walk(-1, "half") for _ in range(4)] == ["three", "one", "two", "two"]
    assert [filters.walk(1, "half") for _ in range(4)] == ["one", "three", "half", "half"]
    again = Filters(Memory(tmp_path))
    assert again.walk(-1, "") == "three"
    assert Filters(Memory(tmp_path / "new")).walk(-1, "typed") == "typed"


def test_filters_are_saved_replaced_and_forgotten(tmp_path: Path) -> None:
    filters = Filters(Memory(tmp_path))
    assert "is saved." in filters.save("mine", RunsFilter("x", failed=True))
    assert "in place of" in filters.save("mine", RunsFilter("y"))
    assert Filters(Memory(tmp_path)).saved == {"mine": RunsFilter("y")}
    assert "forgotten" in filters.save("mine", RunsFilter("y"))
    assert Filters(Memory(tmp_path)).saved == {}


@pytest.mark.parametrize("broken", [7, [], {"a": 1}, {"a": {"search": 2}}, "x"])
def test_a_file_that_was_changed_by_hand_costs_nothing(tmp_path: Path, broken: object) -> None:
    (tmp_path / "screens.json").write_text(json.dumps({SAVED: broken, "runs:history": broken}))
    filters = Filters(Memory(tmp_path))
    assert filters.saved == {}
    assert filters.walk(-1, "typed") in ("typed", "x")


async def opened(pilot: Pilot[Any], app: WorkbenchApp, runs: int) -> TableView:
    await pilot.press("2")
    await until(pilot, lambda: isinstance(app.screen, RunsScreen))
    table = app.screen.query_one("#runs", TableView)
    await until(pilot, lambda: table.count == runs)
    return table


async def test_a_facet_narrows_and_the_filter_is_saved_for_later(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        table = await opened(pilot, app, 5)
        await pilot.press("S", "o")
        await until(pilot, lambda: any("no filter to save" in text for text in told(app)))
        await until(pilot, lambda: any("No filter is saved yet" in text for text in told(app)))
        await pilot.press("F", *"variant")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        rows = app.screen.query_one(OptionList)
        await until(pilot, lambda: rows.option_count == 2)
        assert "4 runs" in str(rows.get_option_at_index(0).prompt)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and table.count == 1)
        assert app.screen.query_one("#search", Input).value == "variant:vanilla"
        await pilot.press("S")
        await until(pilot, lambda: isinstance(app.screen, AskScreen))
        await pilot.press(*"bare", "enter")
        await until(pilot, lambda: any("bare is saved" in text for text in told(app)))
    app = app_of(ScriptedWorkbench(full))  # the next day
    async with app.run_test(size=SMALL) as pilot:
        table = await opened(pilot, app, 5)
        await pilot.press("o")
        await until(pilot, lambda: isinstance(app.screen, PickScreen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen) and table.count == 1)


async def test_searches_come_back_with_the_arrow_key(full: Path) -> None:
    app = app_of(ScriptedWorkbench(full))
    async with app.run_test(size=WIDE) as pilot:
        table = await opened(pilot, app, 5)
        box = app.screen.query_one("#search", Input)
        for word, runs in (("failed", 2), ("passed", 3)):
            await pilot.press("slash", *["backspace"] * len(box.value), *"status", "colon", *word, "enter")
            await until(pilot, lambda runs=runs: table.count == runs)
        await pilot.press("slash")
        await until(pilot, lambda: app.focused is box)
        await pilot.press("up")
        assert box.value == "status:passed"
        await pilot.press("up")
        assert box.value == "status:failed"
        await pilot.press("down", "down")
        assert box.value == "status:passed"
        await pilot.press("up", "up", "enter")
        await until(pilot, lambda: table.count == 2)
