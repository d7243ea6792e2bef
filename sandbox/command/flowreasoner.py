"""How our Python processes start: with our own code under our own names.

The packages of this project have common names, and people start it in cloned repositories that may have an
`engine` or a `store` of their own. So the `flowreasoner` command and all of its Python children begin here,
before anything else of ours is imported, and look for our packages in one place: where this was installed.

This file is a top-level module of its own, `flowreasoner`, because that is the one name nobody else has; it
stands in a folder of its own so that nothing comes with it when that folder is on an import path.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

CLI = "tui.start"  # the command line
HERE = str(Path(__file__).absolute().parent)
# A site-packages folder, in which this file is beside the packages, or a checkout, in which it is not.
ROOT = next(str(place) for place in Path(__file__).absolute().parents if (place / "tui").is_dir())
PLACES = {**dict.fromkeys(("tui", "training", "store", "engine", "sandbox"), ROOT), "flowreasoner": HERE}


class _Ours:
    """Finds what is ours in its place and nowhere else, and has nothing to say about other names."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raises ModuleNotFoundError: one of ours is not in its place, and what is elsewhere is not ours."""
        if (place := PLACES.get(name)) is None:
            return None
        spec = PathFinder.find_spec(name, [place])
        if spec is None:
            raise ModuleNotFoundError(
                f"No module named {name!r} in {place}; install flowreasoner again", name=name
            )
        return spec


def bind() -> None:
    """Have the names of our packages mean those of this installation, from here on in this process."""
    sys.meta_path.insert(0, _Ours())


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` of ours as a program, as `python -m` would, in whatever folder.

    Other packages are found as this process finds them, PYTHONPATH and the user's site included; nothing is
    found in the working folder.
    """
    return [sys.executable, "-P", str(Path(__file__).absolute()), module, *arguments]


def main() -> None:
    """The `flowreasoner` command."""
    bind()
    from tui.start import main

    main()


def _run(module: str) -> None:
    """What `command` starts."""
    import runpy

    bind()
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _run(sys.argv.pop(1))
