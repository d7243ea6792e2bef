"""A hub on loopback: one model's repository at one commit, over the part of the real one's HTTP that is used.

    with Hub({"config.json": b"{}", "model.safetensors": weights}) as hub:
        ...  # hub.url is what HF_ENDPOINT takes

It can misbehave: `cut` ends the first answer with that file after so many bytes, `other` sends other bytes
than it lists, `status` is what it answers to everything.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

REPO, REVISION = "someone/small-model", "0123456789abcdef0123456789abcdef01234567"
_SMALL = 10_000  # bytes; a larger file is listed as the hub lists large files, by its SHA-256


class Hub:
    """The server; `asked` has (method, path, Range) of each request."""

    def __init__(self, files: Mapping[str, bytes], *, repo: str = REPO, revision: str = REVISION) -> None:
        self.files, self.repo, self.revision = dict(files), repo, revision
        self.cut: dict[str, int] = {}
        self.other: dict[str, bytes] = {}
        self.status = 200
        self.asked: list[tuple[str, str, str]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(hub) -> type[BaseHTTPRequestHandler]:  # noqa: N805
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                hub._answer(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(request.path.partition("?")[0])
        self.asked.append((request.command, path, request.headers.get("Range", "")))
        if self.status != 200:
            _send(request, self.status, b"{}")
        elif path in (f"/api/models/{self.repo}", f"/api/models/{self.repo}/revision/{self.revision}"):
            card = {"license": "apache-2.0"}
            info = {"id": self.repo, "sha": self.revision, "cardData": card, "siblings": []}
            _send(request, 200, json.dumps(info).encode())
        elif path == f"/api/models/{self.repo}/tree/{self.revision}":
            _send(request, 200, json.dumps([_entry(*file) for file in self.files.items()]).encode())
        elif (name := path.removeprefix(f"/{self.repo}/resolve/{self.revision}/")) in self.files or (
            path.startswith("/plain/") and (name := path.removeprefix("/plain/")) in self.files
        ):
            self._send_file(request, name)
        else:
            _send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _send_file(self, request: BaseHTTPRequestHandler, name: str) -> None:
        data = self.other.get(name, self.files[name])
        begin = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        piece = data[int(begin[1]) :] if begin else data
        etag = f'"{_sha256(self.files[name])}"'
        headers = {"ETag": etag, "X-Linked-ETag": etag, "X-Repo-Commit": self.revision}
        headers |= {"X-Linked-Size": str(len(data)), "Accept-Ranges": "bytes"}
        if begin and not piece:
            _send(request, 416, b"", headers)
            return
        if begin:
            headers["Content-Range"] = f"bytes {begin[1]}-{len(data) - 1}/{len(data)}"
        cut = self.cut.pop(name, None) if request.command == "GET" else None
        _send(request, 206 if begin else 200, piece, headers, cut)


def _entry(path: str, data: bytes) -> dict[str, Any]:
    header = b"blob %d\0" % len(data)
    blob = hashlib.sha1(header + data, usedforsecurity=False).hexdigest()
    entry = {"type": "file", "path": path, "size": len(data), "oid": blob}
    if len(data) > _SMALL:
        entry["lfs"] = {"oid": _sha256(data), "size": len(data), "pointerSize": 130}
    return entry


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    data: bytes,
    headers: Mapping[str, str] = {},
    cut: int | None = None,
) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data if cut is None else data[:cut])
    if cut is not None:
        request.close_connection = True


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
