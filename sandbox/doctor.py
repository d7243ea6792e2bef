"""Is everything here that the sandbox needs? Checks as data, each with its remedy."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import images, remedies
from sandbox.backends import choose_backends
from sandbox.bwrap_backend import BwrapBackend
from sandbox.docker_backend import connect
from sandbox.pool import Pool
from sandbox.remedies import Fixer, Progress
from sandbox.types import Limits, SandboxError

_FREE_MB = 1024


@dataclass(frozen=True)
class Check:
    """One finding. `fix` is the command that would help, `fixer` the same as a function, where there is one.

    A check that is not `required` can fail while generated code still runs (in the other backend).
    """

    name: str
    ok: bool
    message: str
    fix: str | None = None
    fixer: Fixer | None = None
    required: bool = True


def examine(hosts: Sequence[str] = (), *, fix: bool = False, progress: Progress | None = None) -> list[Check]:
    """Check everything; with `fix`, apply what can be fixed and check again. `hosts` are Docker hosts to use
    instead of this machine's own.

    Fixing needs root on Debian or Ubuntu for packages and the daemon; building the image does not.
    """
    say = progress or (lambda _: None)
    host = [_fixed(check, fix, say) for check in (_python, _client, _daemon, _image, _bubblewrap, _disk)]
    return [*host, *map(_reachable, hosts), *asyncio.run(_probe(hosts))]


def healthy(checks: list[Check]) -> bool:
    """Whether generated code can be run safely here."""
    return all(check.ok for check in checks if check.required)


def _fixed(check: Callable[[], Check], fix: bool, say: Progress) -> Check:
    found = check()
    if found.ok or not fix or found.fixer is None:
        return found
    say(f"{found.name}: {found.message}; fixing")
    try:
        found.fixer(say)
    except (SandboxError, OSError) as error:
        return Check(found.name, False, f"could not be fixed: {error}", found.fix, None, found.required)
    return check()


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    return Check("python", ok, f"Python {version}", None if ok else "install Python 3.11 or newer")


def _client() -> Check:
    try:
        import docker
    except ImportError:
        return Check(
            "docker client", False, "the Python package is missing", "pip install docker", required=False
        )
    return Check("docker client", True, f"docker-py {docker.__version__}", required=False)


def _daemon() -> Check:
    try:
        version = connect(timeout=10).version()
    except SandboxError as error:
        fix, fixer = remedies.docker_advice(str(error))
        return Check("docker daemon", False, str(error), fix, fixer, required=False)
    return Check(
        "docker daemon", True, f"Docker {version['Version']}, API {version['ApiVersion']}", required=False
    )


def _reachable(host: str) -> Check:
    """A host the settings name has to answer, whatever else there is."""
    name = f"docker host {host}"
    try:
        version = connect(timeout=10, host=host).version()
    except SandboxError as error:
        return Check(name, False, str(error), "start it, or take it out of docker_hosts in the settings")
    return Check(name, True, f"Docker {version['Version']}")


def _image() -> Check:
    fix = "flowreasoner sandbox build"
    try:
        status = images.status(connect(timeout=10))
    except SandboxError:
        return Check("image", False, "no daemon to hold it", fix, required=False)
    if status.id is None:
        return Check("image", False, f"{status.tag} is not built", fix, _build_image, required=False)
    return Check("image", True, f"{status.tag}, {status.size_bytes >> 20} MB", required=False)


def _bubblewrap() -> Check:
    fix = f"{'' if remedies.is_root() else 'sudo '}apt-get install bubblewrap"
    try:
        backend = BwrapBackend()
    except SandboxError as error:
        fixer = remedies.install("bubblewrap") if remedies.is_root() else None
        return Check("bubblewrap", False, str(error), fix, fixer, required=False)
    return Check("bubblewrap", True, backend.description, required=False)


def _disk() -> Check:
    root = Path("/var/lib/docker") if Path("/var/lib/docker").exists() else Path("/")
    free = shutil.disk_usage(root).free >> 20
    ok = free >= _FREE_MB
    return Check(
        "disk", ok, f"{free} MB free under {root}", None if ok else f"free {_FREE_MB} MB under {root}"
    )


def _build_image(say: Progress) -> None:
    if shutil.which("mmdebstrap") is None and remedies.is_root() and shutil.which("apt-get") is not None:
        remedies.install("mmdebstrap")(say)  # only used where no registry answers, which is not known before
    images.build(say)


# The sandbox itself: one request that must work, five that must be refused.

_SMOKE = "def f():\n    return sum(range(10))"
_PROBES: dict[str, str] = {
    "network": (
        "import socket\ndef f():\n    s = socket.socket()\n    s.settimeout(2)\n"
        "    s.connect(('1.1.1.1', 53))\n"
    ),
    "host environment": (
        "import os\ndef f():\n    open('/proc/1/environ').read()\n    raise SystemExit('readable')\n"
    ),
    "root file system": "def f():\n    open('/usr/probe', 'w').write('x')\n",
    "process limit": (
        "import os, signal\ndef f():\n    children = []\n    try:\n        for _ in range(200):\n"
        "            pid = os.fork()\n            if pid == 0:\n                signal.pause()\n"
        "            children.append(pid)\n    finally:\n        for pid in children:\n"
        "            os.kill(pid, 9)\n"
    ),
}


async def _probe(hosts: Sequence[str]) -> list[Check]:
    """Start the sandbox that would be used and try it."""
    try:
        backend, *_ = await asyncio.to_thread(choose_backends, "auto", hosts)
        async with Pool(backend, size=1) as pool:
            return [
                await _smoke(pool),
                *[await _refused(pool, name) for name in _PROBES],
                await _false_pass(pool),
            ]
    except SandboxError as error:
        return [Check("sandbox", False, str(error), "flowreasoner doctor --fix")]


async def _smoke(pool: Pool) -> Check:
    outcome = await pool.run_program(_SMOKE, entry="f")
    if outcome.value != 45:
        return Check("sandbox", False, f"a simple program failed: {outcome.status} {outcome.message}")
    return Check("sandbox", True, f"{pool.description} A request takes {outcome.usage.wall_ms:.0f} ms.")


async def _refused(pool: Pool, name: str) -> Check:
    outcome = await pool.run_program(_PROBES[name], entry="f", limits=Limits(wall_s=10, cpu_s=5))
    ok = outcome.status == "failed" and "Error" in outcome.message
    text = "refused" if ok else f"not refused: {outcome.status} {outcome.message}"
    return Check(f"hostile probe: {name}", ok, text)


async def _false_pass(pool: Pool) -> Check:
    verdict = await pool.check("import os\nos._exit(0)", ["assert f() == 1"], entry_point="f")
    ok = verdict.status == "failed"
    text = "refused" if ok else f"an exit passed for an answer: {verdict.status}"
    return Check("hostile probe: exit(0) as a pass", ok, text)
