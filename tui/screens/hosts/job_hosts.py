"""The machines that training jobs may run on: those of the config file, and what a check found there."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from sandbox.errors import ExpectedError
from tui import format as fmt
from tui.safe import one_line
from tui.trace.outline import Piece
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.remote.hosts import HostReport
    from tui.service.jobs.jobs import Jobs

JOB_HOST_COLUMNS = (
    Column("", least=1),
    Column("Host", "name", least=12),
    Column("Address", least=12, rank=9),
    Column("Python", least=7, rank=6),
    Column("GPUs", least=12),
    Column("Disk", "number"),
    Column("What a check found", least=12, most=200),
)

_FRESH_S = 60.0  # a younger check is told without its age


class JobHostsPane(Vertical):
    """A row for each host; enter checks one. Not shown where no host is configured."""

    DEFAULT_CSS = "JobHostsPane { height: 6; TableView { height: 1fr; } }"

    def __init__(self, hosts: MutableMapping[str, Host], jobs: Jobs, *, id: str) -> None:
        """`hosts` are the settings', which get what is added: whoever starts jobs reads them there. `jobs`
        remember what was found.
        """
        super().__init__(id=id)
        self._hosts, self._jobs = hosts, jobs
        self._found: dict[str, HostReport | str] = {
            name: check.report or "it did not answer" for name, check in jobs.checks.items()
        }
        self.display = bool(hosts)

    def compose(self) -> ComposeResult:
        yield TableView(JOB_HOST_COLUMNS, id="job-hosts")

    def on_mount(self) -> None:
        self._table.border_title = "Hosts for training: enter checks one"
        self._show()

    @property
    def _table(self) -> TableView:
        return self.query_one("#job-hosts", TableView)

    def _show(self) -> None:
        self._table.show([_row(name, host, self._found.get(name)) for name, host in self._hosts.items()])

    @on(LineList.Chosen, "#job-hosts")
    def _chosen(self) -> None:
        if (name := self._table.selected) is not None:
            self.check(name)

    def add(self, name: str, host: Host, found: HostReport) -> None:
        """Show a host that has just been added and checked."""
        self._hosts[name], self._found[name] = host, found
        self._jobs.note_check(name, found)
        self.display = True
        self._show()

    def check(self, *names: str) -> None:
        """Check these hosts, or all of them."""
        for name in names or self._hosts:
            self._found[name] = "asking …"
            self.run_worker(partial(self._check, name), group=f"host-{name}", exclusive=True)
        self._show()

    async def _check(self, name: str) -> None:
        try:
            self._found[name] = await self._jobs.check_host(name)
        except ExpectedError as error:
            self._found[name] = str(error)
        self._show()


def free_gpus(found: HostReport) -> str:
    """`2 of 4 free`, `none`."""
    free = sum(not why for why in (found.gpus or {}).values())
    return f"{free} of {len(found.gpus)} free" if found.gpus else "none"


def gpus_note(jobs: Jobs) -> str:
    """The hosts that jobs may run on with their free GPUs as of the last check: nobody is asked for this."""
    told = []
    for name in jobs.hosts:
        check, age_s = jobs.checks.get(name), jobs.check_age_s(name)
        if check is None or age_s is None:
            told.append(f"{one_line(name, 20)} not checked")
            continue
        gpus = "no answer" if check.report is None else free_gpus(check.report)
        age = f" {fmt.duration(age_s * 1000)} ago" if age_s >= _FRESH_S else ""
        told.append(f"{one_line(name, 20)} {gpus}{age}")
    return f"GPUs: {', '.join(told)}" if told else ""


def _row(name: str, host: Host, found: HostReport | str | None) -> TableRow:
    address = f"{host.user}@{host.address}" if host.user else host.address
    mark, python, gpus, disk, words = _facts(found)
    cells: tuple[Piece, ...] = (
        mark,
        (one_line(name, 40), "title"),
        (one_line(address, 60), "muted"),
        (one_line(python, 12), "muted"),
        (gpus, ""),
        (disk, "muted"),
        (one_line(words, 300), mark[1]),
    )
    return TableRow(name, cells)


def _facts(found: HostReport | str | None) -> tuple[Piece, str, str, str, str]:
    """Mark, Python, GPUs, disk and words for what a check found."""
    if found is None:
        return ("·", "muted"), "", "", "", "not checked yet"
    if isinstance(found, str):
        return ("…", "muted") if found.startswith("asking") else ("✗", "error"), "", "", "", found
    told = [*found.problems, *found.warnings]
    mark = ("✗", "error") if found.problems else ("!", "warning") if told else ("✓", "success")
    words = "; ".join(told) or "a job can run there"
    return mark, found.python, free_gpus(found), f"{found.disk_free / (1 << 30):,.0f} GiB", words
