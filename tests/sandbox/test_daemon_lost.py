"""A Docker daemon that answers first and is gone at the next question: one sentence, not our own error."""

from __future__ import annotations

import json
import socketserver
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from sandbox import SandboxError
from sandbox.backends import choose_backends

ANSWERS: dict[str, Any] = {"/version": {"ApiVersion": "1.47"}, "/containers/json": []}


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    answered: frozenset[str]


class _Handler(BaseHTTPRequestHandler):
    """Answers what its server still answers, and drops the connection at anything else."""

    def do_GET(self) -> None:
        path = next((p for p in self.server.answered if self.path.partition("?")[0].endswith(p)), None)  # type: ignore[attr-defined]
        if path is None:
            self.close_connection = True
            return
        body = json.dumps(ANSWERS[path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with (
        tempfile.TemporaryDirectory() as folder,  # a socket's path is short
        _Server(str(Path(folder) / "docker.sock"), _Handler) as made,
    ):
        thread = threading.Thread(target=made.serve_forever, args=(0.01,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("answered", [("/version",), ("/version", "/containers/json")])
@pytest.mark.parametrize("named", [True, False])
def test_a_daemon_lost_between_two_questions_is_said(
    server: _Server, answered: tuple[str, ...], named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answered = frozenset(answered)
    host = f"unix://{server.server_address}"
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(SandboxError, match=r"does not answer.*is it running") as told:
        choose_backends("docker", (host,) if named else ())
    assert told.value.reason == "daemon-down"
