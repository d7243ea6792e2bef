"""A base image without any registry: a Debian made by mmdebstrap from this machine's own sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox import labels
from sandbox.types import SandboxError

Progress = Callable[[str], None]

# Distributions whose Python is new enough for the runner. On any other, mmdebstrap makes the first of these,
# from the mirror that it knows by itself.
_SUITES = ("bookworm", "trixie", "noble")
_SOURCES = (
    "/etc/apt/sources.list.d/debian.sources",
    "/etc/apt/sources.list.d/ubuntu.sources",
    "/etc/apt/sources.list",
)
_SLIM = "rm -rf $1/usr/share/doc $1/usr/share/man $1/usr/share/locale $1/var/cache/apt $1/var/lib/apt/lists"
_NO_SUID = "find $1 -xdev -perm /6000 -type f -exec chmod a-s {} +"
_SAID = 3  # last lines shown of a failure


def suite() -> tuple[str, Path | None]:
    """The codename of the distribution to make, and this machine's list of sources for it.

    The list is None where mmdebstrap is to use its own.
    """
    release = Path("/etc/os-release")
    lines = release.read_text(encoding="utf-8").splitlines() if release.exists() else []
    codename = dict(line.split("=", 1) for line in lines if "=" in line).get("VERSION_CODENAME", "")
    if codename in _SUITES:
        for name in _SOURCES:
            path = Path(name)
            if path.is_file() and "deb" in path.read_text(encoding="utf-8"):
                return codename, path
    return _SUITES[0], None


def make(client: Any, name: str, packages: tuple[str, ...], slim: str, say: Progress) -> None:
    """Make a Debian with `packages`, less what the shell line `slim` removes; import it as the image `name`.

    Raises:
        SandboxError: mmdebstrap is missing or failed.
    """
    if shutil.which("mmdebstrap") is None:
        raise SandboxError(
            "image-missing",
            "no image registry answers and mmdebstrap is not installed: "
            "run `flowreasoner doctor --fix` as root, or `apt-get install mmdebstrap`",
        )
    with tempfile.TemporaryDirectory(prefix="flowreasoner-image-") as folder:
        archive = Path(folder) / "base.tar"
        _mmdebstrap(archive, packages, slim, say)
        say("importing the base into Docker")
        repository, _, version = name.partition(":")
        changes = [f"LABEL {labels.LABEL}.base={name}"]
        client.api.import_image_from_file(str(archive), repository=repository, tag=version, changes=changes)


def _mmdebstrap(archive: Path, packages: tuple[str, ...], slim: str, say: Progress) -> None:
    codename, sources = suite()
    command = ["mmdebstrap", "--variant=essential", f"--include={','.join(packages)}"]
    command += ['--aptopt=APT::Install-Recommends "false"']
    command += [f"--customize-hook={hook}" for hook in (_SLIM, slim, _NO_SUID) if hook]
    if os.geteuid() != 0:
        command.append("--mode=unshare")
    command += [codename, str(archive), *([str(sources)] if sources else [])]
    lines: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            lines.append(line)
            if line.startswith("I: "):
                say(f"mmdebstrap: {line[3:][:100]}")
    if process.returncode != 0:
        told = [line for line in lines if line.startswith("E:")] or lines
        tail = " / ".join(told[-_SAID:])
        raise SandboxError("image-missing", f"mmdebstrap could not make a base image: {tail[:500]}")
