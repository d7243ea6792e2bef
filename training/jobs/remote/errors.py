"""What goes wrong with a host, in a sentence that says what to do."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING, Any

from engine.paths import expanded
from sandbox.errors import UnavailableError

if TYPE_CHECKING:
    from engine.host_config import Host


_PORT = 22  # of SSH; known hosts name no other's host without its port


class HostError(UnavailableError):
    """A host cannot be used, or not now; the message says why and what to do."""


class LinkError(HostError):
    """The host does not answer. Whatever runs there goes on."""


def why(name: str, host: Host, error: Exception, *, connected: bool) -> HostError:
    """The sentence for what SSH raised; `connected` says whether there was a connection before."""
    import asyncssh

    where = name if name == host.address else f"{name} ({host.address})"
    if isinstance(error, asyncssh.PermissionDenied):
        return HostError(
            f"{where} does not accept your key: put it there with ssh-copy-id, name it in your SSH "
            "configuration (IdentityFile), or add it to ssh-agent if it has a passphrase"
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable):
        return HostError(_host_key(where, host))
    if isinstance(error, ConnectionRefusedError):
        return LinkError(f"nothing answers at the SSH port of {where}: is its SSH server running?")
    if isinstance(error, socket.gaierror):
        return HostError(f"{where} has no address: correct hosts.{name}.address")
    if isinstance(error, TimeoutError) and not connected:
        return LinkError(f"{where} does not answer")
    if isinstance(error, OSError) and error.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH):
        return LinkError(f"{where} cannot be reached: {error.strerror}")
    if isinstance(error, ValueError) and not connected:  # keys and configuration that cannot be read
        return HostError(f"your SSH configuration cannot be used for {where}: {error}")
    reason = error.reason if isinstance(error, asyncssh.DisconnectError) else str(error)
    return LinkError(f"the link to {where} was lost{f' ({reason})' if reason else ''}")


def _host_key(where: str, host: Host) -> str:
    """What is wrong with the key that the host showed: another was known, or none."""
    import asyncssh

    port = host.port if host.port is not None else ()
    with contextlib.suppress(OSError, ValueError):
        options = asyncssh.SSHClientConnectionOptions(host=host.address, port=port, config=())
        usual_file = str(expanded("~/.ssh/known_hosts"))
        files: Any = options.config.get("UserKnownHostsFile") or [usual_file]
        usual = options.port == _PORT
        place = options.host if usual else f"[{options.host}]:{options.port}"
        known = asyncssh.read_known_hosts(files).match(options.host, "", None if usual else options.port)
        if known[0]:
            return (
                f"{where} shows another host key than before: somebody may be in between; if it was set up "
                f"again, forget the old key with `ssh-keygen -R '{place}'`, and log in once"
            )
    return f"the host key of {where} is not known: log in once with ssh, and check it"
