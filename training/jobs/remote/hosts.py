"""What a host must have before a job goes there, and the environment that the job gets."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shlex
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import distributions, requires
from pathlib import Path
from typing import Any

from engine.paths import expanded
from sandbox.errors import UsageError
from training.jobs.directory import Report
from training.jobs.remote.errors import HostError
from training.jobs.remote.host_link import HostLink
from training.jobs.remote.link import Link
from training.jobs.remote.sending import files_of, send

_CLOCK_S = 30.0  # times of a job are compared with times here
_DISK = 10 << 30  # code, environment, a checkpoint or two of a small model
_GLIBC = (2, 28)  # what PyTorch's wheels ask for
PROOF = {"train": "trl", "vllm": "vllm"}  # by extra: what is there once it is installed
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)")


@dataclass(frozen=True)
class HostReport:
    """A host as it is now. `problems` keep jobs from it, `warnings` do not."""

    name: str
    python: str
    machine: str
    gpus: dict[int, str] | None
    """Why each GPU is taken, "" where it is free; None without nvidia-smi."""
    disk_free: int
    """Bytes, where the working folder is."""
    docker: str
    """Why Docker cannot be used, "" where it can."""
    clock_s: float
    """How far its clock is ahead of this one."""
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


async def check(link: HostLink, gpus: Iterable[int] = ()) -> HostReport:
    """Ask a host for what jobs need; `gpus` are those that a job is to have.

    Raises HostError where it cannot be asked; what it lacks is in the report.
    """
    await link.connect()
    asked = time.time()
    facts: dict[str, Any] = await link.run("facts", link.workdir)
    # In between, as far as can be told: an answer may take seconds.
    clock_s = facts["time"] - min(max(facts["time"], asked), time.time())
    there = None if facts["gpus"] is None else {int(gpu): why for gpu, why in facts["gpus"].items()}
    problems, warnings, name = [], [], link.name
    if link.host.environment is None and not link.host.is_ray:  # an environment is to be made
        problems += _glibc(link, tuple(facts["glibc"]), facts["machine"])
    if wanted := sorted(set(gpus) - set(there or ())):
        has = "nvidia-smi does not answer there" if there is None else f"it has {len(there)}"
        problems.append(f"{name} has no GPU {', '.join(map(str, wanted))}: {has}")
    if facts["disk_free"] < _DISK:
        free = f"{facts['disk_free'] / (1 << 30):.1f} GiB are free at {link.workdir} of {name}"
        warnings.append(f"{free}: a job may run out of disk")
    if abs(clock_s) > _CLOCK_S:
        where = "ahead of" if clock_s > 0 else "behind"
        warnings.append(f"the clock of {name} is {abs(clock_s):.0f} s {where} this one: set it right")
    if facts["docker"]:
        warnings.append(f"{name} has no Docker for rollouts: {facts['docker']}")
    if facts["ends_with_session"]:
        problems.append(f"{name} ends jobs with their SSH session: run `loginctl enable-linger` there")
    return HostReport(
        name=name,
        python=".".join(map(str, facts["python"])),
        machine=facts["machine"],
        gpus=there,
        disk_free=facts["disk_free"],
        docker=facts["docker"],
        clock_s=clock_s,
        problems=tuple(problems),
        warnings=tuple(warnings),
    )


def _glibc(link: HostLink, glibc: tuple[int, ...], machine: str) -> list[str]:
    """What of a host's system does not go with the wheels that its environment is made of."""
    wheels = sorted(_wheels(link, link.host.wheels).glob("*.whl")) if link.host.wheels else []
    if link.host.wheels and not wheels:
        return [f"hosts.{link.name}.wheels: there are no wheels in {link.host.wheels}"]
    needs = [
        (tuple(map(int, found)), wheel.name) for wheel in wheels for found in _MANYLINUX.findall(wheel.name)
    ]
    newest, whose = max(needs, default=(_GLIBC if not wheels else (0, 0), "PyTorch"))
    has = ".".join(map(str, glibc)) or "none"
    if glibc < newest:
        wants = ".".join(map(str, newest))
        return [f"{whose} needs glibc {wants}, and {link.name} has {has}: use a newer system there"]
    other = next((one.name for one in wheels if not one.stem.endswith(("-any", machine))), None)
    return [f"{other} is not for {machine}, which {link.name} is"] if other else []


def _wheels(link: HostLink, folder: Path) -> Path:
    try:
        return expanded(folder)
    except UsageError as error:
        raise HostError(f"hosts.{link.name}.wheels: {error}") from None


async def environment(link: Link, extra: str, report: Report) -> str:
    """The Python with which jobs run there, in an environment that is made unless there is one like it.

    It has what an extra of our package asks for, in the versions that are installed here. Raises HostError
    where the host's own environment lacks it, and JobError where an installer fails.
    """
    if (own := link.host.environment) is not None:
        module = PROOF[extra]
        program = f"import importlib.util as u, sys; sys.exit(u.find_spec({module!r}) is None)"
        code, _ = await link.shell(shlex.join([own, "-P", "-c", program]))
        if code != 0:
            raise HostError(f"{own} of {link.name} lacks {module}: install 'flowreasoner[{extra}]' there")
        return own
    wanted: dict[str, Any] = await asyncio.to_thread(requirements, extra)
    if link.host.wheels is not None:
        wanted["wheels"] = await send(link, "wheels", files_of(_wheels(link, link.host.wheels)), report)
    text = json.dumps(wanted, sort_keys=True).encode()
    folder = f"{link.workdir}/environments/{hashlib.sha256(text).hexdigest()[:16]}"
    await link.run("environment", folder, given=text, report=report)
    return f"{folder}/venv/bin/python"


async def check_port_there(link: Link, python: str, port: int) -> None:
    """Raises HostError: another program has the port."""
    program = f"import socket; s = socket.socket(); s.setsockopt(1, 2, 1); s.bind(('127.0.0.1', {port}))"
    code, _ = await link.shell(shlex.join([python, "-I", "-c", program]))
    if code != 0:
        raise HostError(f"port {port} of {link.name} is taken: name another with --port")


def requirements(extra: str) -> dict[str, list[str]]:
    """What an extra needs, as `pip install 'flowreasoner[EXTRA]'` would, and the versions installed here."""
    lines = [line.partition(";") for line in requires("flowreasoner") or []]
    wanted = [name.strip() for name, _, marker in lines if not marker or f"extra == '{extra}'" in marker]
    there = {
        found.metadata["Name"]: found.version.partition("+")[0]
        for found in distributions()
        if found.metadata["Name"]
    }
    there.pop("flowreasoner", None)
    return {
        "requirements": sorted(wanted),
        "constraints": sorted(f"{name}=={version}" for name, version in there.items()),
    }
