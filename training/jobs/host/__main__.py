"""`launch DIR`, `stop DIR [SECONDS]`, and `status DIR…`, which prints a list in JSON."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from .processes import MARK
from .status import status
from .supervisor import launch, stop


def main(action: str, *words: str) -> int:
    if MARK in os.environ:  # asked from within a job: what is launched is no part of that one
        env = {name: value for name, value in os.environ.items() if name != MARK}
        os.execve(sys.executable, sys.orig_argv, env)
    if action == "status":
        sys.stdout.write(json.dumps([status(Path(word).absolute()) for word in words]) + "\n")
        return 0
    folder = Path(words[0]).absolute()
    if action == "launch":
        problem = launch(folder)
    else:
        problem = stop(folder, float(words[1]) if words[1:] else None)
    if problem:
        sys.stderr.write(f"{problem}\n")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
