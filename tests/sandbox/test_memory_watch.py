"""What the runner looks at to see who fills its container, and how often."""

from __future__ import annotations

import pytest

from sandbox.guest import linux, memory

MB = 1 << 20


class Container:
    """A container of 1,000 MB, and the processes in it by uid."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.held: dict[int, int] = {}
        self.looks = 0
        self.now = 0.0
        monkeypatch.setattr(linux, "read", self._read)
        monkeypatch.setattr(memory, "_sizes", self._sizes)
        self.watch = memory.Watch()

    def _read(self, path: str) -> bytes:
        files = {"memory.max": 1000 * MB, "memory.current": sum(self.held.values())}
        return str(files[path.rpartition("/")[2]]).encode() if path.rpartition("/")[2] in files else b""

    def _sizes(self, uids: dict[int, int]) -> dict[int, list[int]]:
        self.looks += 1
        return {uid: [self.held.get(uid, 0)] for uid in uids}

    def goes_on(self, seconds: float, limit: int = 300 * MB) -> int | None:
        """Let time pass, and tell who is to end."""
        until = self.now + seconds
        while self.now < until:
            if (uid := self.watch.greediest(self.now, dict.fromkeys(self.held, limit))) is not None:
                return uid
            self.now += max(self.watch.patience_s(self.now), 0.001)
        return None


@pytest.fixture
def container(monkeypatch: pytest.MonkeyPatch) -> Container:
    return Container(monkeypatch)


def test_many_sessions_that_only_wait_are_hardly_looked_at(container: Container) -> None:
    container.held = dict.fromkeys(range(40), 15 * MB)  # 600 MB
    assert container.goes_on(10) is None
    assert container.looks <= 21


def test_nobody_is_looked_at_where_there_is_room(container: Container) -> None:
    container.held = {1: 390 * MB}
    assert container.goes_on(10) is None
    assert container.looks == 0


def test_one_that_grows_is_found_at_once(container: Container) -> None:
    container.held = dict.fromkeys(range(40), 15 * MB)
    assert container.goes_on(2.01) is None
    container.held[7] = 330 * MB
    began = container.now
    assert container.goes_on(1) == 7
    assert container.now - began <= 0.03


def test_one_that_grows_by_what_others_give_back_is_found_soon(container: Container) -> None:
    container.held = {1: 500 * MB, 2: 10 * MB}
    assert container.goes_on(2, limit=600 * MB) is None
    container.held = {1: 190 * MB, 2: 320 * MB}
    began = container.now
    assert container.goes_on(1) == 2
    assert container.now - began <= 0.55


def test_growth_is_told_from_the_least_that_was_used(container: Container) -> None:
    container.held = {1: 500 * MB, 2: 10 * MB}
    assert container.goes_on(0.51, limit=600 * MB) is None
    container.held[1] = 401 * MB
    assert container.goes_on(0.1, limit=600 * MB) is None
    looks, container.held[2] = container.looks, 30 * MB
    assert container.goes_on(0.03, limit=600 * MB) is None
    assert container.looks == looks + 1


def test_one_that_was_ended_is_given_time_to_go(container: Container) -> None:
    container.held = {1: 500 * MB, 2: 10 * MB}
    assert container.goes_on(1) == 1
    began = container.now
    assert container.goes_on(1) == 1
    assert container.now - began == pytest.approx(0.1)
