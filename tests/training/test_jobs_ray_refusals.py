"""Who may use a Ray cluster, and clusters that cannot be used: asked of a small server in Ray's place."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from pydantic import ValidationError

from engine.host_config import Host
from sandbox.errors import UnavailableError
from tests.support.jobs import program
from tests.support.missing import needs
from tests.support.ray_cluster import TOKEN, Tunnel, free_port
from training.jobs.directory import JobStatus
from training.jobs.job import submit
from training.jobs.ray.access import Access, access, check_access
from training.jobs.ray.cluster import as_ray_has_it
from training.jobs.ray.link import _refusal
from training.jobs.ray.rank import HEAD
from training.jobs.ray.ranks import allowed
from training.jobs.remote.errors import HostError, LinkError

needs("ray")

OURS = version("ray")


@pytest.fixture(autouse=True)
def no_token_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (
            {"address": "http://127.0.0.1:8265"},
            "with the port of its client server",
        ),
        ({"address": "ray://127.0.0.1"}, "as in ray://127.0.0.1:10001"),
        ({"address": "ray://127.0.0.1:99999"}, "as in ray://127.0.0.1:10001"),
        ({"address": "ray://me@127.0.0.1:1"}, "must be a name or an address alone"),
        ({"address": "ray://127.0.0.1:1/jobs"}, "as in ray://127.0.0.1:10001"),
        ({"address": "ray://127.0.0.1:1", "gpus": [0]}, "a Ray cluster has no setting gpus"),
        ({"address": "ray://127.0.0.1:1", "user": "me", "port": 2}, "no setting user or port"),
        ({"address": "box", "dashboard": 1}, "a host with SSH has no setting dashboard"),
    ],
)
def test_a_cluster_is_named_by_its_client_port(settings: dict[str, object], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Host.model_validate(settings)


@pytest.mark.parametrize("where", ["192.0.2.1", "head.example.org", "[2001:db8::1]", "0.0.0.0"])
async def test_an_address_others_can_reach_is_refused_without_a_token(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Host(address=f"ray://{where}:10001")
    with pytest.raises(HostError, match="is not on this machine, and there is no token for it"):
        await submit(program("pass"), tmp_path / "jobs", ("far", host))
    assert not (tmp_path / "jobs").exists()
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert access("far", host).environment["RAY_AUTH_TOKEN"] == TOKEN
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with pytest.raises(HostError, match="there is no token"):
        access("far", host)


@pytest.mark.parametrize("where", ["127.0.0.1", "127.1.2.3", "[::1]", "localhost"])
def test_a_loopback_address_needs_none(where: str) -> None:
    way = access("here", Host(address=f"ray://{where}:10001", dashboard=1234))
    assert way.is_loopback and way.dashboard == f"http://{where}:1234"
    assert way.environment["RAY_AUTH_MODE"] == "disabled"


def test_a_token_is_looked_for_where_ray_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = Host(address="ray://127.0.0.1:10001")
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray/auth_token").write_text("c" * 64 + "\n")
    assert access("here", host).token == "c" * 64
    (tmp_path / "b").write_text("b" * 64)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "b"))
    assert access("here", host).token == "b" * 64
    (tmp_path / "a").write_text("a" * 64)
    assert access("here", host.model_copy(update={"token": tmp_path / "a"})).token == "a" * 64
    (tmp_path / "a").write_text("\n")
    for file, why in (("a", "is empty"), ("none", "cannot be read")):
        with pytest.raises(HostError, match=f"hosts.here.token: .*{why}"):
            access("here", host.model_copy(update={"token": tmp_path / file}))


def test_ray_is_an_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.jobs.ray.access.find_spec", lambda name: None)
    with pytest.raises(HostError, match=r"pip install 'flowreasoner\[ray\]'"):
        access("here", Host(address="ray://127.0.0.1:10001"))


Answer = Callable[[str], tuple[int, bytes]]  # status and body for a token, "" for none


@asynccontextmanager
async def dashboard(answer: Answer) -> AsyncIterator[int]:
    """A server that answers every request as `answer` says; its port."""
    import asyncio

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        token = next((line.split()[-1] for line in head.splitlines() if line.startswith("authorization")), "")
        status, body = answer(token)
        writer.write(f"HTTP/1.1 {status} Any\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


def runs(ray: str, token: str = "") -> Answer:
    """A dashboard of this version of Ray, which wants the token."""

    def answer(given: str) -> tuple[int, bytes]:
        if token != given and token:
            return (403 if given else 401), b"no"
        return 200, json.dumps({"ray_version": ray}).encode()

    return answer


def way(port: int, client: int, token: str = "", *, is_loopback: bool = True) -> Access:
    url = f"http://127.0.0.1:{port}"
    return Access("mine", f"ray://127.0.0.1:{client}", url, token, is_loopback)


@pytest.mark.parametrize(
    ("answer", "token", "why"),
    [
        (runs("1.2.3"), "", f"mine runs Ray 1.2.3, and {OURS} is installed here"),
        (runs(OURS, "right"), "", "mine asks for a token: set hosts.mine.token"),
        (runs(OURS, "right"), "wrong", "mine does not accept the token"),
        (lambda token: (200, b"<html>"), "", "is not the dashboard of a Ray cluster"),
        (lambda token: (200, b"[]"), "", "is not the dashboard of a Ray cluster"),
        (lambda token: (500, b"{}"), "", "is not the dashboard of a Ray cluster"),
    ],
)
async def test_what_is_wrong_with_a_cluster_is_one_sentence(answer: Answer, token: str, why: str) -> None:
    async with dashboard(answer) as port:
        with pytest.raises(HostError, match=why) as raised:
            await check_access(way(port, port, token))
    assert not isinstance(raised.value, LinkError) and "\n" not in str(raised.value)


async def test_a_cluster_in_order_is_accepted() -> None:
    async with dashboard(runs(OURS, TOKEN)) as port:
        await check_access(way(port, port, TOKEN))
        await check_access(way(port, port, TOKEN, is_loopback=False))


async def test_a_far_cluster_that_asks_nobody_for_a_token_is_refused_even_with_one() -> None:
    async with dashboard(runs(OURS)) as port:
        with pytest.raises(HostError, match="mine runs any program of whoever reaches"):
            await check_access(way(port, port, TOKEN, is_loopback=False))


async def test_a_port_where_nobody_listens_is_a_link_that_is_down() -> None:
    with pytest.raises(LinkError, match="nothing answers at http"):
        await check_access(way(free_port(), free_port()))
    async with dashboard(runs(OURS)) as port:
        with pytest.raises(LinkError, match="forward that port as well"):
            await check_access(way(port, free_port()))


async def test_a_silent_cluster_is_a_link_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.jobs.ray.access.REACH_S", 0.2)
    import asyncio

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(LinkError, match="does not answer"):
            await check_access(way(port, port))


def test_other_versions_are_said() -> None:
    from ray._private.utils import check_version_info, compute_version_info

    ray_version, python = compute_version_info()
    here = f"and here is Ray {ray_version} on Python {python}: use the same on both"
    for there in (("2.1.0", python), (ray_version, "3.9.1"), ("2.1.0", "3.9.1")):
        cluster = dict(zip(("ray_version", "python_version"), there, strict=True))
        with pytest.raises(RuntimeError) as raised:
            check_version_info(cluster, "Ray Client", python_version_match_level="minor")
        refusal = _refusal(way(1, 1), str(raised.value))
        assert str(refusal) == f"mine runs Ray {there[0]} on Python {there[1]}, {here}"
    assert isinstance(_refusal(way(1, 1), "no such thing"), LinkError)


def test_ranks_go_to_nodes_where_they_can_work() -> None:
    node = {"CPU": 4.0, "GPU": 2.0}
    nodes = [{**node, HEAD: 1.0}, node]
    assert allowed(8, False, nodes, "") == allowed(4, True, nodes, "") == {}
    assert allowed(2, True, nodes, "b is blind") == {HEAD: 0.001}
    for ranks, reason, why in (
        (3, "b is blind", "has 2 GPUs for hardware.processes=3, and no other node will do: b is blind"),
        (5, "b is blind", "hardware.processes=5, a GPU for each, and the cluster has 4"),
        (5, "", "hardware.processes=5, a GPU for each, and the cluster has 4"),
    ):
        with pytest.raises(UnavailableError, match=why):
            allowed(ranks, True, nodes, reason)


@pytest.mark.parametrize(
    ("known", "ray", "state"),
    [
        (JobStatus("starting"), {"status": "PENDING", "message": "waits"}, "starting"),
        (JobStatus("lost"), {"status": "PENDING", "message": "waits"}, "starting"),
        (JobStatus("lost"), {"status": "RUNNING", "message": ""}, "starting"),
        (JobStatus("lost", pid=7), {"status": "RUNNING", "message": ""}, "lost"),
        (JobStatus("lost"), {"status": "FAILED", "message": "runtime_env setup failed\nmore"}, "failed"),
        (JobStatus("starting"), {"status": "STOPPED", "message": None}, "stopped"),
        (JobStatus("lost"), {"status": "SUCCEEDED", "message": None}, "lost"),
        (JobStatus("lost"), None, "lost"),  # a cluster that was started anew knows it no more
    ],
)
def test_ray_says_what_the_directory_cannot(
    known: JobStatus, ray: dict[str, str | None] | None, state: str
) -> None:
    status = as_ray_has_it(known, ray)
    assert status.state == state
    assert status.error == ("runtime_env setup failed" if state == "failed" else None)


async def test_a_tunnel_of_the_tests_can_be_cut_and_mended() -> None:
    async with dashboard(runs(OURS)) as port, Tunnel(port) as tunnel:
        await check_access(way(tunnel.port, tunnel.port))
        await tunnel.cut()
        with pytest.raises(LinkError):
            await check_access(way(tunnel.port, tunnel.port))
        await tunnel.mend()
        await check_access(way(tunnel.port, tunnel.port))
