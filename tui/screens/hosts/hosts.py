"""Docker hosts, images and the containers that run generated code."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from textual import on
from textual.app import ComposeResult, SuspendNotSupported

from tui.actions import bindings_for
from tui.format import plural
from tui.safe import one_line
from tui.screens.base import WorkbenchScreen
from tui.screens.hosts.job_hosts import JobHostsPane
from tui.screens.hosts.rows import (
    CHECK_COLUMNS,
    CONTAINER_COLUMNS,
    HOST_COLUMNS,
    IMAGE_COLUMNS,
    check_row,
    container_row,
    host_row,
    image_row,
    where,
)
from tui.widgets.footer import Footer
from tui.widgets.line_list import LineList
from tui.widgets.table_view import TableView
from tui.widgets.title_bar import TitleBar

if TYPE_CHECKING:
    from sandbox.inspection import Survey

_AT_ONCE_S = 2.0  # a shell that ends sooner, and not well, never was one
_TABLES = (
    ("hosts", "Hosts", HOST_COLUMNS),
    ("images", "Images", IMAGE_COLUMNS),
    ("containers", "Containers", CONTAINER_COLUMNS),
    ("checks", "Checks", CHECK_COLUMNS),
)


class HostsScreen(WorkbenchScreen[None]):
    """Everything is asked in threads: a daemon may take its time, or never answer."""

    CSS_PATH = "hosts.tcss"
    BINDINGS = bindings_for("hosts")

    def __init__(self) -> None:
        super().__init__(name="hosts")
        self._surveys: list[Survey] = []

    def compose(self) -> ComposeResult:
        yield TitleBar("Hosts")
        for id, title, columns in _TABLES:
            table = TableView(columns, id=id, empty="Asking the daemon …")
            table.border_title = title
            yield table
        app = self.navigation
        yield JobHostsPane(app.workbench.settings.hosts, app.jobs, id="training")
        yield Footer()

    def on_mount(self) -> None:
        self.set_focus(self._table("containers"))

    def on_screen_resume(self) -> None:
        self.query_one(TitleBar).note = self.navigation.workbench.sandbox_note
        self.action_reload()

    def _table(self, id: str) -> TableView:
        return self.query_one(f"#{id}", TableView)

    # -- what is there ---------------------------------------------------------------------------

    def action_reload(self) -> None:
        self.run_worker(self._load, group="survey", exclusive=True)

    async def _load(self) -> None:
        from sandbox.inspection import survey

        self._show(await asyncio.to_thread(survey, self._configured))

    @property
    def _configured(self) -> tuple[str, ...]:
        return tuple(self.navigation.workbench.settings.docker_hosts)

    def _show(self, found: list[Survey]) -> None:
        self._surveys = found
        hosts, images, containers = (self._table(id) for id in ("hosts", "images", "containers"))
        first, several = found[0], len(found) > 1
        problem = "" if any(one.host for one in found) else one_line(first.problem, 300)
        hosts.empty = f"{problem[:1].upper()}{problem[1:]}\nTo use Docker: {one_line(first.advice, 300)}"
        images.empty = "Images are kept on a Docker host; there is none." if problem else "No images."
        containers.empty = (
            "Without Docker, generated code runs under bubblewrap if that is installed.\n"
            "Press c to check what this machine can do."
            if problem
            else "No container is running. They start with a run and are removed when the workbench closes."
        )
        hosts.show([] if problem else [host_row(one) for one in found])
        images.show([image_row(one, image, several=several) for one in found for image in one.images])
        containers.show(
            [container_row(c, where(one) if several else "") for one in found for c in one.containers]
        )
        stale = sum(len(one.stale) for one in found)
        images.tell(f"{plural(stale, 'older image')} to prune" if stale else "")
        orphans = sum(c.orphaned for one in found for c in one.containers)
        containers.tell(f"{orphans} orphaned" if orphans else "")
        for table in (hosts, images, containers):
            table.refresh()
        self.refresh_bindings()

    # -- what can be done ------------------------------------------------------------------------

    def can_act(self, action: str) -> bool:
        match action:
            case "shell":
                return self._table("containers").selected is not None
            case "reap":
                return any(c.orphaned for one in self._surveys for c in one.containers)
            case _:
                return True

    def action_check(self) -> None:
        checks = self._table("checks")
        checks.empty = "Checking, and trying to break out of a sandbox …"
        checks.add_class("-on")
        checks.show([])
        checks.refresh()
        self.run_worker(self._check, group="check", exclusive=True)
        self.query_one(JobHostsPane).check()

    async def _check(self) -> None:
        from sandbox.doctor import examine, healthy

        found = await asyncio.to_thread(examine, self.navigation.workbench.settings.docker_hosts)
        checks = self._table("checks")
        checks.show([check_row(check) for check in found])
        sound = healthy(found)
        checks.border_subtitle = (
            "generated code can run safely" if sound else "generated code cannot run safely"
        )

    def action_add(self) -> None:
        """Ask for a machine that jobs run on."""
        from tui.screens.hosts.add_host import Added, AddHostScreen

        settings = self.navigation.workbench.settings

        def add(added: Added | None) -> None:
            if added is not None:
                self.query_one(JobHostsPane).add(*added)
                self.notify(f"{added.name} is in the config file; jobs can run there.")

        self.app.push_screen(AddHostScreen(settings.hosts), add)

    def action_reap(self) -> None:
        self.run_worker(self._reap, group="reap", exclusive=True)

    async def _reap(self) -> None:
        from sandbox.types import SandboxError

        try:
            removed = await asyncio.to_thread(_reap, self._configured)
        except SandboxError as error:
            self.notify(one_line(str(error), 300), severity="error")
            return
        self.notify(f"Removed {plural(len(removed), 'orphaned container')}.")
        self.action_reload()

    @on(LineList.Chosen, "#containers")
    async def action_shell(self) -> None:
        """Lend the terminal to a shell in the selected container; a run in progress goes on."""
        ident = self._table("containers").selected
        if ident is None:
            self.notify("There is no container to open a shell in.")
            return
        address = next((s.address for s in self._surveys if any(c.id == ident for c in s.containers)), "")
        command = ("docker", *(("-H", address) if address else ()), "exec", "-it", ident, "sh")
        begun = time.monotonic()
        try:
            with self.app.suspend(), self.app.batch_update():
                process = await asyncio.create_subprocess_exec(*command)
                code = await process.wait()
            if code and time.monotonic() - begun < _AT_ONCE_S:
                gone = (
                    f"No shell could be opened in {ident[:12]} (docker: exit status {code}); it may be gone."
                )
                self.notify(gone, severity="warning")
        except SuspendNotSupported:
            self.notify(f"This terminal cannot open a shell; run: {' '.join(command)}")
        except OSError as error:
            self.notify(f"docker: {error.strerror or error}", severity="error")
        self.app.refresh(layout=True)
        self.action_reload()


def _reap(hosts: tuple[str, ...]) -> list[str]:
    """Raises SandboxError where a host does not answer."""
    from sandbox import reaper
    from sandbox.docker_backend import connect

    return [ident for host in hosts or (None,) for ident in reaper.reap(connect(host=host))]
