"""A real SSH server on this machine, with keys of its own, and a home whose SSH configuration names it."""

from __future__ import annotations

import os
import pwd
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from tests.support.leftovers import Guard
from tests.support.ports import unused_port

PROGRAM = Path("/usr/sbin/sshd")


class SSHServer:
    """`folder` holds all of it; `home` is the home to use as HOME."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        self._guard = Guard(folder)
        (self.home / ".ssh").mkdir(parents=True, mode=0o700)
        for name in ("host", "user"):
            self.new_key(name)
        self.port = unused_port()
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPidFile {folder}/pid\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"
            "PermitRootLogin yes\nSubsystem sftp internal-sftp\n"
            # Bash reads this user's own ~/.bashrc for each command, which may start dozens of processes.
            f"SetEnv HOME={self.home}\n"
        )
        self.authorise("user")
        self.know("host")
        (self.home / ".ssh/config").write_text(
            f"Host box\n HostName 127.0.0.1\n Port {self.port}\n User {pwd.getpwuid(os.getuid()).pw_name}\n"
            f" IdentityFile {folder}/user\n IdentitiesOnly yes\n"
            f" UserKnownHostsFile {self.home}/.ssh/known_hosts\n"
        )
        self.start()

    def start(self) -> None:
        """Returns once it answers."""
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where it gives up its rights
        # It starts itself again for each connection, which takes absolute paths.
        command = [str(PROGRAM), "-D", "-f", f"{self.folder}/sshd_config", "-E", f"{self.folder}/log"]
        self._process = subprocess.Popen(command, start_new_session=True)
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
                    assert connection.recv(4) == b"SSH-"
                    return
            except ConnectionRefusedError:
                assert self._process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.02)

    def stop(self) -> None:
        """The server; connections there are go on."""
        self._process.terminate()
        self._process.wait()

    def connections(self) -> list[int]:
        """The server's processes for the connections there are."""
        found, todo = [], [self._process.pid]
        while todo:
            children = [child for child in _children(todo.pop()) if _is_sshd(child)]
            found += children
            todo += children
        return found

    def to_connections(self, number: signal.Signals) -> None:
        for pid in self.connections():
            with suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, number)

    def new_key(self, name: str) -> None:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name], check=True)

    def authorise(self, key: str) -> None:
        _replace(self.folder / "authorized_keys", (self.folder / f"{key}.pub").read_text())

    def know(self, key: str) -> None:
        """Take it that the host showed this key before."""
        kind, public = (self.folder / f"{key}.pub").read_text().split()[:2]
        _replace(self.home / ".ssh/known_hosts", f"[127.0.0.1]:{self.port} {kind} {public}\n")

    def clean(self) -> None:
        self.to_connections(signal.SIGCONT)
        self.stop()
        self._guard.clean()


def _replace(file: Path, text: str) -> None:
    """In one piece: a server or a client may read it at any time."""
    new = file.with_name(f"{file.name}.new")
    new.write_text(text)
    new.chmod(0o600)
    new.replace(file)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:  # it has ended meanwhile
        return []


def _is_sshd(pid: int) -> bool:
    try:
        return b"sshd" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
