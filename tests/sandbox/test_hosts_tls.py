"""A Docker host over TCP, encrypted: the same requests, ends and refusals as over its local socket."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import Limits, SandboxError, open_sandbox, reaper
from sandbox.backends import _spread_image
from sandbox.docker_backend import connect
from tests.sandbox.daemon import MAIN_HOST, Daemon
from tests.sandbox.helpers import assert_healthy, at_work, until
from tests.support.missing import skip_where_missing
from tests.support.ports import unused_port

ROOT = Path(__file__).resolve().parents[2]


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def _certificates(folder: Path) -> None:
    """A CA, and keys signed by it: the daemon's for 127.0.0.1, ours for a client."""
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca = ("-subj", "/CN=test CA", "-days", "2", "-keyout", "ca-key.pem", "-out", "ca.pem")
    _openssl(folder, "req", "-x509", *new, *ca)
    for name, extension in (
        ("server", "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth"),
        ("", "extendedKeyUsage=clientAuth"),
    ):
        stem = f"{name}-" if name else ""
        (folder / f"{stem}extensions").write_text(extension)
        key, request = f"{stem}key.pem", f"{stem}request.pem"
        _openssl(folder, "req", *new, "-subj", "/CN=test", "-keyout", key, "-out", request)
        signed = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2")
        options = ("-in", request, "-out", f"{stem}cert.pem", "-extfile", f"{stem}extensions")
        _openssl(folder, "x509", "-req", *signed, *options)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("certificates are made with openssl, which is not installed")
    folder = tmp_path_factory.mktemp("certificates")
    _certificates(folder)
    return folder


@pytest.fixture(scope="module")
def host(certificates: Path) -> Iterator[str]:
    """The address of a daemon that takes only clients with our certificate; it has the image."""
    why = Daemon.missing()
    if why is not None:
        pytest.skip(why)
    address = f"tcp://127.0.0.1:{unused_port()}"
    keys = (f"--tlscert={certificates}/server-cert.pem", f"--tlskey={certificates}/server-key.pem")
    daemon = Daemon(listen=("--tlsverify", f"--tlscacert={certificates}/ca.pem", *keys, "-H", address))
    try:
        daemon.start()
        try:
            clients = {MAIN_HOST: connect(host=MAIN_HOST), daemon.host: daemon.client()}
        except SandboxError as error:
            skip_where_missing(error)
        _spread_image(clients, True, "core", None)
        yield address
        assert not reaper.containers(daemon.client())
    finally:
        daemon.remove()


@pytest.fixture
def encrypted(host: str, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(certificates))
    return host


@pytest.mark.parametrize("by_environment", [False, True])
async def test_it_works_as_any_host(
    encrypted: str, by_environment: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_environment:
        monkeypatch.setenv("DOCKER_HOST", encrypted)
    async with open_sandbox("docker", hosts=[] if by_environment else [encrypted], size=2) as pool:
        await assert_healthy(pool)
        large = "def f():\n    return 'x' * (3 << 20)"
        outcome = await pool.run_program(large, entry="f", files={"a.bin": bytes(4 << 20)}, collect=("*",))
        assert (len(outcome.value), outcome.files[0].size) == (3 << 20, 4 << 20)
        outcome = await pool.run_program("while True: pass", limits=Limits(cpu_s=0.2))
        assert outcome.status == "timeout-cpu"
        verdicts = await asyncio.gather(
            *(pool.check("def f(x): return x", ["assert f(1) == 1"], entry_point="f") for _ in range(20))
        )
        assert {verdict.status for verdict in verdicts} == {"passed"}


async def test_a_container_lost_there_costs_no_verdict(encrypted: str) -> None:
    async with open_sandbox("docker", hosts=[encrypted], size=1) as pool:
        running = asyncio.ensure_future(
            pool.run_program("import time\ntime.sleep(0.5)\ndef f(): return 1", entry="f")
        )
        await until(lambda: at_work(pool.hosts[0]))
        client = connect(host=encrypted)
        for container in await asyncio.to_thread(reaper.containers, client):
            await asyncio.to_thread(client.api.remove_container, container.id, force=True)
        assert (await running).value == 1


async def test_its_containers_end_with_their_owner(encrypted: str) -> None:
    code = (
        "import asyncio, os, sys\nfrom sandbox import open_sandbox\nasync def main():\n"
        "    async with open_sandbox('docker', hosts=[sys.argv[1]], size=1) as pool:\n"
        "        asyncio.ensure_future(pool.run_program('import time; time.sleep(60)'))\n"
        "        while not pool.hosts[0].busy:\n            await asyncio.sleep(0)\n"
        "        os.kill(os.getpid(), 9)\nasyncio.run(main())"
    )
    command = [sys.executable, "-c", code, encrypted]
    assert (await asyncio.to_thread(subprocess.run, command, cwd=ROOT, check=False)).returncode == -9

    async def gone() -> bool:
        found = await asyncio.to_thread(reaper.containers, connect(host=encrypted))
        return {container.state for container in found} <= {"created"}

    await until(gone)


async def test_without_our_key_it_is_refused(
    host: str, certificates: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(SandboxError, match="does not answer"):
        connect(host=host)
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    _certificates(stranger)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(stranger))
    with pytest.raises(SandboxError, match="does not answer"):
        connect(host=host)
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path / "nothing"))
    with pytest.raises(SandboxError, match=r"cert\.pem|certificate"):
        connect(host=host)


@pytest.mark.parametrize("where", ["ssh://someone@somewhere", "npipe:////./pipe/docker", "http://x:1", "x"])
def test_other_kinds_of_host_are_refused_with_a_way_out(where: str) -> None:
    with pytest.raises(SandboxError, match="ssh -nNT -L") as caught:
        connect(host=where)
    assert caught.value.reason == "no-docker"
