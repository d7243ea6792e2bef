"""The machines that training jobs may run on: those of the config file, and what a check found there."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import partial
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical

from sandbox.errors import ExpectedError
from tui.safe import one_line
from tui.trace.outline import Piece
from tui.widgets.line_list import LineList
from tui.widgets.table_view import Column, TableRow, TableView

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.remote.hosts import HostReport

JOB_HOST_COLUMNS = (
    Column("", least=1),
    Column("Host", "name", least=12),
    Column("Address", least=12, rank=9),
    Column("Python", least=7, rank=6),
    Column("GPUs", least=12),
    Column("Disk", "number"),
    Column("What a check found", least=12, most=200),
)


class JobHostsPane(Vertical):
    """A row for each host; enter checks one. Not shown where no host is configured."""

    DEFAULT_CSS = "JobHostsPane { height: 6; TableView { height: 1fr; } }"

    def __init__(self, hosts: MutableMapping[str, Host], *, id: str) -> None:
        """`hosts` are the settings', which get what is added: whoever starts jobs reads them there."""
        super().__init__(id=id)
        self._hosts = hosts
        self._found: dict[str, HostReport | str] = {}
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
        self.display = True
        self._show()

    def check(self, *names: str) -> None:
        """Check these hosts, or all of them."""
        for name in names or self._hosts:
            self._found[name] = "asking …"
            self.run_worker(partial(self._check, name), group=f"host-{name}", exclusive=True)
        self._show()

    async def _check(self, name: str) -> None:
        from tui.service.jobs.hosts import check_host

        try:
            self._found[name] = await check_host(name, self._hosts[name])
        except ExpectedError as error:
            self._found[name] = str(error)
        self._show()


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
    free = sum(not why for why in (found.gpus or {}).values())
    gpus = "none" if not found.gpus else f"{free} of {len(found.gpus)} free"
    words = "; ".join(told) or "a job can run there"
    return mark, found.python, gpus, f"{found.disk_free / (1 << 30):,.0f} GiB", words
