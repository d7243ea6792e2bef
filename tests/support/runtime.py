"""A runtime folder of a test's own, for the sockets of engines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """XDG_RUNTIME_DIR, with a short path: pytest's own can be longer than a socket's may be."""
    with tempfile.TemporaryDirectory(prefix="flowreasoner-") as folder:
        monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
        yield folder
