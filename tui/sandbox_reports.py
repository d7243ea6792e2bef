"""What `doctor` and the `sandbox` commands print."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from tui.errors import PASSED, UNAVAILABLE, say
from tui.format import plural
from tui.reports import emit, table
from tui.safe import one_line

if TYPE_CHECKING:
    from sandbox.recipes import ImageName


def print_doctor(*, fix: bool, brief: bool, as_json: bool) -> int:
    """`flowreasoner doctor`: every check, or with `brief` only what a user should act on."""
    from sandbox.doctor import examine, healthy

    checks = examine(fix=fix, progress=_progress)
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
        say("generated code cannot be run safely here; mend what is marked FAIL")
    return PASSED if sound else UNAVAILABLE


def print_build(image: ImageName, *, as_json: bool) -> None:
    """`flowreasoner sandbox build`. Raises SandboxError."""
    from sandbox import images

    ident, name = images.build(_progress, image), images.tag(image)
    emit({"image": ident, "tag": name}, f"{name} is ready", as_json)


def print_sandbox_status(*, as_json: bool) -> None:
    """`flowreasoner sandbox status`: the image and every container of ours. Raises SandboxError."""
    from sandbox import images, reaper
    from sandbox.docker_backend import connect

    image, containers = images.status(), reaper.containers(connect())
    data = {"image": dataclasses.asdict(image), "containers": [dataclasses.asdict(c) for c in containers]}
    built = (
        f"{image.size_bytes >> 20} MiB on {image.base}"
        if image.id
        else "not built: flowreasoner sandbox build"
    )
    lines = [f"image {image.tag}: {built}"]
    if image.stale:
        lines.append(f"{plural(len(image.stale), 'older image')}: flowreasoner sandbox prune removes them")
    rows = [(c.id[:12], c.state, c.owner_pid, "orphaned" if c.orphaned else "") for c in containers]
    lines.append(table(("container", "state", "owner", ""), rows) if rows else "no containers")
    emit(data, "\n".join(lines), as_json)


def print_sandbox_prune(*, as_json: bool) -> None:
    """`flowreasoner sandbox prune`. Raises SandboxError."""
    from sandbox import images, reaper
    from sandbox.docker_backend import connect

    removed, containers = images.prune(), reaper.reap(connect())
    text = f"removed {plural(len(removed), 'image')} and {plural(len(containers), 'container')}"
    emit({"images": removed, "containers": containers}, text, as_json)


def _progress(line: str) -> None:
    sys.stderr.write(f"{one_line(line, 400)}\n")
    sys.stderr.flush()
