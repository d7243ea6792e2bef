"""`launch DIR`, `supervise DIR`, `stop DIR [SECONDS]`, `status DIR…`, and the errands of a host. Answers are
JSON.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .processes import MARK
from .status import status


def main(action: str, *words: str) -> int:
    """Carry out one action and print its answer; returns the exit status."""
    if MARK in os.environ:  # asked from within a job: what is launched is no part of that one
        env = {name: value for name, value in os.environ.items() if name != MARK}
        os.execve(sys.executable, sys.orig_argv, env)
    if action == "status":  # every few seconds: nothing else is loaded for it
        return _answer([status(Path(word).absolute()) for word in words])
    if action in ("launch", "supervise", "stop"):
        from .supervisor import launch, stop, supervise

        folder = Path(words[0]).absolute()
        if action == "launch":
            problem = launch(folder)
        elif action == "supervise":
            problem = supervise(folder)
        else:
            problem = stop(folder, float(words[1]) if words[1:] else None)
        return _refuse(problem) if problem else 0
    from .errands import errand

    try:
        return _answer(errand(action, list(words)))
    except (OSError, RuntimeError) as error:
        return _refuse(str(error))


def _answer(data: object) -> int:
    sys.stdout.write(json.dumps(data) + "\n")
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"{why}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
