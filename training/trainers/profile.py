"""Whose CPU time a step took: threads are told apart by the names that the engine gives them."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# The beginning of a thread's name, and whose it is.
_OWNERS = {"engine": "cpu_engine", "recorder": "cpu_recorder", "model": "cpu_worker"}
_TICKS = os.sysconf("SC_CLK_TCK")


class CpuTimes:
    """CPU seconds of the process since it was last asked, by owner; decoding the policy is told apart."""

    def __init__(self) -> None:
        self._policy = 0.0
        self._before = _by_owner()
        self._process = time.process_time()

    @contextlib.contextmanager
    def policy(self) -> Iterator[None]:
        """What this thread does meanwhile is decoding."""
        began = time.thread_time()
        try:
            yield
        finally:
            self._policy += time.thread_time() - began

    def take(self) -> dict[str, float | None]:
        """The numbers of a step; `cpu_train` is what is left."""
        now, process = _by_owner(), time.process_time()
        values = {name: max(0.0, now[name] - self._before.get(name, 0.0)) for name in now}
        rest = process - self._process - self._policy - sum(values.values())
        out = {**values, "cpu_policy": self._policy, "cpu_train": max(0.0, rest)}
        self._policy, self._before, self._process = 0.0, now, process
        return {**out}


def _by_owner() -> dict[str, float]:
    seconds = dict.fromkeys(_OWNERS.values(), 0.0)
    for thread in threading.enumerate():
        owner = next((o for name, o in _OWNERS.items() if thread.name.startswith(name)), None)
        if owner is None or thread.native_id is None:
            continue
        with contextlib.suppress(OSError, IndexError, ValueError):
            text = Path(f"/proc/self/task/{thread.native_id}/stat").read_text()
            fields = text.rsplit(")", 1)[1].split()
            seconds[owner] += (int(fields[11]) + int(fields[12])) / _TICKS
    return seconds
