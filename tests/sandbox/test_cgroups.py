"""What the kernel and the daemon say of memory, in the words of both versions of cgroups."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from sandbox import inspection
from sandbox.guest import linux

V1_OOM_CONTROL = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
V2_EVENTS = "low 0\nhigh 0\nmax 812\noom 5\noom_kill 4\noom_group_kill 0\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"/sys/fs/cgroup/memory.events": V2_EVENTS}, 4),
        ({"/sys/fs/cgroup/memory/memory.oom_control": V1_OOM_CONTROL}, 3),
        ({"/sys/fs/cgroup/memory/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\n"}, 0),  # before 4.13
        ({}, 0),
    ],
)
def test_kills_for_memory(monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int) -> None:
    monkeypatch.setattr(linux, "read", lambda path: files.get(path, "").encode())
    assert linux.oom_kills() == expected


def test_this_kernels_files_are_of_one_of_the_two_forms() -> None:
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        with contextlib.suppress(OSError):
            assert "oom_kill" in Path(path).read_text()


V1_STATS = {"usage": 30 << 20, "stats": {"total_inactive_file": 8 << 20, "inactive_file": 1 << 20}}
V2_STATS = {"usage": 30 << 20, "stats": {"inactive_file": 9 << 20, "anon": 12 << 20}}


class _Daemon:
    """Answers as Docker's stats do: total CPU time in ns, memory by version."""

    def __init__(self, memory: dict[str, Any]) -> None:
        self.api, self._memory, self._cpu = self, memory, 0

    def stats(self, ident: str, *, stream: bool, one_shot: bool) -> dict[str, Any]:
        self._cpu += 50_000_000
        return {"cpu_stats": {"cpu_usage": {"total_usage": self._cpu}}, "memory_stats": self._memory}


@pytest.mark.parametrize(("memory", "expected"), [(V1_STATS, 22 << 20), (V2_STATS, 21 << 20)])
def test_memory_in_use(monkeypatch: pytest.MonkeyPatch, memory: dict[str, Any], expected: int) -> None:
    monkeypatch.setattr(inspection, "_SAMPLE_S", 0.05)
    used, percent = inspection._use(_Daemon(memory), "x")
    assert used == expected
    assert 0 < percent <= 100
