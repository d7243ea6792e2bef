"""A container's standard streams as one connection to its daemon: plain, or encrypted over TCP.

The SDK's attached socket cannot be given to asyncio where it is encrypted, so the request is made here; it
is one HTTP message, after which the connection carries the streams.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from pathlib import Path
from urllib.parse import urlsplit

_DEFAULT = "unix:///var/run/docker.sock"
_PORTS = {False: 2375, True: 2376}
_WITHIN_S = 30.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def address(host: str | None) -> str:
    """The daemon's address: `host`, or what DOCKER_HOST names, or the usual socket."""
    return host or os.environ.get("DOCKER_HOST") or _DEFAULT


async def attach(host: str | None, container: str) -> Streams:
    """stdin, stdout and stderr of a container that is not started yet, as a reader and a writer.

    Raises OSError where the daemon cannot be reached, or refuses.
    """
    async with asyncio.timeout(_WITHIN_S):
        reader, writer = await _connect(address(host))
        try:
            query = "stdin=1&stdout=1&stderr=1&stream=1"
            lines = (f"POST /containers/{container}/attach?{query} HTTP/1.1", "Host: docker")
            upgrade = ("Connection: Upgrade", "Upgrade: tcp", "Content-Length: 0", "", "")
            writer.write("\r\n".join((*lines, *upgrade)).encode("ascii"))
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            writer.close()
            raise OSError(f"the daemon did not attach: {error}") from None
        except BaseException:
            writer.close()
            raise
    status = head.split("\r\n", 1)[0]
    if status.split()[1:2] not in (["101"], ["200"]):
        writer.close()
        raise OSError(f"the daemon did not attach: {status}")
    return reader, writer


async def _connect(where: str) -> Streams:
    parts = urlsplit(where)
    if parts.scheme == "unix":
        return await asyncio.open_unix_connection(parts.path)
    context = _tls()
    port = parts.port or _PORTS[context is not None]
    return await asyncio.open_connection(parts.hostname, port, ssl=context)


def _tls() -> ssl.SSLContext | None:
    """How TCP is encrypted, by the variables that Docker's own client goes by."""
    folder, verify = os.environ.get("DOCKER_CERT_PATH"), os.environ.get("DOCKER_TLS_VERIFY")
    if not folder and not verify:
        return None
    certificates = Path(folder) if folder else Path.home() / ".docker"
    if verify:
        context = ssl.create_default_context(cafile=str(certificates / "ca.pem"))
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(certificates / "cert.pem", certificates / "key.pem")
    return context
