"""Where a run stands still, what can be changed there, and how it goes on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.events import Event, RunPaused, RunResumed, ValueEdited
from engine.run.control import Breakpoint, BreakpointError, Control, ControlError, Crossing, parse_breakpoint
from engine.run.emitter import Emitter
from engine.run.ledger import Budget, Ledger


class Emitted(Emitter):
    """Keeps what is emitted."""

    def __init__(self) -> None:
        super().__init__("run")
        self.all: list[Event] = []

    def emit(self, event: Any) -> Any:
        self.all.append(event)
        return super().emit(event)


def control() -> tuple[Control, Emitted]:
    emitter = Emitted()
    return Control(emitter, Ledger(Budget())), emitter


def crossing(where: Any = "before", execution: str = "e1", step: str = "s1", **more: Any) -> Crossing:
    values = {"operator": "test", "line": 4, "value": {"solution": "x = 1"}, **more}
    return Crossing(where=where, execution_id=execution, step_id=step, **values)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


TEXTS = [
    "before test",
    "before *",
    "after revise",
    "error",
    "model",
    "model meta-agent",
    "verdict",
    "verdict failed",
    "line 12",
    "tokens > 2000",
    "cost > 0.1",
    "latency > 2.5",
    "match /a b/",
    "match output /def \\w+/",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_breakpoint_reads_as_it_is_written(text: str) -> None:
    assert str(parse_breakpoint(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "sometimes", "line", "line 0", "line x", "tokens", "tokens > -1", "cost > much", "error now"),
        *("match", "match word", "match //", "match /(/", "latency > nan x", "line 99999999999999999999x"),
    ],
)
def test_what_is_no_breakpoint_says_how_one_is_written(text: str) -> None:
    with pytest.raises(BreakpointError, match=r"is not a (breakpoint|regular expression)"):
        parse_breakpoint(text)


@pytest.mark.parametrize(
    ("text", "where", "more", "stops"),
    [
        ("before test", "before", {}, True),
        ("before revise", "before", {}, False),
        ("before *", "after", {}, False),
        ("after test", "error", {}, True),
        ("error", "after", {}, False),
        ("error", "error", {}, True),
        ("verdict", "verdict", {"status": "failed"}, True),
        ("verdict", "verdict", {"status": "passed"}, False),
        ("verdict oom", "verdict", {"status": "failed"}, False),
        ("line 4", "before", {}, True),
        ("line 4", "line", {"line": 5}, False),
        ("tokens > 10", "after", {"tokens": 11}, True),
        ("tokens > 10", "before", {"tokens": 11}, False),
        ("cost > 0.5", "after", {"cost_usd": None}, False),
        ("latency > 1", "after", {"latency_s": 1.5}, True),
        ("match /x = \\d/", "before", {}, True),
        ("match output /x = \\d/", "before", {}, False),
        ("match /two\\nlines/", "after", {"value": {"response": "two\nlines"}}, True),
    ],
)
def test_a_breakpoint_stops_where_it_says(text: str, where: str, more: dict[str, Any], stops: bool) -> None:
    assert parse_breakpoint(text).matches(crossing(where, **more)) is stops


def test_a_pattern_that_never_ends_does_not_hold_up_the_engine() -> None:
    hostile = Breakpoint("match", pattern="(a|a)*b")
    assert not hostile.matches(crossing(value={"solution": "a" * 5000}))


async def test_without_breakpoints_everything_passes() -> None:
    controlled, emitter = control()
    passed = await controlled.cross(crossing())
    assert (passed.value, passed.edited, passed.skipped) == ({"solution": "x = 1"}, False, False)
    assert emitter.all == []


async def test_a_stop_is_looked_at_edited_and_left() -> None:
    controlled, emitter = control()
    controlled.set_breakpoints([parse_breakpoint("before test")])

    async def read() -> Any:
        return {"n": 3}

    arriving = asyncio.create_task(controlled.cross(crossing(), read))
    await settle()
    stop = controlled.stop
    assert stop is not None
    assert (stop.reason, stop.locals) == ("before test", {"n": 3})

    controlled.edit({"solution": "x = 2"})
    controlled.resume()

    passed = await arriving
    assert passed.value == {"solution": "x = 2"}
    assert passed.edited
    assert controlled.stop is None
    assert [type(e) for e in emitter.all] == [RunPaused, ValueEdited, RunResumed]


async def test_what_arrives_while_the_run_stands_waits() -> None:
    controlled, _ = control()
    controlled.pause()
    first = asyncio.create_task(controlled.cross(crossing(execution="e1")))
    await settle()
    second = asyncio.create_task(controlled.cross(crossing(execution="e2")))
    await settle()
    assert not second.done()

    controlled.resume()
    await asyncio.gather(first, second)


async def test_stepping_over_stops_at_the_next_step_of_the_same_execution() -> None:
    controlled, _ = control()
    controlled.pause()
    first = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    controlled.step("over")
    await first
    await controlled.cross(crossing("model", step="s1"))
    await controlled.cross(crossing("after", step="s1"))
    await controlled.cross(crossing("before", execution="e2"))

    following = asyncio.create_task(controlled.cross(crossing("before", step="s2")))
    await settle()
    assert controlled.stop is not None
    assert controlled.stop.reason == "step"
    controlled.resume()
    await following


async def test_stepping_into_stops_inside_and_out_at_the_steps_end() -> None:
    controlled, _ = control()
    controlled.pause()
    first = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    controlled.step("into")
    await first
    inside = asyncio.create_task(controlled.cross(crossing("model", value=[])))
    await settle()
    assert controlled.stop is not None
    controlled.step("out")
    await inside
    await controlled.cross(crossing("model", value=[]))
    ended = asyncio.create_task(controlled.cross(crossing("after")))
    await settle()
    assert controlled.stop is not None
    assert controlled.stop.crossing.where == "after"
    controlled.resume()
    await ended


async def test_running_to_a_place_holds_once() -> None:
    controlled, _ = control()
    controlled.pause()
    first = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    controlled.resume(until=parse_breakpoint("line 9"))
    await first
    there = asyncio.create_task(controlled.cross(crossing(line=9)))
    await settle()
    assert controlled.stop is not None
    controlled.resume()
    await there
    await controlled.cross(crossing(line=9))


async def test_a_skipped_step_gives_the_output_it_was_given() -> None:
    controlled, _ = control()
    controlled.pause()
    arriving = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    controlled.skip({"result": True})
    passed = await arriving
    assert passed.skipped
    assert passed.value == {"result": True}


async def test_what_cannot_be_done_says_so() -> None:
    controlled, _ = control()
    for act in (controlled.resume, lambda: controlled.step("over"), lambda: controlled.skip(None)):
        with pytest.raises(ControlError, match="not paused"):
            act()
    controlled.pause()
    arriving = asyncio.create_task(controlled.cross(crossing("after")))
    await settle()
    with pytest.raises(ControlError, match="not run yet"):
        controlled.skip({})
    controlled.resume()
    await arriving


async def test_the_clock_does_not_tick_while_the_run_stands() -> None:
    ledger = Ledger(Budget(wall_s=100))
    controlled = Control(Emitter("run"), ledger)
    controlled.pause()
    arriving = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    before = ledger.clock.wall_s
    assert ledger.clock.wall_s == before
    controlled.resume()
    await arriving
    assert ledger.clock.wall_s > before


async def test_cancelling_a_run_that_stands_frees_it() -> None:
    controlled, _ = control()
    controlled.pause()
    arriving = asyncio.create_task(controlled.cross(crossing()))
    await settle()
    arriving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await arriving
    assert controlled.stop is None
    await controlled.cross(crossing())
