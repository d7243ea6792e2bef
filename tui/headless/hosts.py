"""`flowreasoner hosts`: the hosts of the config file, and whether a job can go there."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from tui.headless.jobs import interruptible
from tui.headless.train import host_named
from tui.reports.tables import emit, table
from tui.safe import one_line
from tui.service.errors import PASSED, UNAVAILABLE
from tui.service.jobs.hosts import check_host as ask

if TYPE_CHECKING:
    from engine.config import Settings


def list_hosts(settings: Settings, *, as_json: bool) -> int:
    """Print the hosts there are. None is contacted."""
    if as_json:
        emit({name: host.model_dump(mode="json") for name, host in settings.hosts.items()}, "", True)
        return PASSED
    if not settings.hosts:
        from engine.config import config_path

        emit(None, f"there are no hosts; add [hosts.NAME] with an address to {config_path()}", False)
        return PASSED
    rows = [
        (name, host.address, ", ".join(map(str, host.gpus)) or "-", host.workdir)
        for name, host in settings.hosts.items()
    ]
    emit(None, table(("host", "address", "GPUs", "working folder"), rows), False)
    return PASSED


def check_host(settings: Settings, name: str, *, as_json: bool) -> int:
    """Ask a host for what jobs need, and say what is missing. Raises UsageError and HostError."""
    found = host_named(settings, name)
    if found is None:
        emit({"name": name, "problems": []}, "jobs can run on this machine as it is; see `doctor`", as_json)
        return PASSED

    report = interruptible(ask(*found))
    lines = [
        f"Python {report.python}, {report.machine}, {report.disk_free / (1 << 30):.1f} GiB free, "
        f"clock {report.clock_s:+.1f} s",
        *(f"GPU {gpu}: {why or 'free'}" for gpu, why in (report.gpus or {}).items()),
        *(f"warning: {warning}" for warning in report.warnings),
        *(f"problem: {problem}" for problem in report.problems),
    ]
    if not report.problems:
        lines.append(f"a job can go to {name}")
    emit(asdict(report), "\n".join(one_line(line) for line in lines), as_json)
    return UNAVAILABLE if report.problems else PASSED
