"""Which isolation this machine, or the Docker hosts named, can give: chosen once, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal

from sandbox import reaper
from sandbox.bwrap_backend import BwrapBackend
from sandbox.docker_backend import DockerBackend, connect, lost
from sandbox.local_backend import LocalBackend
from sandbox.sizing import size_for
from sandbox.types import SandboxError

if TYPE_CHECKING:
    from sandbox.recipes import ImageName, Recipe

Prefer = Literal["auto", "docker", "bwrap", "unsafe-local"]
Progress = Callable[[str], None]


def choose_backends(
    prefer: Prefer = "auto",
    hosts: Sequence[str] = (),
    *,
    build: bool = False,
    runtime: str | None = None,
    image: ImageName = "core",
    progress: Progress | None = None,
) -> Sequence[DockerBackend | BwrapBackend | LocalBackend]:
    """The backends to share the work: one for each of the Docker `hosts` that answers, or the one of this
    machine. Blocks while it asks the daemons. "auto" never means no isolation.

    Raises:
        SandboxError: none is usable; the message says how to get Docker.
    """
    if prefer == "unsafe-local":
        return [LocalBackend(image=image, needs=recipe(image).imports)]
    if prefer == "bwrap":
        if runtime is not None:
            raise SandboxError("no-docker", f"bubblewrap has no runtime {runtime!r}: Docker has such")
        return [BwrapBackend(image=image, needs=recipe(image).imports)]
    try:
        if hosts:
            return _docker_hosts(hosts, build, runtime, image, progress)
        return [_docker(None, connect(), build, runtime, image, progress)]
    except SandboxError as error:
        # bubblewrap has no images: without its packages, code that is right would be called wrong. And who
        # asked for a runtime wants more isolation, not less.
        if prefer == "docker" or image != "core" or runtime is not None:
            raise
        reason = error
    try:
        return [BwrapBackend(why=f"Docker cannot be used ({reason}). Using ")]
    except SandboxError as error:
        raise SandboxError(
            reason.reason,
            f"there is no sandbox to run generated code in. Docker: {reason}. bubblewrap: {error}",
        ) from None


def _docker_hosts(
    hosts: Sequence[str], build: bool, runtime: str | None, image: ImageName, progress: Progress | None
) -> list[DockerBackend]:
    """A backend for each Docker host that answers. A host that has no image gets a copy of another's, so
    that all run the same.

    Raises:
        SandboxError: no host answers, or none has the image; the message says what each lacks.
    """
    say = progress or (lambda _: None)
    clients, problems = {}, {}
    for host in hosts:
        try:
            clients[host] = connect(host=host)
        except SandboxError as error:
            problems[host] = error
            say(f"{host} is left out: {error}")
    with lost():
        _spread_image(clients, build, image, progress)
    backends: list[DockerBackend] = []
    for host, client in clients.items():
        try:
            backends.append(_docker(host, client, False, runtime, image, progress))
        except SandboxError as error:
            problems[host] = error
    if not backends:
        why = "; ".join(f"{host}: {error}" for host, error in problems.items())
        raise SandboxError(next(iter(problems.values())).reason, f"no Docker host can be used. {why}")
    return backends


def recipe(image: str) -> Recipe:
    """What `image` holds; imported late, since most processes ask for nothing but the standard one.

    Raises:
        SandboxError: there is no such image.
    """
    from sandbox.recipes import RECIPES

    for name, known in RECIPES.items():
        if name == image:
            return known
    raise SandboxError(
        "image-missing", f"there is no sandbox image {image!r}; use one of {', '.join(RECIPES)}"
    )


def _docker(
    host: str | None,
    client: Any,
    build: bool,
    runtime: str | None,
    image: ImageName,
    progress: Progress | None,
) -> DockerBackend:
    from sandbox import images

    with lost():
        reaper.reap(client)
        ident = images.build(progress, image, client=client) if build else images.find(client, image)
        info = client.info()
    if ident is None:
        raise SandboxError(
            "image-missing",
            f"the {image} image is not built: run `flowreasoner sandbox build --image {image}`",
        )
    known = sorted(info.get("Runtimes") or ())
    if runtime is not None and runtime not in known:
        raise SandboxError(
            "no-docker",
            f"Docker{f' at {host}' if host else ''} has no runtime {runtime!r}; it has {', '.join(known)}: "
            "add it to the daemon's configuration, or name one of these in sandbox.runtime",
        )
    size = size_for(info["NCPU"], info["MemTotal"])
    return DockerBackend(client, ident, runtime, host=host, memory_mb=recipe(image).memory_mb, size=size)


def _spread_image(clients: dict[str, Any], build: bool, image: ImageName, progress: Progress | None) -> None:
    """Copy the image from a host that has it to those that do not."""
    from docker.errors import DockerException

    from sandbox import images

    have = [host for host, client in clients.items() if images.find(client, image) is not None]
    if not have and build and clients:
        first = next(iter(clients))
        images.build(progress, image, client=clients[first])
        have = [first]
    for host, client in clients.items():
        if not have or host in have:
            continue
        if progress is not None:
            progress(f"copying the {image} image from {have[0]} to {host}")
        source = clients[have[0]].images.get(images.tag(image))
        try:
            client.images.load(source.save(named=True))
        except DockerException as error:
            if progress is not None:
                progress(f"{host} is left out: the image could not be copied to it ({str(error)[:200]})")
