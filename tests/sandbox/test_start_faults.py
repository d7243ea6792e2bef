"""A machine that does not let a runner start: one sentence, and nothing stays open or lies about."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from sandbox import SandboxError
from sandbox.bwrap_backend import BwrapBackend
from sandbox.local_backend import LocalBackend

BWRAP = [
    *((BwrapBackend, os, "memfd_create", nth) for nth in range(3)),  # the guest, the filter, its stderr
    *((BwrapBackend, os, "pipe", nth) for nth in range(3)),  # the third is Popen's
    (BwrapBackend, socket, "socketpair", 0),
    (BwrapBackend, asyncio, "open_connection", 0),
]
LOCAL = [
    (LocalBackend, tempfile, "mkdtemp", 0),
    (LocalBackend, Path, "write_bytes", 0),
    (LocalBackend, socket, "socketpair", 0),
    (LocalBackend, os, "pipe", 0),
]


@pytest.mark.parametrize(("kind", "place", "name", "nth"), BWRAP + LOCAL)
async def test_too_many_open_files_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: type[Any], place: Any, name: str, nth: int
) -> None:
    try:
        backend = kind()
    except SandboxError as error:
        pytest.skip(str(error))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    good, calls = getattr(place, name), 0

    def failing(*args: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls > nth:
            raise OSError(errno.EMFILE, "Too many open files")
        return good(*args, **named)

    before = os.listdir("/proc/self/fd")
    monkeypatch.setattr(place, name, failing)
    try:
        transport = await backend.start()
    except SandboxError as error:
        monkeypatch.undo()
        assert "cannot be started (Too many open files): run fewer at once" in str(error)
    else:
        await transport.kill()
        assert calls <= nth
        pytest.skip(f"a runner needs fewer calls of {name} on this machine")
    assert len(os.listdir("/proc/self/fd")) == len(before)
    assert not os.listdir(tmp_path)
