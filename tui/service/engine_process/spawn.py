"""Starting an engine process. The process that starts one loads nothing of what it will run."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
import threading
from pathlib import Path

from flowreasoner import CLI, command

from sandbox import starting
from sandbox.cpu import process_cpu_s
from sandbox.starting import Start
from tui.service.engine_process.sockets import EngineError, folder


def spawn(store: Path) -> Path:
    """Start an engine in a session of its own, with this process's environment; returns its socket.

    Raises EngineError, with the last line that it printed, where it ends or stands still before it is up.
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
        announcement, waited = _read_all(ready, Start(lambda: process_cpu_s(process.pid)))
    except OSError as error:
        raise EngineError(f"an engine process cannot be started: {error.strerror or error}") from None
    finally:
        os.close(ready)
    if announcement:
        return Path(json.loads(announcement)["socket"])
    process.kill()
    process.wait()
    raise EngineError(_reason(log, process.returncode, waited))


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


def _read_all(fd: int, start: Start) -> tuple[bytes, str]:
    """What comes until the other side closes the pipe; or how long that was waited for in vain, in words."""
    waiting = select.poll()
    waiting.register(fd, select.POLLIN)
    received, waited = b"", ""
    while not waited:
        if not waiting.poll(starting.STILL_S * 1000):
            waited = start.waited()
        elif more := os.read(fd, 4096):
            received += more
        else:
            return received, ""
    return b"", waited


def _reason(log: Path, code: int, waited: str) -> str:
    """Why an engine did not come up: it ended with the exit status `code`, or was ended once it had `waited`.

    What it printed is kept where it is more than one line.
    """
    problem = f"the engine did not start in {waited}" if waited else "the engine ended at once"
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    if len(lines) > 1:
        return f"{problem}: {lines[-1]} (all that it printed is in {log})"
    log.unlink(missing_ok=True)
    silent = "it printed nothing" if waited else f"exit status {code}"
    return f"{problem}: {lines[0] if lines else silent}"
