"""The sandbox images: built with or without a registry, named by content, rebuilt when that changes.

With a registry the base is a slim Python image and pip; without one it is a Debian (`sandbox.debian`).
On top of either go the guest sources. The tag is a hash of the recipe and those sources, so an image
that exists under the current tag is the current image. What Debian does not package is fetched as wheels
and unpacked on top of another image's base.
"""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import debian, labels
from sandbox.docker_backend import connect, explain
from sandbox.recipes import RECIPES, REGISTRY_BASE, ImageName, Recipe
from sandbox.types import SandboxError

Progress = Callable[[str], None]

REPOSITORY = "flowreasoner-sandbox"
GUEST_FOLDER = Path(__file__).parent / "guest"
_BUILD_TIMEOUT_S = 1800
BASE_LABEL = f"{labels.LABEL}.base"
NAME_LABEL = f"{labels.LABEL}.image"
_BASE_DOCKERFILE = """\
FROM {base}
RUN pip install --no-cache-dir --root-user-action=ignore {wheels} \
 && find / -xdev -perm /6000 -type f -exec chmod a-s {{}} +
"""
_FETCH_TIMEOUT_S = 600
_ADD_DOCKERFILE = """\
FROM {base}
COPY wheels /tmp/wheels
RUN folder=$(python3 -c "import sysconfig; print(sysconfig.get_path('purelib'))") && mkdir -p $folder \
 && for wheel in /tmp/wheels/*.whl; do python3 -m zipfile -e $wheel $folder || exit 1; done \
 && rm -r /tmp/wheels && chmod -R a+rX $folder && python3 -m compileall -q $folder
"""


@dataclass(frozen=True)
class ImageStatus:
    """The image the current sources ask for."""

    name: ImageName
    tag: str
    id: str | None  # None: not built
    base: str | None
    size_bytes: int
    created: str | None


def guest_files() -> dict[str, bytes]:
    """The sources of the guest package by file name."""
    return {path.name: path.read_bytes() for path in sorted(GUEST_FOLDER.glob("*.py"))}


def tag(image: ImageName = "core") -> str:
    """The name of the image that the current recipe and guest sources make."""
    recipe = RECIPES[image]
    digest = hashlib.sha256("\0".join((base_name(recipe), recipe.dockerfile)).encode())
    for name, source in guest_files().items():
        digest.update(name.encode() + b"\0" + source + b"\0")
    return f"{REPOSITORY}:{image}-{digest.hexdigest()[:16]}"


def base_name(recipe: Recipe) -> str:
    """What the image that `recipe` adds the guest sources to is called."""
    return f"{REPOSITORY}:base-{recipe.name}-{recipe.base_digest(debian.suite()[0])}"


def find(client: Any, image: ImageName = "core") -> str | None:
    """The id of the current image, or None if it is not built."""
    return _find(client, tag(image))


def _find(client: Any, name: str) -> str | None:
    from docker.errors import ImageNotFound

    try:
        return client.images.get(name).id
    except ImageNotFound:
        return None


def build(
    progress: Progress | None = None,
    image: ImageName = "core",
    *,
    client: Any = None,
    host: str | None = None,
) -> str:
    """Build the current image if it is missing, with `client` or on `host`; returns its id.

    Raises:
        SandboxError: no daemon, or neither a registry nor mmdebstrap can provide a base.
    """
    say = progress or (lambda _: None)
    client = client or connect(timeout=_BUILD_TIMEOUT_S, host=host)
    name, recipe = tag(image), RECIPES[image]
    existing = _find(client, name)
    if existing is not None:
        say(f"image {name} is up to date")
        return existing
    base = _base(client, recipe, say)
    say(f"building {name} on {base}")
    owner = {labels.LABEL: "1", NAME_LABEL: image, BASE_LABEL: f"{base}@{_find(client, base)}"}
    guest = {f"guest/{file}": source for file, source in guest_files().items()}
    return _build(client, recipe.dockerfile.format(base=base), name, owner, network="none", files=guest)


def status(client: Any, image: ImageName = "core") -> ImageStatus:
    """What is built of `image`. Raises DockerException and RequestException."""
    current = find(client, image)
    if current is None:
        return ImageStatus(image, tag(image), None, None, 0, None)
    attributes = client.images.get(current).attrs
    base = (attributes["Config"].get("Labels") or {}).get(BASE_LABEL)
    return ImageStatus(image, tag(image), current, base, int(attributes["Size"]), str(attributes["Created"]))


def _base(client: Any, recipe: Recipe, say: Progress) -> str:
    """The name of the base image, made now if it is missing."""
    name = base_name(recipe)
    if _find(client, name) is not None:
        return name
    if recipe.on is not None:
        _add_wheels(client, _base(client, RECIPES[recipe.on], say), recipe, name, say)
        return name
    try:
        _from_registry(client, recipe, name, say)
    except SandboxError as error:
        say(f"{error}; making a Debian base instead")
        debian.make(client, name, recipe.debian, recipe.slim, say)
    return name


def _from_registry(client: Any, recipe: Recipe, name: str, say: Progress) -> None:
    """Raises SandboxError where no registry provides the base."""
    from docker.errors import DockerException

    if _find(client, REGISTRY_BASE) is None:
        say(f"pulling {REGISTRY_BASE}")
        try:
            client.images.pull(*REGISTRY_BASE.split(":"))
        except DockerException as error:
            raise SandboxError("image-missing", f"no image registry answers ({_line(error)})") from None
    source = client.images.get(REGISTRY_BASE)
    pinned = next(iter(source.attrs.get("RepoDigests") or ()), source.id)
    say(f"installing {len(recipe.wheels)} packages with pip")
    dockerfile = _BASE_DOCKERFILE.format(base=REGISTRY_BASE, wheels=" ".join(recipe.wheels))
    _build(client, dockerfile, name, {BASE_LABEL: pinned}, network=None, files={})


def _add_wheels(client: Any, below: str, recipe: Recipe, name: str, say: Progress) -> None:
    """The base `name`: `below` with the recipe's wheels unpacked. Raises SandboxError."""
    say(f"fetching {', '.join(recipe.added)}")
    wheels = fetch_wheels(recipe)
    say(f"unpacking {len(wheels)} packages on {below}")
    owner = {BASE_LABEL: f"{below}@{_find(client, below)}"}
    _build(client, _ADD_DOCKERFILE.format(base=below), name, owner, network="none", files=wheels)


def fetch_wheels(recipe: Recipe) -> dict[str, bytes]:
    """The packages that the recipe adds, from PyPI, by their path in a build context.

    Raises SandboxError where they cannot be fetched.
    """
    with tempfile.TemporaryDirectory(prefix="flowreasoner-wheels-") as folder:
        # No pip of the working folder's or of PYTHONPATH's; one in the user's site may be the only one.
        command = [sys.executable, "-P", "-E", "-m", "pip", "download", "--disable-pip-version-check"]
        command += ["--quiet", "--no-deps", "--only-binary=:all:", "--dest", folder, *recipe.added]
        try:
            subprocess.run(
                command, check=True, capture_output=True, stdin=subprocess.DEVNULL, timeout=_FETCH_TIMEOUT_S
            )
        except (subprocess.SubprocessError, OSError) as error:
            told = getattr(error, "stderr", None) or str(error).encode()
            line = told.decode("utf-8", "replace").strip().rpartition("\n")[2][:200]
            raise SandboxError(
                "image-missing",
                f"the packages of the {recipe.name} image could not be fetched ({line}): connect to PyPI, "
                f"then run `flowreasoner sandbox build --image {recipe.name}`",
            ) from None
        return {f"wheels/{path.name}": path.read_bytes() for path in sorted(Path(folder).glob("*.whl"))}


def _line(error: Exception) -> str:
    return explain(error) if "daemon" in type(error).__name__.lower() else str(error).strip()[:160]


def _build(
    client: Any,
    dockerfile: str,
    name: str,
    owner: dict[str, str],
    *,
    network: str | None,
    files: Mapping[str, bytes],
) -> str:
    from docker.errors import APIError, BuildError

    try:
        image, _ = client.images.build(
            fileobj=_context(dockerfile, files),
            custom_context=True,
            tag=name,
            labels=owner,
            rm=True,
            network_mode=network,
        )
    except (APIError, BuildError) as error:
        raise SandboxError("image-missing", f"the sandbox image could not be built: {error}") from None
    return image.id


def _context(dockerfile: str, files: Mapping[str, bytes]) -> io.BytesIO:
    """A build context: the Dockerfile and `files`, readable by every uid."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in {"Dockerfile": dockerfile.encode(), **files}.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), 0o644
            archive.addfile(entry, io.BytesIO(content))
    buffer.seek(0)
    return buffer
