"""Every process that we start runs our code, in a folder and with paths full of other code of its names."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import flowreasoner
import pytest
import pytest_asyncio

from sandbox import SandboxError, open_sandbox
from sandbox.images import fetch_wheels
from sandbox.recipes import Recipe
from tests.cli.conftest import Models, Shell
from tests.cli.test_bench import check_ledger, problems
from tests.cli.test_bench_detached import end
from tests.cli.test_bench_ray import cluster, long, with_ray
from tests.support.runtime import runtime
from tests.support.strangers import NAMES, PYTHONS, Strangers, script, strangers
from tui.service.engine_process.client import Client
from tui.service.engine_process.sockets import engines
from tui.service.engine_process.spawn import spawn

__all__ = ["cluster", "problems", "runtime"]  # fixtures
TOKEN = "a-token-of-the-tests"
ONE_TRIAL = ("--name", "e", "--variant", "vanilla", "--executions", "1", "--limit", "1")
pythons = pytest.mark.parametrize("python", PYTHONS, ids=["environment", "user"])
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: str) -> Strangers:
    """This process itself is among strangers, one of which is even called as we are."""
    made = strangers(tmp_path / "strangers", "flowreasoner", "pip", "guest")
    monkeypatch.chdir(made.folder)
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest_asyncio.fixture
async def there(shell: Shell, light_sandbox: None, runtime: str) -> AsyncIterator[Strangers]:
    """The command is started among strangers; engines that it leaves are ended."""
    made = strangers(shell.home / "strangers")
    shell.env |= {"XDG_RUNTIME_DIR": runtime, **made.environment}
    yield made
    for path in engines(shell.store):
        end(int(path.stem), signal.SIGTERM)


async def run(shell: Shell, among: Strangers, *command: str, or_says: str | None = None) -> None:
    """Carry the command out; it passes, or says `or_says`."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=shell.env,
        cwd=among.folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await process.communicate()
    assert process.returncode == 0 or (or_says and or_says in err.decode()), err.decode()


@pytest.mark.parametrize("name", NAMES)
def test_strangers_would_run(here: Strangers, name: str) -> None:
    """What the other tests are worth: Python by itself finds them in each of the three places."""
    site = next(here.user_base.rglob("site-packages"))
    for python, path, flags in (
        (PYTHONS[0], "", []),
        (PYTHONS[0], str(here.modules), ["-P"]),
        (PYTHONS[1], "", ["-P"]),
    ):
        environment = {**os.environ, "PYTHONPATH": path}
        subprocess.run([python, *flags, "-c", f"import {name}"], check=True, env=environment)
    package = f"{name}/__init__.py"
    assert here.ran == [str(here.folder / package), str(here.modules / f"{name}.py"), str(site / package)]


@pythons
async def test_an_engine_of_the_screens(
    here: Strangers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python: str
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    path = await asyncio.to_thread(spawn, tmp_path / "store.db")
    async with Client(path) as client:
        assert await client.ask("runs") == []
    end(int(path.stem), signal.SIGTERM)
    assert here.ran == []


@pythons
async def test_an_experiment_in_an_engine(
    shell: Shell, models: Models, problems: Path, there: Strangers, python: str
) -> None:
    command = script(shell.home, python)
    await run(shell, there, *command, "bench", str(problems), *ONE_TRIAL, "--detach")
    # It may have ended before this asks for it.
    await run(shell, there, *command, "attach", "e", or_says="no experiment is in progress")
    assert check_ledger(shell, 1)["passed"] == 1
    assert there.ran == []


@with_ray
@long
async def test_an_experiment_on_a_cluster(
    shell: Shell, models: Models, problems: Path, there: Strangers, cluster: Path
) -> None:
    """Much as for one user, whose cluster is that of `test_bench_ray`."""
    command = script(shell.home, PYTHONS[0])
    await run(shell, there, *command, "bench", str(problems), *ONE_TRIAL, "--on", "ray")
    assert check_ledger(shell, 1)["passed"] == 1
    assert there.ran == []


@pythons
async def test_a_page_in_a_browser(shell: Shell, there: Strangers, python: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *script(shell.home, python),
        *("serve", "--port", "0", "--token", TOKEN),
        env=shell.env,
        cwd=there.folder,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    address = (await process.stdout.readline()).decode().strip()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.get(address) as page:
            assert page.status == 200
        async with session.ws_connect(page.url / "ws") as socket:
            drawn = b""
            while b"Runs" not in drawn:
                message = await socket.receive(timeout=300)
                assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
                drawn += message.data if isinstance(message.data, bytes) else b""
    process.terminate()
    await process.wait()
    assert there.ran == []


@pythons
def test_training_that_starts_itself_again(here: Strangers, python: str) -> None:
    code = (
        "import flowreasoner, sys; flowreasoner.bind()\n"
        "from training.pocket import environment\n"
        "sys.argv = ['evaluate', '--help']\n"
        "environment.ensure('training.pocket.evaluate')\n"
    )
    file = here.home / "start.py"
    file.write_text(f"import sys; sys.path.insert(0, {flowreasoner.HERE!r})\n{code}")
    done = subprocess.run([python, file], check=True, capture_output=True, text=True)
    assert "usage: python -m training.pocket.evaluate" in done.stdout
    assert here.ran == []


def test_fetching_the_packages_of_an_image(
    here: Strangers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered = tmp_path / "wheels"
    offered.mkdir()
    with zipfile.ZipFile(offered / "tiny-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", "")
        wheel.writestr("tiny-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
        wheel.writestr("tiny-1.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr("tiny-1.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(offered))
    assert list(fetch_wheels(Recipe("math", (), (), "", added=("tiny==1",)))) == [
        "wheels/tiny-1-py3-none-any.whl"
    ]
    assert here.ran == []


@pytest.mark.parametrize("kind", ["unsafe-local", "bwrap"])
async def test_the_runners_of_sandboxes(here: Strangers, kind: str) -> None:
    try:
        async with open_sandbox(kind, size=1) as pool:
            verdict = await pool.check("def f(x):\n    return x", ["assert f(1) == 1"], entry_point="f")
    except SandboxError as error:
        if kind == "bwrap" and re.search("bubblewrap|bwrap", str(error)):
            pytest.skip(str(error))
        raise
    assert verdict.status == "passed"
    assert here.ran == []


def test_no_python_is_started_with_the_working_folder_on_its_path() -> None:
    """Of new ones, too: next to the interpreter stands what keeps the folder out."""
    root = Path(__file__).parents[2]
    files = [file for name in NAMES for file in (root / name).rglob("*.py")]
    started = [
        (file.name, node.elts[1])
        for file in files
        if "sys.executable" in (source := file.read_text())
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.List) and node.elts and ast.unparse(node.elts[0]) == "sys.executable"
    ]
    assert {name for name, _ in started} >= {"flowreasoner.py", "images.py", "local_backend.py"}
    for name, flag in started:
        assert isinstance(flag, ast.Constant) and flag.value in ("-P", "-I"), name
