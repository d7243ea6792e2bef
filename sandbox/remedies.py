"""What `doctor --fix` does, and what it says where it cannot: packages, the daemon, permissions."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.docker_backend import connect
from sandbox.types import SandboxError

Progress = Callable[[str], None]
Fixer = Callable[[Progress], None]

_DAEMON_WITHIN_S = 30.0
_LOG = Path("/var/log/flowreasoner-dockerd.log")
_SYSTEMD = Path("/run/systemd/system")
# The daemon's needs and mmdebstrap, which makes the image where no registry answers.
_DOCKER_PACKAGES = ("docker.io", "iptables", "mmdebstrap")


def is_root() -> bool:
    """Whether this process may install packages and start services."""
    return os.geteuid() == 0


def docker_advice(message: str) -> tuple[str, Fixer | None]:
    """What a user can do about a daemon that fails as `message` says, and a function that does it, if we can.

    The function raises SandboxError where it does not help.
    """
    sudo = "" if is_root() else "sudo "
    if host := os.environ.get("DOCKER_HOST"):
        return f"make the daemon at DOCKER_HOST={host} reachable, or unset DOCKER_HOST", None
    if "no permission" in message:
        return (
            "sudo usermod -aG docker $USER, then log in again "
            "(whoever is in that group can become root on this machine)",
            None,
        )
    if shutil.which("dockerd") is None:
        how = f"{sudo}apt-get install docker.io" if shutil.which("apt-get") else "install Docker Engine"
        member = "" if is_root() else "; sudo usermod -aG docker $USER; log in again"
        return how + member, start_docker if is_root() else None
    if _SYSTEMD.exists():
        return f"{sudo}systemctl start docker", start_docker if is_root() else None
    return f"{sudo}dockerd &", start_docker if is_root() else None


def install(*packages: str) -> Fixer:
    """A function that installs Debian packages, refreshing the lists only if that turns out to be needed.

    It raises SandboxError where there is no apt-get, or the packages cannot be installed.
    """

    def run(say: Progress) -> None:
        names = ", ".join(packages)
        if shutil.which("apt-get") is None:
            raise SandboxError("no-docker", f"there is no apt-get here: install {names} yourself")
        say(f"installing {names}")
        command = ["install", "-y", "-q", "--no-install-recommends", *packages]
        if _apt(command) is None:
            return
        _apt(["update", "-q"])
        problem = _apt(command)
        if problem is not None:
            raise SandboxError("no-docker", f"{names} could not be installed: {problem}")

    return run


def _apt(arguments: list[str]) -> str | None:
    """Run apt-get; what it complained of last, or None."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", *arguments], env=environment, capture_output=True, check=False)
    if done.returncode == 0:
        return None
    said = done.stderr.decode("utf-8", "replace")
    lines = [line for line in said.splitlines() if line.startswith("E: ")]
    return lines[0].removeprefix("E: ") if lines else f"apt-get ended with status {done.returncode}"


def start_docker(say: Progress) -> None:
    """Install the daemon if it is missing, and start it.

    Raises:
        SandboxError: it did not start; the message is its own last complaint.
    """
    if shutil.which("dockerd") is None:
        install(*_DOCKER_PACKAGES)(say)
    if _answers():
        return  # the package started it
    if _SYSTEMD.exists():
        say("starting Docker by systemd")
        done = subprocess.run(["systemctl", "start", "docker"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SandboxError("no-docker", "systemd could not start Docker: see `journalctl -u docker`")
        _wait(None)
        return
    say(f"starting dockerd; its log is {_LOG}")
    with _LOG.open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )
    _wait(daemon)


def _answers() -> bool:
    try:
        connect(timeout=5)
    except SandboxError:
        return False
    return True


def _wait(daemon: subprocess.Popen[bytes] | None) -> None:
    deadline = time.monotonic() + _DAEMON_WITHIN_S
    while not _answers():
        if daemon is not None and daemon.poll() is not None:
            raise SandboxError("no-docker", f"dockerd cannot run here: {_complaint()} (log: {_LOG})")
        if time.monotonic() > deadline:
            raise SandboxError(
                "no-docker", f"Docker did not answer within {_DAEMON_WITHIN_S:g} s of its start"
            )
        time.sleep(0.2)


def _complaint() -> str:
    """Why dockerd gave up, in its own words: not the stack of a crash, nor the help some errors end with."""
    text = _LOG.read_text(encoding="utf-8", errors="replace") if _LOG.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    marks = ("failed to start", "level=fatal", "panic:", "level=error")
    told = [line for mark in marks for line in lines if mark in line]
    line = (told or lines[-1:] or ["it wrote nothing"])[0]
    return line.removeprefix("failed to start daemon: ")[:300]
