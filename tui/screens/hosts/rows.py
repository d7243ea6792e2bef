"""What the daemon said, as rows of the screen's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tui.reports.sandbox import container_cells, image_line, mib
from tui.safe import one_line
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from sandbox.doctor import Check
    from sandbox.images import ImageStatus
    from sandbox.inspection import ContainerInfo, Survey

HOST_COLUMNS = (
    Column("Docker", least=8),
    Column("Where", "name", least=12),
    Column("Cores", "number"),
    Column("Memory", "number"),
    Column("cgroup", rank=2),
    Column("Storage", rank=3),
    Column("Runtimes", rank=1),
)
IMAGE_COLUMNS = (
    Column("Image", "name", least=8),
    Column("State", least=52, most=200),  # it may name the command that builds the image
    Column("Tag", "name", least=20, rank=1),
)
CONTAINER_COLUMNS = (
    Column("Container", "name", least=12),
    Column("State", least=8),
    Column("Age", "number"),
    Column("Requests", "number", rank=2),
    Column("Memory", "number"),
    Column("CPU", "number", rank=1),
    Column("Limits", least=12, rank=3),
    Column("Owner", least=25, most=200),
)
CHECK_COLUMNS = (
    Column("", least=4),
    Column("Check", "name", least=12),
    Column("Finding", least=20, most=400),
)


def where(found: Survey) -> str:
    """A host, as short as it can be told."""
    address = found.host.address if found.host and "://" not in found.address else found.address
    return one_line(address.removeprefix("unix://").removeprefix("tcp://"), 60)


def host_row(found: Survey) -> TableRow:
    """A daemon for `HOST_COLUMNS`; one that does not answer says why."""
    host = found.host
    if host is None:
        text = f"{where(found)}: {one_line(found.problem, 200)}"
        return TableRow(found.address, (("away", "error"), (text, "warning"), *(("", ""),) * 5))
    cells = (
        (one_line(host.version, 18), "title"),
        (where(found) + (", rootless" if host.rootless else ""), ""),
        (str(host.cores), ""),
        (mib(host.memory_bytes), ""),
        (host.cgroup, "muted"),
        (host.storage, "muted"),
        (one_line(", ".join(host.runtimes), 60), "muted"),
    )
    return TableRow(found.address, cells)


def image_row(found: Survey, image: ImageStatus, *, several: bool) -> TableRow:
    """An image for `IMAGE_COLUMNS`, with its host where there are several."""
    ink = "" if image.id else "warning"
    line = f"{image_line(image)}{f', at {where(found)}' if several else ''}"
    cells = ((image.name, "title"), (line, ink), (image.tag, "muted"))
    return TableRow(f"{found.address} {image.name}", cells)


def container_row(one: ContainerInfo, at: str) -> TableRow:
    """A container for `CONTAINER_COLUMNS`, with its host where there are several."""
    ident, state, age, requests, memory, cpu, limits, owner = container_cells(one)
    running = "success" if one.state == "running" else "warning"
    cells = (
        (ident, "title"),
        (state, running),
        (age, "muted"),
        (requests, ""),
        (memory, ""),
        (cpu, ""),
        (limits, "muted"),
        (f"{owner}{f', at {at}' if at else ''}", "error" if one.orphaned else "muted"),
    )
    return TableRow(one.id, cells)


def check_row(check: Check) -> TableRow:
    """A finding of doctor for `CHECK_COLUMNS`."""
    mark, ink = (
        ("ok", "success") if check.ok else ("FAIL", "error") if check.required else ("warn", "warning")
    )
    remedy = f" — {check.fix}" if check.fix and not check.ok else ""
    return TableRow(
        check.name, ((mark, ink), (check.name, ""), (one_line(check.message, 300) + remedy, "muted"))
    )
