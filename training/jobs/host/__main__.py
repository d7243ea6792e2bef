"""`launch DIR`, `stop DIR [SECONDS]`, `status DIR…`, and the errands of a host. Answers are JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .errands import errand
from .processes import MARK
from .status import status
from .supervisor import launch, stop


def main(action: str, *words: str) -> int:
    if MARK in os.environ:  # asked from within a job: what is launched is no part of that one
        env = {name: value for name, value in os.environ.items() if name != MARK}
        os.execve(sys.executable, sys.orig_argv, env)
    problem = ""
    if action == "status":
        _answer([status(Path(word).expanduser().absolute()) for word in words])
    elif action == "launch":
        problem = launch(Path(words[0]).expanduser().absolute())
    elif action == "stop":
        problem = stop(Path(words[0]).expanduser().absolute(), float(words[1]) if words[1:] else None)
    else:
        try:
            _answer(errand(action, list(words)))
        except (OSError, RuntimeError) as error:
            problem = str(error)
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


def _answer(data: object) -> None:
    sys.stdout.write(json.dumps(data) + "\n")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
