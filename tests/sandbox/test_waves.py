"""A pool under waves of work: it makes containers while demand grows, and lets them go in silence."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from sandbox import Limits, Pool, SandboxError, demand, hosts, open_sandbox
from sandbox.channel import State, Transport
from sandbox.demand import HighWater
from sandbox.docker_backend import DockerBackend
from sandbox.guest import frames
from sandbox.hosts import SandboxHost
from sandbox.worker import Worker
from tests.sandbox.helpers import until
from tests.support.missing import skip_where_missing

SIZE = 3
CROWD = {"crowd": "async def run(host, args):\n    await host.call('all_here')\n"}


class Clock:
    """Time that passes when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Ready:
    """A runner that is ready at once, and clean whenever it is asked: nothing here gives it work."""

    container_id = "ready"

    def __init__(self) -> None:
        self._heard, self._said = frames.Splitter(), asyncio.Queue[bytes]()

    async def read(self) -> bytes:
        return await self._said.get()

    async def write(self, data: bytes) -> None:
        self._heard.feed(data)
        while frame := self._heard.next():
            answers = {
                "init": {"t": "ready", "python": "3.11.0", "problem": None},
                "probe": {"t": "probed", "id": frame.head.get("id"), "problem": None},
            }
            self._said.put_nowait(frames.pack(answers[frame.head["t"]]))

    async def state(self) -> State:
        return State("running")

    async def kill(self) -> None:
        self._said.put_nowait(b"")


class Counted:
    """A backend whose runners are counted as they are started."""

    name = stamp = description = "counted"
    own_uids, size, made = False, SIZE, 0

    async def start(self) -> Transport:
        self.made += 1
        return Ready()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest_asyncio.fixture
async def host(clock: Clock) -> AsyncIterator[SandboxHost]:
    host = SandboxHost(Counted(), {}, SIZE, clock)
    await host.open()
    await _settled(host)
    yield host
    await host.close()


def _made(host: SandboxHost) -> int:
    assert isinstance(host.backend, Counted)
    return host.backend.made


async def _settled(host: SandboxHost) -> None:
    """Until no spare is on its way and what was discarded is gone."""

    lasting = 2 if isinstance(host.backend, DockerBackend) else 1  # what shrinks it, and what reaps

    async def quiet() -> bool:
        return not host._refilling and len(host._tasks) <= lasting

    await until(quiet)


async def _wave(host: SandboxHost, count: int) -> int:
    """`count` workers in use at once, then none; how many were made for it."""
    before = _made(host)
    workers: list[Worker] = []
    for _ in range(count):
        workers.append(await host.take(fresh=False))
        await _settled(host)
    assert host.living <= host.most == 2 * SIZE
    for worker in workers:
        host.give_back(worker)
    await _settled(host)
    return _made(host) - before


def test_the_mark_is_the_highest_of_the_last_minutes(clock: Clock) -> None:
    high = HighWater(clock)
    assert high.mark == 0
    for number in (1, 5, 2, 3, 0):
        clock.now += 10
        high.note(number)
    assert high.mark == 5
    clock.now += demand.REMEMBERED_S - 15  # 5 was left 20 s before the end, 3 at it
    assert high.mark == 3
    clock.now += 20
    assert high.mark == 0


def test_what_lasts_is_not_forgotten(clock: Clock) -> None:
    high = HighWater(clock)
    high.note(4)
    clock.now += 10 * demand.REMEMBERED_S
    assert high.mark == 4
    high.note(1)
    assert high.mark == 4


def test_a_long_history_takes_no_room(clock: Clock) -> None:
    high = HighWater(clock)
    for number in range(10_000):
        high.note(number % 7)
        clock.now += 0.001
    assert high.mark == 6
    assert len(high._past) <= 7


async def test_the_second_wave_finds_what_the_first_left(host: SandboxHost, clock: Clock) -> None:
    made = []
    for _ in range(4):
        made.append(await _wave(host, 5))
        clock.now += 120
        host.shrink()
    assert made[0] >= 4
    assert made[1:] == [0, 0, 0]


async def test_growing_waves_make_what_they_lack(host: SandboxHost) -> None:
    made = [await _wave(host, count) for count in (2, 4, 4, 6, 6)]
    assert made == [1, 2, 0, 2, 0]  # as many as are in use, and never more than the machine has room for
    assert host.living == host.most


async def test_silence_lets_them_go_one_by_one(host: SandboxHost, clock: Clock) -> None:
    await _wave(host, 5)
    clock.now += demand.REMEMBERED_S / 2
    host.shrink()
    assert host.living == 5
    clock.now += demand.REMEMBERED_S
    kept = []
    for _ in range(7):
        host.shrink()
        kept.append(host.living)
    assert kept == [4, 3, 2, 1, 1, 1, 1]
    await _settled(host)
    assert len(host._all) == 1


async def test_a_smaller_wave_keeps_what_the_larger_one_needed(host: SandboxHost, clock: Clock) -> None:
    await _wave(host, 5)
    clock.now += demand.REMEMBERED_S / 2
    assert await _wave(host, 2) == 0
    assert host.living == 5
    clock.now += demand.REMEMBERED_S * 0.75  # the larger one is forgotten, the smaller one is not
    for _ in range(6):
        host.shrink()
    assert host.living == 3


async def test_one_that_grew_old_in_silence_is_replaced_before_the_next_wave(host: SandboxHost) -> None:
    [old] = host.idle
    old.requests = 10**9
    host.shrink()
    await _settled(host)
    assert old not in host.idle
    assert len(host.idle) == 1


async def test_a_check_alone_makes_no_spare_and_a_session_does(host: SandboxHost) -> None:
    checking = await host.take(fresh=False)
    await _settled(host)
    assert (_made(host), host.idle) == (1, [])
    host.give_back(checking)
    session = await host.join()
    await _settled(host)
    assert session is checking
    assert (_made(host), len(host.idle)) == (2, 1)
    await host.leave(session)


async def test_the_spare_on_its_way_is_for_who_comes_first(host: SandboxHost) -> None:
    session = await host.join()
    first, second = await asyncio.gather(host.take(fresh=True), host.take(fresh=False))
    await _settled(host)
    assert len({session, first, second}) == _made(host) == 3
    assert host.idle == []
    for worker in (first, second):
        host.give_back(worker)
    await host.leave(session)
    assert host.living == 3


async def test_who_gives_up_leaves_the_spare_for_the_next(host: SandboxHost) -> None:
    session = await host.join()
    waiting = asyncio.ensure_future(host.take(fresh=False))
    await asyncio.sleep(0)  # it has claimed the spare by now
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await _settled(host)
    assert (_made(host), len(host.idle), host.busy) == (2, 1, 1)
    await host.leave(session)


async def test_where_the_spare_cannot_be_started_another_is_tried(
    host: SandboxHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = host.backend.start

    async def refused() -> Transport:
        monkeypatch.setattr(host.backend, "start", start)
        await asyncio.sleep(0)
        raise SandboxError("daemon-down", "not now")

    monkeypatch.setattr(host.backend, "start", refused)
    session = await host.join()
    await asyncio.sleep(0)  # the spare is on its way
    worker = await host.take(fresh=False)
    assert worker is not session
    host.give_back(worker)
    await host.leave(session)


async def test_closing_tells_who_waits_for_a_spare(host: SandboxHost) -> None:
    session = await host.join()
    waiting = asyncio.ensure_future(host.take(fresh=False))
    await asyncio.sleep(0)
    await host.close()
    with pytest.raises(SandboxError, match="closed"):
        await waiting
    assert session.channel.lost
    assert not host._all


async def test_a_spare_that_comes_too_late_is_not_kept_over_the_limit(host: SandboxHost) -> None:
    session = await host.join()
    waiting = asyncio.ensure_future(host.take(fresh=False))
    await asyncio.sleep(0)
    waiting.cancel()  # the spare is nobody's again, and does not count before it has come
    workers = [session, *await asyncio.gather(*(host.take(fresh=True) for _ in range(host.most - 1)))]
    await _settled(host)
    assert host.living == host.most
    assert len(host._all) == host.most
    for worker in workers[1:]:
        host.give_back(worker)
    await host.leave(session)


async def test_rollouts_in_docker_stop_making_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """24 sessions that wait for each other, checks beside them, silence; and again."""
    try:
        context = open_sandbox("docker", CROWD, size=SIZE, build=True)
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    made = []
    try:
        [host] = pool.hosts
        start, started = host.backend.start, []

        async def counted() -> Transport:
            started.append(1)
            return await start()

        monkeypatch.setattr(host.backend, "start", counted)
        for _ in range(5):
            started.clear()
            await _rollouts(pool, 24)
            await _settled(host)
            made.append(len(started))
        living = host.living
    finally:
        await context.__aexit__(None, None, None)
    assert living <= host.most
    assert sum(made) <= host.most + hosts._SPARES, made
    assert made[-1] == 0, made


async def _rollouts(pool: Pool, count: int) -> None:
    """Sessions that wait until all are there, each with a check while it is."""
    here, everyone = 0, asyncio.Event()

    async def rollout() -> None:
        async def all_here(method: str, arguments: dict[str, object]) -> None:
            nonlocal here
            here += 1
            if here == count:
                everyone.set()
            await everyone.wait()
            verdict = await pool.check("def f(x):\n    return x", ["assert f(1) == 1"], entry_point="f")
            assert verdict.status == "passed", verdict

        async with pool.session() as session:
            outcome = await session.call("crowd:run", {}, callback=all_here, limits=Limits(wall_s=60))
            assert outcome.status == "passed", outcome

    await asyncio.gather(*(rollout() for _ in range(count)))
