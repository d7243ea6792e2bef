"""Scrubbing: the run after any of its events is what it was when the event came."""

from __future__ import annotations

import dataclasses
import random
from typing import Any

import pytest

from engine.events import Event
from tests.tui.scripted import failing_run, long_run, mid_stream_run, passing_run
from tui.trace.history import MAX_COPIES, History
from tui.trace.nodes import Buffer
from tui.trace.state import RunState


def plain(value: Any) -> Any:
    """A state or node as data that compares by content, without what only tells copies apart."""
    if isinstance(value, Buffer):
        return value.text
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value) if f.name != "of"}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


def content(state: RunState) -> dict[str, Any]:
    values = {**vars(state), **vars(state.tree)}
    return {name: plain(v) for name, v in values.items() if name not in ("tree", "_identity", "changed")}


def fresh(events: list[Event]) -> RunState:
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def recorded(events: list[Event]) -> tuple[History, RunState]:
    history, state = History(), RunState()
    for event in events:
        state.apply(event)
        history.add(event, state)
    return history, state


@pytest.mark.parametrize("run", [passing_run, failing_run, mid_stream_run, lambda: long_run(60)])
async def test_every_position_is_the_state_of_that_moment(run: Any) -> None:
    events = run()
    history, live = recorded(events)
    end = content(live)
    for position in range(0, len(events) + 1, 7):
        assert content(await history.seek(position)) == content(fresh(events[:position])), position
    chance = random.Random(5)
    for _ in range(40):
        position = chance.randrange(len(events) + 1)
        assert content(await history.seek(position)) == content(fresh(events[:position])), position
    assert content(live) == end, "looking back changed the run"


async def test_a_run_goes_on_while_its_past_is_looked_at() -> None:
    events = long_run(60)
    half = len(events) // 2
    history, live = recorded(events[:half])
    await history.seek(half - 9)
    for event in events[half:]:
        live.apply(event)
        history.add(event, live)
    assert content(await history.seek(half - 9)) == content(fresh(events[: half - 9]))
    assert content(await history.seek(len(events))) == content(live) == content(fresh(events))


async def test_going_back_step_by_step_applies_few_events_again(monkeypatch: pytest.MonkeyPatch) -> None:
    events = long_run(2_000)
    history, _ = recorded(events)
    applied = 0
    apply = RunState.apply

    def counting(state: RunState, event: Event) -> None:
        nonlocal applied
        applied += 1
        apply(state, event)

    monkeypatch.setattr(RunState, "apply", counting)
    for position in range(len(events), len(events) - 200, -1):
        await history.seek(position)
    coarse = len(events) / MAX_COPIES * 4
    assert applied < coarse + 200 * coarse / MAX_COPIES * 2
    assert applied < len(events) * 3


async def test_streamed_text_counts_as_one_step_of_the_scrub() -> None:
    history, _ = recorded(mid_stream_run())
    last = len(history)
    before = history.milestone(last, -1)
    assert history.events[before - 1].kind == "model_call_started"
    assert history.milestone(before, 1) == last
    assert history.milestone(0, -1) == 0 and history.milestone(last, 1) == last
