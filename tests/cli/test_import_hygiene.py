"""Which heavy packages each way of starting loads: what nobody has asked for yet must not be waited for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runtime import runtime

__all__ = ["runtime"]  # a fixture
SERVER = "tui.service.engine_process.server"  # for an engine process alone: it brings half of engine/ with it
HEAVY = (
    *("torch", "transformers", "docker", "openai", "scipy", "datasets", "ray", "textual", "typer", "rich"),
    *("numpy", "pandas", "pyarrow", "pydantic", "pydantic_settings"),
    SERVER,
)

COMMAND = """
from flowreasoner import main
sys.argv = ["flowreasoner", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
SERVICE = """
import importlib, pkgutil
import tui.service
for module in pkgutil.walk_packages(tui.service.__path__, "tui.service."):
    importlib.import_module(module.name)
"""
ENGINE = """
import asyncio, os, signal
from engine.config import load
from tui.service.engine_process.client import Client
from tui.service.engine_process.process import Engine
from tui.service.engine_process.sockets import engines
from tui.service.runtime import Runtime
async def run():
    settings = load()
    serving = asyncio.create_task(Engine(Runtime(settings)).serve())
    while not (sockets := engines(settings.store_path())):
        assert not serving.done(), serving.exception()
        await asyncio.sleep(0.01)
    async with Client(sockets[0]) as client:
        assert await client.ask("runs") == []
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
asyncio.run(run())
"""
PAINTED = """
import asyncio
from textual.app import App
from tui.app import WorkbenchApp
from tui.service.workbench import EngineWorkbench
def display(app, screen, renderable):  # the first frame, before it is drawn
    print(*sorted(HEAVY.intersection(sys.modules)), file=sys.stderr)
    App._display = drawn
    drawn(app, screen, renderable)
drawn, App._display = App._display, display
async def run():
    workbench = EngineWorkbench()
    app = WorkbenchApp(workbench, find_request=workbench.first_request)
    async with app.run_test():
        pass
    assert App._display is drawn
asyncio.run(run())
HEAVY.clear()  # whatever comes after the first frame may load
"""
STORING = """
import os, pathlib
from store.db import open_reader, open_writer
path = pathlib.Path(os.environ["HOME"], "store.db")
open_writer(path).close()
open_reader(path).close()
"""
# By how it is started: the program, and all that it may load of HEAVY.
STARTS: dict[str, tuple[str, set[str]]] = {
    "--help": (COMMAND.format(arguments=["--help"]), {"typer", "rich"}),
    "--version": (COMMAND.format(arguments=["--version"]), {"typer", "rich"}),
    "runs --json": (COMMAND.format(arguments=["runs", "--json"]), {"typer", "rich", "pydantic"}),
    "show --help": (COMMAND.format(arguments=["show", "--help"]), {"typer", "rich", "pydantic"}),
    "a store, made and then read": (STORING, set()),
    "the service": (SERVICE, {SERVER, "pydantic", "pydantic_settings"}),
    "an engine process before its first run": (ENGINE, {SERVER, "pydantic", "pydantic_settings"}),
    "the app at its first paint": (PAINTED, {"textual", "rich"}),
}


@pytest.mark.parametrize("start", STARTS)
def test_only_what_is_needed_is_loaded(start: str, tmp_path: Path, runtime: str) -> None:
    program, allowed = STARTS[start]
    lines = (
        f"import sys; HEAVY = set({HEAVY!r})",
        program,
        "print('loaded:', *sorted(HEAVY.intersection(sys.modules)), file=sys.stderr)",
    )
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "DOCKER_HOST")}
    env = {**kept, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": runtime, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {word for line in done.stderr.splitlines() for word in line.removeprefix("loaded:").split()}
    assert loaded & set(HEAVY) <= allowed
