"""`training.trainers RUN_DIR`: train what the directory's recipe says, from its newest checkpoint on."""

from __future__ import annotations

import sys
from pathlib import Path

from sandbox.errors import ExpectedError, UsageError


def main() -> int:
    """The program; returns its exit code."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: training.trainers RUN_DIR\n")
        return UsageError.exit_code
    try:
        run(Path(sys.argv[1]).absolute())
    except ExpectedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def run(path: Path) -> None:
    """Raises ExpectedError: what a person can act on."""
    from training.recipes.launch import start_ranks
    from training.trainers.run_directory import RunDirectory

    directory = RunDirectory.open(path)
    start_ranks(directory.recipe, path)  # does not return where there are to be several
    from training.trainers.train import train

    train(directory)


if __name__ == "__main__":
    sys.exit(main())
