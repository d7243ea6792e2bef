"""Serving a model with vLLM: a job like any other, which answers at a port of the machine it runs on."""

from __future__ import annotations

import asyncio
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.checkpoints import check_is_model, checkpoint_folder
from training.jobs.directory import PYTHON, JobError, JobSpec, Report, description

if TYPE_CHECKING:
    from engine.host_config import Host
    from training.jobs.job import Job

ADDRESS = "127.0.0.1"  # on every machine: only those who can log in there can use the server
_ASK_S = 1.0
_LAST_WORDS = 1 << 16  # bytes; vLLM prints far more than this before it fails


def serving_spec(
    model: str, name: str, port: int, gpus: tuple[int, ...] | None, *, host: Host | None, jobs: Path
) -> JobSpec:
    """The job that serves a model: `job:ID[@STEP]`, a folder, or a hub's ID. By default it takes one GPU.

    Raises:
        ModelError: there is no such checkpoint, or it is no language model's.
        JobError: vLLM is missing here, or the port is taken.
    """
    source, sends = model.removeprefix("hf:"), ()
    if model.startswith("job:"):
        source = str(checkpoint_folder(model, jobs))
    if Path(source).is_dir():
        source = str(check_is_model(model, Path(source).absolute()))
        sends = (Path(source),)
    if host is None:
        if find_spec("vllm") is None:
            raise JobError("serving a model needs vLLM, which is not here: pip install 'flowreasoner[vllm]'")
        check_port(port)
    if gpus is None:
        gpus = tuple(host.gpus[:1]) if host is not None and host.gpus else (0,)
    argv = [PYTHON, "-P", "-m", "vllm.entrypoints.cli.main", "serve", source, "--served-model-name", name]
    argv += ["--host", ADDRESS, "--port", str(port), "--tensor-parallel-size", str(max(len(gpus), 1))]
    return JobSpec("serve", name, tuple(argv), gpus=gpus, base=model, sends=sends, needs="vllm", port=port)


def url(port: int) -> str:
    """The base URL of a server on this port, as endpoints are written."""
    return f"http://{ADDRESS}:{port}/v1"


def check_port(port: int) -> None:
    """Raises JobError where another program listens on this port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            problem = f"port {port} of this machine cannot be used ({error.strerror})"
            raise JobError(f"{problem}: name another with --port") from None


async def wait_until_it_answers(job: Job, port: int) -> None:
    """Wait until a server of ours answers on a port of this machine.

    Raises JobError where the job ends first.
    """
    import httpx2

    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        while True:
            try:
                if (await client.get(f"{url(port)}/models")).status_code == 200:
                    return
            except httpx2.HTTPError:
                pass  # it loads its weights
            status = await job.status()
            if status.has_ended:
                log = (await job.log(-_LAST_WORDS)).decode("utf-8", "replace").strip().splitlines()
                last = f": {log[-1][:300]}" if log else ""
                raise JobError(f"the server is {status.state} before it answered{last}")
            await asyncio.sleep(_ASK_S)


async def forward(job: Job, port: int, report: Report) -> None:
    """Forward a port of this machine to the one on which a job listens at its host, until the job ends.

    A lost link is made again. Raises HostError where that does not help, and JobError where the port here is
    taken.
    """
    from training.jobs.remote.ssh import SSHJob

    assert isinstance(job, SSHJob)  # what is served here needs no forwarding
    check_port(port)
    host_port = int(description(job.run_dir)["port"])
    while True:
        connection = await job.link.persistently(job.link.connect, report)
        async with job.link.told():
            listener = await connection.forward_local_port(ADDRESS, port, ADDRESS, host_port)
        try:
            while not connection.is_closed():
                if (await job.status()).has_ended:
                    return
                await asyncio.sleep(_ASK_S)
        finally:
            listener.close()
        report(f"the link to {job.link.name} was lost; making it again")
