"""Where a training step's CPU time goes: by thread, and by the control groups of the sandbox's containers.

CPU seconds, not wall-clock time, so that the figures hold on a busy machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from sandbox.cpu import container_cpu_s

_LOOK_EVERY_S = 0.2  # what a container uses after the last look before its end is not counted


@dataclass(frozen=True)
class Breakdown:
    """CPU seconds of one step, and `wall` seconds.

    `train` is the rest of the trainer's thread, `other` all further threads of the process; `containers` are
    the sandbox's, as far as their control groups can be read here.
    """

    policy: float
    train: float
    worker: float
    engine: float
    recorder: float
    containers: float
    other: float
    wall: float

    @property
    def total(self) -> float:
        """All CPU seconds."""
        parts = (
            self.policy,
            self.train,
            self.worker,
            self.engine,
            self.recorder,
            self.containers,
            self.other,
        )
        return sum(parts)

    @property
    def overhead(self) -> float:
        """The share of engine, recorder and sandbox in the total, from 0 to 1."""
        return (self.engine + self.recorder + self.containers) / max(self.total, 1e-9)

    def plus_gym(self, far: Breakdown) -> Breakdown:
        """With what the process of its gym used meanwhile."""
        return replace(
            self,
            **{name: getattr(self, name) + getattr(far, name) for name in (*_NAMES, "containers")},
            other=self.other + far.policy + far.train + far.other,
        )

    def values(self) -> dict[str, float]:
        """CPU seconds by the names under which a training run's progress has them."""
        names = ("policy", "train", "worker", "engine", "recorder", "containers")
        return {f"cpu_{name}": getattr(self, name) for name in names}


class Measured(Protocol):
    """What rollouts are carried out in: threads and containers of this process, or another process."""

    def containers(self) -> set[str]:
        """The ids of the containers that are alive now and this process's."""
        ...

    def elsewhere(self) -> Breakdown | None:
        """What another process has used since the last call."""
        ...


class Meter:
    """Measures the steps of a trainer in the thread that makes this; a context manager.

    `with meter.policy(): …` around generating, `take()` at the end of every step.
    """

    def __init__(self, gym: Measured) -> None:
        self._gym = gym
        self._trainer = threading.get_ident()
        self._policy = 0.0
        self._seen: dict[str, float] = {}  # CPU seconds by container
        self._looking = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="meter", daemon=True)
        self._before = _Times()

    def __enter__(self) -> Self:
        self._look()
        self._before = self._times()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._watcher.join()

    @contextmanager
    def policy(self) -> Iterator[None]:
        """What the trainer's thread does inside is the policy's decoding."""
        started = time.thread_time()
        try:
            yield
        finally:
            self._policy += time.thread_time() - started

    def take(self) -> Breakdown:
        """What was used since the last call, or since the beginning."""
        self._look()
        now, before = self._times(), self._before
        self._before = now
        policy, self._policy = self._policy, 0.0
        trainer = now.trainer - before.trainer
        # A thread that has ended is not counted any more, nor is what it used since the last time.
        by_role = {
            name: max(now.by_name.get(name, 0.0) - before.by_name.get(name, 0.0), 0.0) for name in _NAMES
        }
        process = now.process - before.process
        own = Breakdown(
            policy=policy,
            train=max(trainer - policy, 0.0),
            **by_role,
            containers=now.containers - before.containers,
            other=max(process - trainer - sum(by_role.values()), 0.0),
            wall=now.wall - before.wall,
        )
        far = self._gym.elsewhere()
        return own if far is None else own.plus_gym(far)

    def _times(self) -> _Times:
        by_name = dict.fromkeys(_NAMES, 0.0)
        trainer = 0.0
        for thread in threading.enumerate():
            seconds = _cpu_s(thread)
            if thread.ident == self._trainer:
                trainer = seconds
            elif (name := _role(thread.name)) is not None:
                by_name[name] += seconds
        containers = sum(self._seen.values())
        return _Times(trainer, by_name, time.process_time(), containers, time.perf_counter())

    def _look(self) -> None:
        with self._looking:
            self._look_once()

    def _look_once(self) -> None:
        for ident in self._gym.containers():
            seconds = container_cpu_s(ident)
            if seconds is not None:
                self._seen[ident] = max(seconds, self._seen.get(ident, 0.0))

    def _watch(self) -> None:
        while not self._ended.wait(_LOOK_EVERY_S):
            self._look()


@dataclass(frozen=True)
class _Times:
    trainer: float = 0.0
    by_name: dict[str, float] = field(default_factory=dict)
    process: float = 0.0
    containers: float = 0.0
    wall: float = 0.0


_NAMES: tuple[str, ...] = ("worker", "engine", "recorder")


def _role(thread: str) -> str | None:
    """Whose a thread is, by its name."""
    if thread in ("engine", "recorder"):
        return thread
    return "worker" if thread.startswith("model ") else None


def _cpu_s(thread: threading.Thread) -> float:
    """CPU seconds of a thread so far; 0 of one that has ended, or where the kernel does not say."""
    try:
        text = Path(f"/proc/self/task/{thread.native_id}/schedstat").read_text()
    except OSError:
        return 0.0
    return int(text.split()[0]) / 1e9
