"""Where exactly a breakpoint begins to hold, and what happens to whatever waits behind a stop."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from engine.run.clock import Clock, within
from engine.run.control import Control, Crossing, Pass, parse_breakpoint
from engine.run.emitter import Emitter
from engine.run.ledger import Budget, BudgetExceededError, Ledger


def crossing(where: Any = "before", execution: str = "e1", step: str = "s1", **more: Any) -> Crossing:
    return Crossing(where=where, execution_id=execution, step_id=step, operator="test", value={}, **more)


async def turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("text", "field", "at", "above"),
    [
        ("tokens > 10", "tokens", 10, 11),
        ("tokens > 0", "tokens", 0, 1),
        ("cost > 0.5", "cost_usd", 0.5, 0.500001),
        ("cost > 0", "cost_usd", 0.0, 1e-9),
        ("latency > 2", "latency_s", 2.0, 2.000001),
    ],
)
@pytest.mark.parametrize("where", ["after", "error"])
def test_a_limit_holds_above_its_value_and_not_at_it(
    text: str, field: str, at: float, above: float, where: str
) -> None:
    assert not parse_breakpoint(text).matches(crossing(where, **{field: at}))
    assert parse_breakpoint(text).matches(crossing(where, **{field: above}))


def test_a_budget_is_used_up_at_its_value() -> None:
    """The other way round than a breakpoint: so many calls may be made, and not one more."""
    ledger = Ledger(Budget(model_calls=2, steps=1))
    ledger.admit_call()
    ledger.admit_call()
    with pytest.raises(BudgetExceededError, match="2 for model calls"):
        ledger.admit_call()
    ledger.admit_step()
    with pytest.raises(BudgetExceededError, match="1 for steps"):
        ledger.admit_step()
    spent = Ledger(Budget(tokens=15, cost_usd=0.5))
    spent.charge(10, 4, 0.25)
    spent.admit_call()
    spent.charge(0, 1, 0.0)
    with pytest.raises(BudgetExceededError, match="15 for tokens"):
        spent.admit_call()


def test_a_call_of_unknown_price_leaves_the_known_cost_to_count_against_the_budget() -> None:
    ledger = Ledger(Budget(cost_usd=0.5))
    ledger.charge(1, 1, 0.25)
    ledger.charge(1, 1, None)
    assert (ledger.cost_usd, ledger.known_cost_usd) == (None, 0.25)
    ledger.charge(1, 1, 0.25)
    assert (ledger.cost_usd, ledger.known_cost_usd) == (None, 0.5), "once unknown, a sum stays unknown"
    with pytest.raises(BudgetExceededError, match=r"0\.5 USD for cost"):
        ledger.admit_call()


@pytest.mark.parametrize("waiting", [2, 3, 5])
async def test_what_waits_behind_a_stop_is_stopped_one_at_a_time(waiting: int) -> None:
    """Each of the crossings that waited is a stop of its own, in the order they came."""
    control = Control(Emitter("run"), Ledger(Budget()))
    control.set_breakpoints([parse_breakpoint("before *")])
    arriving = [
        asyncio.create_task(control.cross(crossing(execution=f"e{n}", step=f"s{n}"))) for n in range(waiting)
    ]
    seen: list[str | None] = []
    for _ in range(waiting):
        await turns()
        assert control.stop is not None
        seen.append(control.stop.crossing.step_id)
        assert sum(task.done() for task in arriving) == len(seen) - 1
        control.edit({"step": seen[-1]})
        control.resume()
    await turns()
    passed: list[Pass] = [task.result() for task in arriving]
    assert sorted(map(str, seen)) == [f"s{n}" for n in range(waiting)]
    # Whoever stood there has what was edited there, and nobody else has.
    assert [p.value for p in passed] == [{"step": f"s{n}"} for n in range(waiting)]


async def test_a_pause_stops_one_crossing_and_lets_those_behind_it_go_on_with_it() -> None:
    control = Control(Emitter("run"), Ledger(Budget()))
    control.pause()
    arriving = [asyncio.create_task(control.cross(crossing(execution=f"e{n}"))) for n in range(3)]
    await turns()
    assert control.stop is not None and not any(task.done() for task in arriving)
    control.resume()
    await turns()
    assert control.stop is None and all(task.done() for task in arriving)


async def test_a_crossing_that_is_cancelled_while_it_waits_holds_nobody_up() -> None:
    control = Control(Emitter("run"), Ledger(Budget()))
    control.set_breakpoints([parse_breakpoint("before *")])
    first, second, third = (
        asyncio.create_task(control.cross(crossing(execution=f"e{n}", step=f"s{n}"))) for n in range(3)
    )
    await turns()
    second.cancel()
    first.cancel()
    await turns()
    assert control.stop is not None and control.stop.crossing.step_id == "s2"
    control.resume()
    assert (await third).value == {}


async def test_who_gives_up_waiting_waits_until_the_work_has_cleaned_up() -> None:
    """A step that is out of time is over before its end is told; so is one that is cancelled."""
    cleaned: list[str] = []

    async def work(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            for _ in range(5):
                await asyncio.sleep(0)
            cleaned.append(name)

    with pytest.raises(TimeoutError, match=r"within 0\.001 s"):
        await within(Clock(), 0.001, work("late"))
    assert cleaned == ["late"]
    waiting = asyncio.create_task(within(Clock(), 600, work("cancelled")))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert cleaned == ["late", "cancelled"]


async def test_time_in_which_the_run_stands_is_not_waited() -> None:
    clock = Clock()
    ended = asyncio.Event()
    clock.pause()
    waiting = asyncio.create_task(within(clock, 0.02, ended.wait()))
    done, _ = await asyncio.wait([waiting], timeout=0.1)
    assert not done
    ended.set()
    assert await waiting is True
