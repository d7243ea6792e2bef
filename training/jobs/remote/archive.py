"""What is copied to a host from this program itself: the package that runs beside a job, and our code."""

from __future__ import annotations

import functools
import hashlib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import flowreasoner

_START = "import sys\nfrom host.__main__ import main\nsys.exit(main(*sys.argv[1:]))\n"
_PACKAGES = ("tui", "training", "store", "engine", "sandbox")


@dataclass(frozen=True)
class Archive:
    """One file, named by its content."""

    name: str
    data: bytes

    @classmethod
    @functools.cache
    def of_host_tool(cls) -> Archive:
        """`training.jobs.host` as one file that any Python runs."""
        whole = io.BytesIO()
        with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
            files = {f"host/{path.name}": path.read_text("utf-8") for path in _host_files()}
            for name, text in {**files, "__main__.py": _START}.items():
                # With one time for all: the same code is the same file.
                archive.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
        data = whole.getvalue()
        return cls(f"host-{hashlib.sha256(data).hexdigest()[:16]}", data)


def code_files() -> dict[str, Path]:
    """The files of our own packages, by their place in the folder that `flowreasoner.py` is put into."""
    files = {"flowreasoner.py": Path(flowreasoner.HERE, "flowreasoner.py")}
    for package in _PACKAGES:
        for path in Path(flowreasoner.ROOT, package).rglob("*"):
            hidden = any(part.startswith(".") or part == "__pycache__" for part in path.parts)
            if path.is_file() and not hidden:
                files[path.relative_to(flowreasoner.ROOT).as_posix()] = path
    return files


def _host_files() -> list[Path]:
    return sorted((Path(__file__).parent.parent / "host").glob("*.py"))
