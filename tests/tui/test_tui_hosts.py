"""Hosts & sandboxes: with a daemon as it describes itself, and without one."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from textual.widgets import Input, Static

from engine.config import config_path, load
from engine.host_config import Host
from sandbox import doctor, inspection
from sandbox.images import ImageStatus
from sandbox.inspection import ContainerInfo, HostInfo, Survey
from tests.support.sshd import PROGRAM, SSHServer
from tests.tui.pilots import SMALL, WIDE, app_of, told, until
from tests.tui.scripted import ScriptedSettings, ScriptedWorkbench, passing_run
from tui.app import WorkbenchApp
from tui.screens.home.home import HomeScreen
from tui.screens.hosts import hosts as screen
from tui.screens.hosts.add_host import AddHostScreen
from tui.screens.hosts.hosts import HostsScreen
from tui.widgets.table_view import TableView

HOST = HostInfo("this machine", "27.0", 8, 32 << 30, "v2 (systemd)", "overlay2", ("runc", "runsc"), False)
IMAGES = (
    ImageStatus("core", "sandbox:core-1", "sha256:1", "sandbox:base-core-1@sha256:0", 150 << 20, "now"),
    ImageStatus("science", "sandbox:science-1", None, None, 0, None),
)
CONTAINERS = (
    ContainerInfo("a" * 64, "running", "i", "41", False, 75.0, 512 << 20, 1.0, 96, 17, 14 << 20, 3.0),
    ContainerInfo("b" * 64, "paused", "i", "7", True, 4000.0, 512 << 20, 1.0, 96),
)
FOUND = Survey(host=HOST, images=IMAGES, stale=("old",), containers=CONTAINERS)


def text(app: WorkbenchApp, id: str) -> str:
    return app.screen.query_one(f"#{id}", TableView).plain_text


@pytest.fixture
def app(store: Path, monkeypatch: pytest.MonkeyPatch) -> WorkbenchApp:
    monkeypatch.setattr(inspection, "survey", lambda hosts: [FOUND])
    return app_of(ScriptedWorkbench(store, passing_run()))


@pytest.mark.parametrize("size", [WIDE, SMALL])
async def test_it_shows_hosts_images_and_containers(app: WorkbenchApp, size: tuple[int, int]) -> None:
    async with app.run_test(size=size) as pilot:
        await pilot.press("9")
        await until(
            pilot, lambda: isinstance(app.screen, HostsScreen) and "aaaaaaaaaaaa" in text(app, "containers")
        )
        assert "runc, runsc" in text(app, "hosts")
        assert "150 MiB" in text(app, "images")
        assert "sandbox build --image science" in text(app, "images")
        rows = text(app, "containers").splitlines()
        assert "\t17\t14 MiB\t3%\t" in rows[1]
        assert "process 7, orphaned" in rows[2]
        assert str(app.screen.query_one("#containers").border_subtitle).startswith("1 orphaned")
        await pilot.press("9", "escape")
        await until(pilot, lambda: isinstance(app.screen, HomeScreen))


async def test_without_docker_it_says_how_to_get_it(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, HostsScreen))
        hosts = app.screen.query_one("#hosts", TableView)
        await until(pilot, lambda: "No Docker daemon here" in hosts.empty)
        assert "DOCKER_HOST" in hosts.empty
        assert "bubblewrap" in app.screen.query_one("#containers", TableView).empty
        await pilot.press("s")
        await until(pilot, lambda: "There is no container to open a shell in." in told(app))


async def test_checks_run_beside_the_loop(app: WorkbenchApp, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = threading.Event()

    def examine(hosts: object) -> list[doctor.Check]:
        looked.wait()
        return [doctor.Check("python", True, "3.12"), doctor.Check("disk", False, "full", "free some")]

    monkeypatch.setattr(doctor, "examine", examine)
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, HostsScreen))
        await pilot.press("c")
        await until(pilot, lambda: app.screen.query_one("#checks").display)
        looked.set()
        await until(pilot, lambda: "free some" in text(app, "checks"))
        assert "FAIL\tdisk" in text(app, "checks")
        assert app.screen.query_one("#checks").border_subtitle == "generated code cannot run safely"


async def test_orphans_are_removed(app: WorkbenchApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "_reap", lambda hosts: ["b" * 64])
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, HostsScreen))
        await pilot.press("o")
        await until(pilot, lambda: "Removed 1 orphaned container." in told(app))


async def test_a_terminal_that_cannot_be_lent_says_the_command(app: WorkbenchApp) -> None:
    async with app.run_test(size=WIDE) as pilot:  # the test driver has no terminal to lend
        await pilot.press("9")
        await until(pilot, lambda: "aaaaaaaaaaaa" in text(app, "containers"))
        await pilot.press("s")
        await until(pilot, lambda: any("docker exec -it aaaaaaaaaaaa" in said for said in told(app)))


async def test_a_real_daemon_is_shown(store: Path) -> None:
    if inspection.survey()[0].host is None:
        pytest.skip("no Docker here")
    app = app_of(ScriptedWorkbench(store, passing_run()))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(pilot, lambda: isinstance(app.screen, HostsScreen) and "runc" in text(app, "hosts"))
        assert "core" in text(app, "images")


async def test_several_hosts_are_told_apart(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = Survey("tcp://build:2376", "the Docker daemon does not answer", "start it")
    found = [Survey("unix:///var/run/docker.sock", host=HOST, images=IMAGES, containers=CONTAINERS), away]
    asked: list[tuple[str, ...]] = []

    def survey(hosts: tuple[str, ...]) -> list[Survey]:
        asked.append(hosts)
        return found

    monkeypatch.setattr(inspection, "survey", survey)
    settings = ScriptedSettings(docker_hosts=("unix:///var/run/docker.sock", "tcp://build:2376"))
    app = app_of(ScriptedWorkbench(store, settings=settings))
    async with app.run_test(size=WIDE) as pilot:
        await pilot.press("9")
        await until(
            pilot, lambda: isinstance(app.screen, HostsScreen) and "aaaaaaaaaaaa" in text(app, "containers")
        )
        assert asked == [settings.docker_hosts]
        assert "away\tbuild:2376: the Docker daemon does not answer" in text(app, "hosts")
        assert "at /var/run/docker.sock" in text(app, "images")
        assert "process 7, orphaned, at /var/run/docker.sock" in text(app, "containers")
        await pilot.press("s")
        command = "run: docker -H unix:///var/run/docker.sock exec -it aaaaaaaaaaaa"
        await until(pilot, lambda: any(command in said for said in told(app)))


def fill(app: WorkbenchApp, **values: str) -> None:
    for name, value in values.items():
        app.screen.query_one(f"#{name}", Input).value = value


async def test_a_host_is_added_once_a_check_finds_it_well(
    app: WorkbenchApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not PROGRAM.exists():
        pytest.skip("no sshd here")
    server = SSHServer(tmp_path)
    monkeypatch.setenv("HOME", str(server.home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(server.home / "config"))
    file = config_path()
    file.parent.mkdir(parents=True)
    file.write_text('theme = "flowreasoner"\n')

    def told_there() -> str:
        return str(app.screen.query_one("#told", Static).render())

    try:
        async with app.run_test(size=WIDE) as pilot:
            await pilot.press("9")
            await until(pilot, lambda: isinstance(app.screen, HostsScreen))
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, AddHostScreen))
            for given, said in (
                ({"name": "a b"}, "name: letters"),
                ({"name": "local"}, "not local"),
                ({"name": "mine"}, "address: "),
                ({"address": "me@box"}, "address alone"),
                ({"address": "box", "port": "ssh"}, "port: whole numbers"),
                ({"port": "0"}, "port: "),
                ({"port": "", "gpus": "0;1"}, "gpus: whole numbers, as in 0,1"),
                ({"gpus": "", "address": "127.0.0.1", "port": "1"}, "mine"),  # nobody listens there
                ({"address": "http://127.0.0.1:8265"}, "address: a Ray cluster is ray://"),
                ({"address": "ray://192.0.2.1:10001"}, "there is no token for it"),  # and no port of SSH
                ({"address": "ray://127.0.0.1:1", "dashboard": "x"}, "dashboard: whole numbers, as in 8265"),
                ({"dashboard": "1"}, "nothing answers at http://127.0.0.1:1"),
                ({"token": "no-such-file"}, "hosts.mine.token: no-such-file cannot be read"),
                ({"address": "box", "port": "", "gpus": "41"}, "Not saved: "),
            ):
                fill(app, **given)
                await pilot.press("enter")
                await until(pilot, lambda said=said: said in told_there())
            assert file.read_text() == 'theme = "flowreasoner"\n'
            fill(app, gpus="")
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, HostsScreen))
            assert load(file).hosts == {"mine": Host(address="box")}
            assert set(app.jobs.hosts) == {"mine"}  # a job can be started there now
            assert "mine" in app.screen.query_one("#job-hosts", TableView).plain_text
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, AddHostScreen))
            fill(app, name="mine", address="box")
            await pilot.press("enter")
            await until(pilot, lambda: "is there already" in told_there())
            await pilot.press("escape")
            await until(pilot, lambda: isinstance(app.screen, HostsScreen))
    finally:
        server.clean()
