"""Pools by image: opened by their first use, refused in one sentence, the math image built in seconds."""

from __future__ import annotations

import subprocess

import pytest

from sandbox import SandboxError, images
from sandbox.backends import choose_backends
from sandbox.docker_backend import connect
from sandbox.sandboxes import Sandboxes
from tests.support.missing import skip_where_missing

pytestmark = pytest.mark.asyncio(loop_scope="function")
FRACTION = """
from math_verify import parse, verify
def main():
    return verify(parse("$\\\\frac{1}{2}$"), parse("0.5"))
"""


@pytest.fixture
def docker() -> None:
    try:
        connect()
    except SandboxError as error:
        skip_where_missing(error)


async def test_an_image_is_opened_once_by_its_first_use(docker: None) -> None:
    async with Sandboxes("docker", size=1) as sandboxes:
        try:
            math = await sandboxes.open("math")
        except SandboxError as error:
            skip_where_missing(error)
        assert await sandboxes.open("math") is math
        assert (await math.run_program(FRACTION, entry="main")).value is True
        core = await sandboxes.open()
        assert core is not math
        assert (await core.run_program("import math_verify")).status == "failed"
    with pytest.raises(SandboxError, match="closed"):
        await math.run_program("pass")


async def test_an_unknown_image_is_refused_by_name() -> None:
    async with Sandboxes() as sandboxes:
        with pytest.raises(SandboxError, match="no sandbox image 'sciense'; use one of core, science, math"):
            await sandboxes.open("sciense")


async def test_packages_that_cannot_be_fetched_are_told_in_one_sentence(
    docker: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def offline(command: list[str], **options: object) -> None:
        assert "pip" in command
        raise subprocess.CalledProcessError(1, command, stderr=b"a\nb\nERROR: no such host\n")

    monkeypatch.setattr(subprocess, "run", offline)
    client = connect()
    with pytest.raises(SandboxError, match=r"could not be fetched \(ERROR: no such host\): connect to PyPI"):
        images._add_wheels(client, "below", images.RECIPES["math"], "never", lambda _: None)


async def test_bubblewrap_does_not_stand_in_for_an_image_it_does_not_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Code that imports numpy would be called wrong there, where only the packages are missing."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent.sock")
    with pytest.raises(SandboxError, match="Docker"):
        choose_backends("auto", image="science")
