"""A run's own time: its limits do not count what others have of a model, an endpoint or the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.events import StepFinished
from engine.models.base import Completion, Delta, Message, Retry, Sampling, Share
from engine.operators.own import read_set
from engine.run.clock import Clock, within
from engine.run.context import RunConfig, Services
from engine.run.ledger import Budget, Ledger
from engine.run.limits import Allowance, ExecutionLimitError, ExecutionLimits
from engine.run.step_requests import StepRequests
from sandbox.pool import Pool
from tests.support.runs import GENERATE, RIGHT, completion, end, of, run_events
from tests.support.scripted import ScriptedModel

sandboxed = pytest.mark.asyncio(loop_scope="session")


class Now:
    """A machine's clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds

    def go_on(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Now:
    now = Now()
    monkeypatch.setattr("engine.run.clock.time", SimpleNamespace(monotonic=now))
    return now


def test_pauses_nest(now: Now) -> None:
    clock = Clock()
    for action in (clock.pause, clock.pause, clock.resume, lambda: None, clock.resume, lambda: None):
        action()
        now.go_on(1)
    assert clock.wall_s == clock.own_s == 2  # the last two of six seconds


@pytest.mark.parametrize(
    ("shares", "own_s"),
    [
        ((), 10),  # no call: all of the time is the run's
        ((1.0,), 10),
        ((0.0,), 0),
        ((0.25,), 2.5),
        ((0.25, 0.25), 5),
        ((0.0, 0.5), 5),
        ((0.75, 0.75), 10),  # of two models; never faster than the machine's clock
    ],
)
def test_a_call_goes_at_the_rate_of_its_share(now: Now, shares: Sequence[float], own_s: float) -> None:
    clock = Clock()

    def called(rest: Sequence[float]) -> None:
        if not rest:
            now.go_on(10)
            return
        with clock.calling() as take:
            take(rest[0])
            called(rest[1:])

    called(shares)
    assert (clock.wall_s, clock.own_s) == (10, own_s)
    now.go_on(1)
    assert (clock.wall_s, clock.own_s) == (11, own_s + 1)


def test_a_share_counts_from_when_it_is_told_and_not_at_all_while_paused(now: Now) -> None:
    clock = Clock()
    with clock.calling() as take:
        now.go_on(3)
        take(0)
        now.go_on(100)
        take(0.5)
        now.go_on(4)
        clock.pause()
        now.go_on(50)
        clock.resume()
    clock.leave_out(1.5)  # it has waited for the sandbox
    assert (clock.wall_s, clock.own_s) == (107, 3.5)


async def test_a_limit_is_waited_for_by_the_runs_own_time(now: Now) -> None:
    clock, ended = Clock(), asyncio.Event()
    with clock.calling() as take:
        take(0.01)
        waiting = asyncio.create_task(within(clock, 5, ended.wait()))
        await asyncio.sleep(0)
        now.go_on(400)
        done, _ = await asyncio.wait({waiting}, timeout=0.01)
        assert not done
        ended.set()
        assert await waiting is True


class Slow(ScriptedModel):
    """Says these shares, one after the other, and takes `seconds` for each; `seconds` where it says none."""

    def __init__(self, go_on: Callable[[float], None], shares: Sequence[float] = (), seconds: float = 100):
        super().__init__("worker", RIGHT)
        self._go_on, self._shares, self._seconds = go_on, shares, seconds

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncIterator[Delta | Retry | Share | Completion]:
        for share in self._shares:
            yield Share(share)
            self._go_on(self._seconds)
        if not self._shares:
            self._go_on(self._seconds)
        async for item in super().stream(messages, sampling):
            yield item


BUSY = [((0.0,), True), ((0.0, 0.25), True), ((0.25, 0.0, 0.1), True), ((0.0, 1.0), False), ((), False)]


@sandboxed
@pytest.mark.parametrize(("shares", "ends_well"), BUSY)
async def test_a_budget_does_not_count_what_others_have_of_a_model(
    sandbox: Pool, now: Now, shares: Sequence[float], ends_well: bool
) -> None:
    services = Services(ScriptedModel("meta", GENERATE), Slow(now.go_on, shares), sandbox)
    events = await run_events(
        sandbox, services=services, config=RunConfig(repeats=1, budget=Budget(wall_s=80))
    )
    assert end(events).status == ("passed" if ends_well else "budget")
    # People are told how long it took.
    assert end(events).wall_ms >= 100_000 * max(1, len(shares))


def test_an_execution_has_its_seconds_to_itself(now: Now) -> None:
    ledger = Ledger(Budget())
    now.go_on(5)
    allowance = Allowance(ExecutionLimits(seconds=80), ledger)
    with ledger.clock.calling() as take:
        take(0.25)
        now.go_on(100)
        assert allowance.seconds_left == 55
        allowance.check_seconds()
        take(1)
        now.go_on(55)
    with pytest.raises(ExecutionLimitError, match="limit of 80 s"):
        allowance.check_seconds()


@sandboxed
async def test_a_step_is_not_cut_off_for_how_long_its_model_takes(sandbox: Pool, now: Now) -> None:
    """Were it, a workflow that catches the error would go on, and be judged by what it makes of it."""
    services = Services(ScriptedModel("meta", GENERATE), Slow(now.go_on, seconds=100_000), sandbox)
    events = await run_events(sandbox, services=services, config=RunConfig(repeats=1))
    assert end(events).status == "passed"
    assert all(step.status == "ok" for step in of(events, StepFinished))


@sandboxed
async def test_a_step_that_does_not_end_by_itself_is_cut_off(
    sandbox: Pool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.run.steps.STEP_WALL_S", 0.5)
    (tmp_path / "own.toml").write_text(
        'name = "own"\n[[operator]]\nattribute = "hang"\ndescription = "waits"\nreturns = "str"\n'
    )
    (tmp_path / "own.py").write_text(
        "import asyncio\nasync def hang(host):\n    await asyncio.sleep(1000)\n    return ''\n"
    )
    config = RunConfig(repeats=1, operators=read_set(tmp_path / "own.toml"))
    events = await run_events(sandbox, meta=completion("return await self.hang()"), config=config)
    assert {(s.status, s.error) for s in of(events, StepFinished)} == {
        ("timeout", "it did not end within 0.5 s of its own time")
    }


def test_a_step_that_waits_for_room_has_no_time_of_its_own(now: Now) -> None:
    ledger = Ledger(Budget())
    call = SimpleNamespace(notes=(), prompt=None)
    requests = StepRequests(
        cast(Any, SimpleNamespace(ledger=ledger)), cast(Any, call), *cast(Any, (None, None))
    )
    with requests.waiting():
        now.go_on(10_000)
    now.go_on(2)
    assert (requests.clock.own_s, ledger.clock.own_s, ledger.clock.wall_s) == (2, 2, 10_002)


class Queueing:
    """A sandbox in which every session and every check waits as long as others take."""

    def __init__(self, sandbox: Pool, now: Now) -> None:
        self._sandbox, self._now = sandbox, now

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sandbox, name)

    @contextlib.asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        self._now.go_on(100)  # every seat is taken
        async with self._sandbox.session() as session:
            yield session

    async def check(self, *args: Any, **options: Any) -> Any:
        verdict = await self._sandbox.check(*args, **options)
        self._now.go_on(100)
        return replace(verdict, usage=replace(verdict.usage, queue_ms=verdict.usage.queue_ms + 100_000))


@sandboxed
async def test_a_budget_does_not_count_the_queues_of_the_sandbox(sandbox: Pool, now: Now) -> None:
    meta = completion(
        'code = (await self.custom_code_generate(problem=problem, entry_point=entry_point))["response"]\n'
        "await self.test(problem=problem, solution=code, entry_point=entry_point, test_loop=0)\n"
        "await self.test(problem=problem, solution=code, entry_point=entry_point, test_loop=0)\n"
        "return code"
    )
    services = Services(
        ScriptedModel("meta", meta),
        ScriptedModel("worker", RIGHT),
        Queueing(sandbox, now),  # type: ignore[arg-type]
    )
    config = RunConfig(rounds=2, repeats=1, stop_early=False, budget=Budget(wall_s=80))
    assert end(await run_events(sandbox, services=services, config=config)).status == "passed"
