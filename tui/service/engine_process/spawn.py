"""Starting an engine process. The process that starts one loads nothing of what it will run."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from flowreasoner import CLI, command

from tui.service.engine_process.sockets import EngineError, folder

# It takes a second or two; on a very busy machine, much longer.
START_S = 60.0


def spawn(store: Path) -> Path:
    """Start an engine in a session of its own, with this process's environment; returns its socket.

    Raises EngineError, with the last line that it printed, where it does not come up within START_S.
    """
    ready, ready_writer = os.pipe()
    try:
        try:
            process, log = _start(store, ready_writer)
        finally:
            os.close(ready_writer)
        # It usually outlives this process. Where it does not, only its parent can reap it: until somebody
        # waits for it, it stays in the process table.
        threading.Thread(target=process.wait, name=f"engine {process.pid}", daemon=True).start()
        announcement = _read_all(ready, START_S)
    except OSError as error:
        raise EngineError(f"an engine process cannot be started: {error.strerror or error}") from None
    finally:
        os.close(ready)
    if announcement:
        return Path(json.loads(announcement)["socket"])
    process.kill()
    process.wait()
    raise EngineError(_reason(log, None if announcement is None else process.returncode))


def _start(store: Path, ready_fd: int) -> tuple[subprocess.Popen[bytes], Path]:
    """The process, and the file for what it prints: its own, named like its socket. Raises OSError."""
    place = folder(store)
    with tempfile.NamedTemporaryFile(dir=place, delete=False) as output:
        try:
            process = subprocess.Popen(
                command(CLI, "engine", "--ready-fd", str(ready_fd), "--store", str(store)),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(ready_fd,),
                start_new_session=True,
            )
        except OSError:
            Path(output.name).unlink()
            raise
    return process, Path(output.name).rename(place / f"{process.pid}.log")


def _read_all(fd: int, within_s: float) -> bytes | None:
    """What comes until the other side closes the pipe, or None where it does not in this time."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    ends = time.monotonic() + within_s
    received = b""
    while waiting.poll(max(0.0, ends - time.monotonic()) * 1000):
        if not (more := os.read(fd, 4096)):
            return received
        received += more
    return None


def _reason(log: Path, code: int | None) -> str:
    """Why an engine did not come up; `code` is its exit status, or None where it had to be ended.

    What it printed is kept where it is more than one line.
    """
    problem = (
        f"the engine did not answer within {START_S:.0f} s" if code is None else "the engine ended at once"
    )
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if len(lines) > 1:
        return f"{problem}: {lines[-1]} (all that it printed is in {log})"
    log.unlink(missing_ok=True)
    silent = "it printed nothing" if code is None else f"exit status {code}"
    return f"{problem}: {lines[0] if lines else silent}"
