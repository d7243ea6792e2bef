"""The sandbox image: built with or without a registry, named by its content, rebuilt only when that changes.

With a registry the base is `python:3.12-slim`; without one it is a Debian made by mmdebstrap (as
root) and imported. On top of either go the guest sources. The tag is a hash of the recipe and those
sources, so an image that exists under the current tag is the current image.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import labels
from sandbox.docker_backend import GUEST_DIR, connect, explain
from sandbox.types import SandboxError

Progress = Callable[[str], None]

REPOSITORY = "flowreasoner-sandbox"
REGISTRY_BASE = "python:3.12-slim"
DEBIAN_SUITE = "bookworm"
DEBIAN_MIRROR = "http://deb.debian.org/debian"
# `python3` and not `python3-minimal`: programs import all of the standard library.
DEBIAN_PACKAGES = ("python3", "libpython3-stdlib")
_SLIM = "rm -rf $1/usr/share/doc $1/usr/share/man $1/usr/share/locale $1/var/cache/apt $1/var/lib/apt/lists"
_NO_SUID = "find $1 -xdev -perm /6000 -type f -exec chmod a-s {} +"
DOCKERFILE = f"""\
FROM {{base}}
COPY guest {GUEST_DIR}/guest
RUN python3 -m compileall -q --invalidation-mode unchecked-hash {GUEST_DIR}
"""
_BASE_LABEL = f"{labels.LABEL}.base"


@dataclass(frozen=True)
class ImageStatus:
    """The image the current sources ask for, and what else of ours is on the daemon."""

    tag: str
    id: str | None  # None: not built
    base: str | None
    size_bytes: int
    created: str | None
    stale: tuple[str, ...]  # tags or ids of images no current source asks for


def guest_files() -> dict[str, bytes]:
    """The guest package's sources by file name."""
    folder = Path(__file__).parent / "guest"
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.py"))}


def tag() -> str:
    """The name of the image that the current recipe and guest sources make."""
    recipe = (DOCKERFILE, REGISTRY_BASE, DEBIAN_SUITE, *DEBIAN_PACKAGES, _SLIM, _NO_SUID)
    digest = hashlib.sha256("\0".join(recipe).encode())
    for name, source in guest_files().items():
        digest.update(name.encode() + b"\0" + source + b"\0")
    return f"{REPOSITORY}:core-{digest.hexdigest()[:16]}"


def find(client: Any) -> str | None:
    """The id of the current image, or None if it is not built."""
    from docker.errors import ImageNotFound

    try:
        return client.images.get(tag()).id
    except ImageNotFound:
        return None


def build(progress: Progress | None = None) -> str:
    """Build the current image if it is missing; returns its id.

    Raises:
        SandboxError: no daemon, or neither a registry nor mmdebstrap can provide a base.
    """
    say = progress or (lambda _: None)
    client = connect(timeout=600)
    existing = find(client)
    if existing is not None:
        say(f"image {tag()} is up to date")
        return existing
    base = _base(client, say)
    say(f"building {tag()} on {base}")
    return _build(client, base)


def status() -> ImageStatus:
    """What is built.

    Raises:
        SandboxError: no daemon.
    """
    client = connect()
    current = find(client)
    stale = tuple(sorted(name for image in _ours(client) if image.id != current for name in _names(image)))
    if current is None:
        return ImageStatus(tag(), None, None, 0, None, stale)
    attributes = client.images.get(current).attrs
    base = (attributes["Config"].get("Labels") or {}).get(_BASE_LABEL)
    return ImageStatus(tag(), current, base, int(attributes["Size"]), str(attributes["Created"]), stale)


def prune() -> list[str]:
    """Remove our images that the current sources do not ask for; returns the names removed.

    Raises:
        SandboxError: no daemon.
    """
    from docker.errors import APIError

    client = connect()
    current = find(client)
    removed: list[str] = []
    for image in _ours(client):
        if image.id == current:
            continue
        for name in _names(image):
            with contextlib.suppress(APIError):  # in use by a container, or a parent of another image
                client.images.remove(name)
                removed.append(name)
    return removed


def _ours(client: Any) -> list[Any]:
    """Our images, bases left out: they cost minutes and any build may want them again."""
    return client.images.list(filters={"label": [f"{labels.LABEL}=1"]})


def _names(image: Any) -> list[str]:
    return list(image.tags) or [image.id]


def _build(client: Any, base: str) -> str:
    from docker.errors import APIError, BuildError

    context = _context(DOCKERFILE.format(base=base))
    owner = {labels.LABEL: "1", _BASE_LABEL: base}
    try:
        image, _ = client.images.build(
            fileobj=context, custom_context=True, tag=tag(), labels=owner, rm=True, network_mode="none"
        )
    except (APIError, BuildError) as error:
        raise SandboxError("image-missing", f"the sandbox image could not be built: {error}") from None
    return image.id


def _context(dockerfile: str) -> io.BytesIO:
    """A build context: the Dockerfile and the guest package, readable by every uid."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        files = {f"guest/{name}": source for name, source in guest_files().items()}
        for name, content in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer


def _base(client: Any, say: Progress) -> str:
    from docker.errors import DockerException, ImageNotFound

    debian = f"{REPOSITORY}:base-{DEBIAN_SUITE}"
    for name in (REGISTRY_BASE, debian):
        with contextlib.suppress(ImageNotFound):
            client.images.get(name)
            return name
    say(f"pulling {REGISTRY_BASE}")
    try:
        client.images.pull(*REGISTRY_BASE.split(":"))
    except DockerException as error:
        say(f"no image registry answers ({_line(error)}); making a Debian base instead")
        _debian(client, debian, say)
        return debian
    return REGISTRY_BASE


def _line(error: Exception) -> str:
    return explain(error) if "daemon" in type(error).__name__.lower() else str(error).strip()[:160]


def _debian(client: Any, name: str, say: Progress) -> None:
    """Make a Debian with a full Python and import it as `name`."""
    if shutil.which("mmdebstrap") is None:
        raise SandboxError(
            "image-missing",
            "no image registry answers and mmdebstrap is not installed: "
            "run `flowreasoner doctor --fix` as root, or `apt-get install mmdebstrap`",
        )
    with tempfile.TemporaryDirectory(prefix="flowreasoner-image-") as folder:
        archive = Path(folder) / "base.tar"
        _mmdebstrap(archive, say)
        say("importing the base into Docker")
        repository, _, version = name.partition(":")
        client.api.import_image_from_file(str(archive), repository=repository, tag=version)


def _mmdebstrap(archive: Path, say: Progress) -> None:
    command = ["mmdebstrap", "--variant=essential", f"--include={','.join(DEBIAN_PACKAGES)}"]
    command += [f"--customize-hook={_SLIM}", f"--customize-hook={_NO_SUID}"]
    if os.geteuid() != 0:
        command.append("--mode=unshare")
    command += [DEBIAN_SUITE, str(archive), DEBIAN_MIRROR]
    lines: list[str] = []
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
        assert process.stderr is not None
        for raw in process.stderr:
            line = raw.decode("utf-8", "replace").rstrip()
            lines.append(line)
            if line.startswith("I: "):
                say(f"mmdebstrap: {line[3:][:100]}")
    if process.returncode != 0:
        tail = " / ".join(lines[-3:])
        raise SandboxError("image-missing", f"mmdebstrap could not make a base image: {tail[:500]}")
