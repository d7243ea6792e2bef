"""A daemon that still greets, but does nothing more: one sentence, and nobody waits for its leftovers."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sandbox import SandboxError, labels, reaper
from sandbox.backends import choose_backends
from sandbox.docker_backend import connect

_ORPHAN = {
    "Id": "a" * 64,
    "State": "created",
    "Labels": {**labels.own(), f"{labels.LABEL}.pid": "999999999"},
}
_asked: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    """Answers what is in `known`; anything else is dropped, as by a daemon that is killed meanwhile."""

    known: ClassVar[dict[str, Any]] = {}
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix("/v1.41")
        if path not in self.known:
            self.close_connection = True
            return
        body = json.dumps(self.known[path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_DELETE(self) -> None:
        _asked.append(self.path)
        self.close_connection = True

    def address_string(self) -> str:
        return "-"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: it would be printed."""


@pytest.fixture
def daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Named by DOCKER_HOST; call it with what it shall answer besides its version."""
    path = str(tmp_path / "docker.sock")
    server = socketserver.ThreadingUnixStreamServer(path, _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    _asked.clear()

    def answer(known: dict[str, Any]) -> None:
        monkeypatch.setattr(_Handler, "known", {"/version": {"ApiVersion": "1.41"}, **known})

    yield answer
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("known", [{}, {"/containers/json": []}])
def test_it_is_told_in_a_sentence(daemon: Callable[[dict[str, Any]], None], known: dict[str, Any]) -> None:
    daemon(known)
    with pytest.raises(SandboxError, match="the Docker daemon does not answer") as caught:
        choose_backends("docker")
    assert caught.value.reason == "daemon-down"


def test_what_it_cannot_remove_is_left_to_the_next_time(daemon: Callable[[dict[str, Any]], None]) -> None:
    daemon({"/containers/json": [_ORPHAN, {**_ORPHAN, "Id": "b" * 64}]})
    assert reaper.reap(connect()) == []
    assert [path.rpartition("/")[2][:1] for path in _asked] == ["a"]
