"""Folders of somebody else's code that has the names of our packages, and tells when it runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import flowreasoner

NAMES = ("tui", "engine", "store", "sandbox", "training")
# With the second, we are installed for one user, whose site has strangers in front of us.
PYTHONS = [sys.executable, str(Path(sys.base_prefix, "bin", f"python3.{sys.version_info.minor}"))]


@dataclass(frozen=True)
class Strangers:
    """`folder` has every name as a package and as a module; a `user_base` has them in its site-packages."""

    home: Path

    @property
    def folder(self) -> Path:
        return self.home / "cloned"

    @property
    def modules(self) -> Path:
        """The names as modules only: in `folder` the packages would hide them."""
        return self.home / "scripts"

    @property
    def user_base(self) -> Path:
        return self.home / "user"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PYTHONPATH": f"{self.folder}:{self.modules}",
            "PYTHONUSERBASE": str(self.user_base),
        }

    @property
    def ran(self) -> list[str]:
        """What of it has run."""
        marks = self.home / "ran.txt"
        return marks.read_text().splitlines() if marks.exists() else []


def strangers(home: Path, *more: str) -> Strangers:
    """Make them; `more` are further names, but for the user's site, which also leads to what is installed."""
    made = Strangers(home)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = made.user_base / "lib" / version / "site-packages"
    mark = f"with open({str(home / 'ran.txt')!r}, 'a') as file:\n    file.write(__file__ + '\\n')\n"
    for place in (made.folder, made.modules, site):
        place.mkdir(parents=True)
        for name in NAMES if place == site else (*NAMES, *more):
            (place / f"{name}.py").write_text(mark)
            if place != made.modules:
                (place / name).mkdir()
                for file in ("__init__", "__main__", "cli", "config"):
                    (place / name / f"{file}.py").write_text(mark)
    ours = [entry for entry in sys.path if entry and Path(entry).is_dir() and entry.endswith("site-packages")]
    (site / "ours.pth").write_text(
        "\n".join([flowreasoner.ROOT, str(Path(flowreasoner.__file__).parent), *ours]) + "\n"
    )
    return made


def script(home: Path, python: str) -> list[str]:
    """The `flowreasoner` command as pip writes it, in a folder below `home`."""
    path = home / "bin" / "flowreasoner"
    path.parent.mkdir(exist_ok=True)
    path.write_text("import sys\nfrom flowreasoner import main\nsys.exit(main())\n")
    return [python, str(path)]
