"""Shrink a store in processes that kill themselves, `python -m tests.store.dying STORE STEP`.

The first dies before its STEP-th statement, each later one STEP statements further on, until one gets
through. What each leaves is copied to STORE.1, STORE.2, …; how many died is printed.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sqlite3
import sys
from functools import partial
from pathlib import Path

from store.retention import prune


class Dying(sqlite3.Connection):
    """A connection whose process is killed before a statement; those within VACUUM and triggers count too."""

    left = 0

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)  # type: ignore[arg-type]
        self.set_trace_callback(self._count)

    def _count(self, _: str) -> None:
        Dying.left -= 1
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def dies(path: Path, statements: int) -> bool:
    """Whether a process that shrinks the store is killed before it is done with it."""
    if (pid := os.fork()) == 0:
        Dying.left = statements
        sqlite3.connect = partial(sqlite3.connect, factory=Dying)
        prune(path, vacuum=True)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status) == signal.SIGKILL
    assert os.waitstatus_to_exitcode(status) == 0
    return False


def main() -> None:
    path, step = Path(sys.argv[1]), int(sys.argv[2])
    for died in itertools.count(1):
        if not dies(path, died * step):
            print(died - 1)
            return
        for end in ("", "-wal"):
            if (left := path.with_name(path.name + end)).exists():
                shutil.copy(left, path.with_name(f"{path.name}.{died}{end}"))


if __name__ == "__main__":
    main()
