"""What `doctor` and the `sandbox` commands print."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.format import duration, plural
from tui.reports.tables import emit, table
from tui.safe import one_line
from tui.service.errors import PASSED, UNAVAILABLE, say

if TYPE_CHECKING:
    from sandbox.images import ImageStatus
    from sandbox.inspection import ContainerInfo, HostInfo, Survey
    from sandbox.recipes import ImageName


def print_doctor(hosts: Sequence[str], *, fix: bool, brief: bool, as_json: bool) -> int:
    """`flowreasoner doctor`: every check, or with `brief` only what a user should act on."""
    from sandbox.doctor import examine, healthy

    checks = examine(hosts, fix=fix, progress=_progress)
    sound = healthy(checks)
    if as_json:
        rows = [
            {f.name: getattr(c, f.name) for f in dataclasses.fields(c) if f.name != "fixer"} for c in checks
        ]
        emit({"healthy": sound, "checks": rows}, "", True)
    for check in checks if not as_json else ():
        mark = "ok  " if check.ok else ("FAIL" if check.required else "warn")
        if not (brief and check.ok):
            remedy = f" — {check.fix}" if check.fix and not check.ok else ""
            emit(None, f"{mark}  {check.name}: {one_line(check.message, 400)}{remedy}", False)
    if not sound:
        say("generated code cannot run safely here; fix the checks marked FAIL")
    return PASSED if sound else UNAVAILABLE


def print_build(image: ImageName, hosts: Sequence[str], *, as_json: bool) -> None:
    """`flowreasoner sandbox build`, on the first of `hosts`; the others get a copy when they are first used.

    Raises SandboxError.
    """
    from sandbox import images

    ident, name = images.build(_progress, image, host=next(iter(hosts), None)), images.tag(image)
    emit({"image": ident, "tag": name}, f"{name} is ready", as_json)


def print_sandbox_status(hosts: Sequence[str], *, as_json: bool) -> None:
    """`flowreasoner sandbox status`: the daemons, images and containers of ours.

    Raises SandboxError where none answers.
    """
    from sandbox.inspection import survey
    from sandbox.types import SandboxError

    found = survey(hosts)
    if not any(one.host for one in found):
        raise SandboxError("no-docker", "; ".join(filter(None, (_placed(s, s.problem) for s in found))))
    text = "\n\n".join("\n".join(_status_lines(one)) for one in found)
    emit([dataclasses.asdict(one) for one in found], text, as_json)


def _placed(found: Survey, text: str) -> str:
    return f"{one_line(found.address, 100)}: {text}" if found.address else text


def _status_lines(found: Survey) -> list[str]:
    """One host: itself, its images, its containers."""
    if found.host is None:
        return [_placed(found, f"{one_line(found.problem, 300)}; {one_line(found.advice, 300)}")]
    lines = [f"Docker {one_line(host_line(found.host), 200)}"]
    lines += [f"image {image.tag}: {image_line(image)}" for image in found.images]
    if found.stale:
        lines.append(f"{plural(len(found.stale), 'older image')}: flowreasoner sandbox prune removes them")
    rows = [container_cells(one) for one in found.containers]
    return [*lines, table(CONTAINER_COLUMNS, rows) if rows else "no containers"]


CONTAINER_COLUMNS = ("container", "state", "age", "requests", "memory", "CPU", "limits", "owner")


def host_line(host: HostInfo) -> str:
    """A daemon in one line."""
    kind = " rootless," if host.rootless else ""
    return (
        f"{host.version} on {host.address},{kind} {plural(host.cores, 'core')}, {mib(host.memory_bytes)}, "
        f"cgroup {host.cgroup}, {host.storage}, runtimes: {', '.join(host.runtimes)}"
    )


def image_line(image: ImageStatus) -> str:
    """How an image stands."""
    if image.id is None:
        return f"not built: flowreasoner sandbox build --image {image.name}"
    base = (image.base or "").partition("@")[0].rpartition("/")[2]
    return f"{image.size_bytes >> 20} MiB on {base}"


def container_cells(one: ContainerInfo) -> tuple[str, ...]:
    """A container for `CONTAINER_COLUMNS`."""
    limits = f"{mib(one.memory_limit)}, {one.cpus:g} CPU, {one.pids_limit} processes"
    return (
        one.id[:12],
        one.state,
        duration(one.age_s * 1000),
        "?" if one.requests is None else str(one.requests),
        "?" if one.memory_bytes is None else mib(one.memory_bytes),
        "?" if one.cpu_percent is None else f"{one.cpu_percent:.0f}%",
        limits,
        f"process {one.owner_pid}{', orphaned' if one.orphaned else ''}",
    )


def mib(size: int) -> str:
    """A size of memory."""
    return f"{size >> 20:,} MiB" if size < 4 << 30 else f"{size / (1 << 30):.1f} GiB"


def print_sandbox_prune(hosts: Sequence[str], *, as_json: bool) -> None:
    """`flowreasoner sandbox prune`: names what it removed. Raises SandboxError."""
    from sandbox import reaper, stale_images
    from sandbox.docker_backend import connect

    for host in hosts or [None]:
        client = connect(host=host)
        containers, removed = reaper.reap(client), stale_images.prune(client)
        lines = [f"image {one_line(name, 100)}" for name in removed]
        lines += [f"container {ident[:12]}, whose process is gone" for ident in containers]
        where = f" from {one_line(host, 100)}" if host else ""
        text = f"removed {plural(len(removed), 'image')} and {plural(len(containers), 'container')}{where}"
        emit({"host": host, "images": removed, "containers": containers}, "\n".join([*lines, text]), as_json)


def _progress(line: str) -> None:
    sys.stderr.write(f"{one_line(line, 400)}\n")
    sys.stderr.flush()
