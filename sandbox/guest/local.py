"""The runner without any isolation: limits on each process, a directory of its own, and nothing else.

Only for `unsafe-local`. In a container the kernel ends everything with PID 1; here a supervisor does: it
adopts what the runner leaves behind, ends it, and removes the directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import NoReturn

from . import linux, places, runner

_GONE_WITHIN_S = 5.0


def main(folder: str) -> NoReturn:
    """Serve in `folder` until the host closes the channel, then leave nothing of ours."""
    linux.adopt_orphans()
    pid = os.fork()
    if pid == 0:
        linux.adopt_orphans()
        work = os.path.join(folder, "work")
        os.mkdir(work, 0o700)
        places.unconfined(work)
        runner.main()
    for fd in (0, 1):  # the channel is the runner's alone: its end must reach the host
        os.close(fd)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status = 0
    ended = False
    while not ended:
        waited, found = os.wait()
        if waited == pid:
            status, ended = os.waitstatus_to_exitcode(found), True
    _end_all()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(max(status, 0))


def _end_all() -> None:
    until = time.monotonic() + _GONE_WITHIN_S
    while time.monotonic() < until:
        left = linux.descendants(os.getpid())
        for pid in left:
            linux.kill(pid)
        linux.reap_orphans(set())
        if not left:
            return
        time.sleep(0.001)
