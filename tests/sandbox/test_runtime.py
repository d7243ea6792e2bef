"""Another Docker runtime, as `sandbox.runtime` names it: a stand-in that tells what it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import SandboxError, open_sandbox
from sandbox.backends import _spread_image
from sandbox.docker_backend import connect
from sandbox.sandboxes import Sandboxes
from tests.sandbox.daemon import MAIN_HOST, Daemon
from tests.support.missing import skip_where_missing

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file in which the stand-in notes how it was called."""
    return tmp_path_factory.mktemp("runtime") / "told"


@pytest.fixture(scope="module")
def daemon(told: Path) -> Iterator[Daemon]:
    """A daemon that knows the runtime `stand-in`."""
    why = Daemon.missing()
    if why is not None:
        pytest.skip(why)
    program = told.with_name("stand-in")
    program.write_text(f'#!/bin/sh\necho "$@" >>{told}\nexec runc "$@"\n')
    program.chmod(0o755)
    second = Daemon(listen=("--add-runtime", f"stand-in={program}"))
    try:
        second.start()
        try:
            clients = {MAIN_HOST: connect(host=MAIN_HOST), second.host: second.client()}
        except SandboxError as error:
            skip_where_missing(error)
        _spread_image(clients, True, "core", None)
        yield second
    finally:
        second.remove()


async def test_containers_run_in_the_runtime_and_results_say_so(daemon: Daemon, told: Path) -> None:
    async with Sandboxes("docker", hosts=[daemon.host], runtime="stand-in", size=1) as sandboxes:
        pool = await sandboxes.open()
        assert "stand-in" in pool.description
        verdict = await pool.check("def f():\n    return 1", ["assert f() == 1"], entry_point="f")
        assert (verdict.status, verdict.sandbox) == ("passed", "docker (stand-in)")
        worked = pool.idle[0].id
    asked = await asyncio.to_thread(told.read_text)
    assert " create " in asked and worked in asked


async def test_a_runtime_that_the_daemon_lacks_is_named_with_those_it_has(daemon: Daemon) -> None:
    with pytest.raises(SandboxError, match=r"no runtime 'runsc'; it has .*runc.*stand-in"):
        async with open_sandbox("docker", hosts=[daemon.host], runtime="runsc"):
            raise AssertionError("it opened")


async def test_who_asks_for_a_runtime_is_given_no_other_sandbox() -> None:
    with pytest.raises(SandboxError):
        async with open_sandbox("auto", runtime="runsc-that-nobody-has"):
            raise AssertionError("it opened")
    with pytest.raises(SandboxError, match="runtime"):
        async with open_sandbox("bwrap", runtime="runsc"):
            raise AssertionError("it opened")
