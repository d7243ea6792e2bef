"""How an engine comes up, how it is told why it does not, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.runtime import runtime
from tui.remote import engine
from tui.remote.engine import spawn
from tui.remote.sockets import EngineError, folder

__all__ = ["runtime"]  # a fixture
START_S = 3.0  # of those that never come up


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> Iterator[Path]:
    monkeypatch.delenv("FLOWREASONER_STORE", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    yield tmp_path / "store.db"
    assert children() == set()


def children() -> set[int]:
    """The processes that this one has started, zombies among them."""
    text = Path(f"/proc/self/task/{os.getpid()}/children").read_text()
    found = {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}
    return found | {int(pid) for pid in text.split()}
