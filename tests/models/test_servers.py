"""Model servers of this machine, at ports where they usually listen: found by their list of models alone."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.models import servers
from engine.models.endpoint import EndpointModel
from engine.models.registry import UnknownModelError, found_servers, open_model


@contextmanager
def serving(body: bytes, status: int = 200) -> Generator[tuple[int, list[str]]]:
    """A server that answers everything so; its port, and the requests it got."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server.server_address[1], asked
    finally:
        server.shutdown()
        server.server_close()


def listing(*names: object) -> bytes:
    return json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_PATIENCE_S", 60.0)


def at(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(servers, "PORTS", {"ollama": port})


def test_a_running_server_is_found_with_its_models_and_asked_for_nothing_else(
    monkeypatch: pytest.MonkeyPatch, patient: None
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # what is asked is on this machine
    with serving(listing("qwen2.5:0.5b", "llama3.2")) as (port, asked):
        at(monkeypatch, port)
        found = found_servers(Settings())
    assert [(i.name, i.kind) for i in found] == [
        ("ollama/llama3.2", "server"),
        ("ollama/qwen2.5:0.5b", "server"),
    ]
    assert asked == ["GET /v1/models"]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>a web page</html>",
        b"[]",
        b'{"data": 3}',
        b'{"data": [{"name": "x"}, 5, null]}',
        listing(7, None, "", "two words", "\x1b[31mred", "n" * 300),
        b"[" * 100_000,
        listing("m") + b" " * (2 << 20),
        b"\xff\xfe",
    ],
)
def test_what_is_no_list_of_models_is_no_server(
    monkeypatch: pytest.MonkeyPatch, patient: None, body: bytes
) -> None:
    with serving(body) as (port, _):
        at(monkeypatch, port)
        assert found_servers(Settings()) == []


@pytest.mark.parametrize("status", [301, 401, 404, 500])
def test_a_server_that_refuses_is_not_offered(
    monkeypatch: pytest.MonkeyPatch, patient: None, status: int
) -> None:
    with serving(listing("m"), status) as (port, _):
        at(monkeypatch, port)
        assert found_servers(Settings()) == []


def test_one_that_listens_and_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        at(monkeypatch, silent.getsockname()[1])
        assert found_servers(Settings()) == []


def test_a_line_in_the_config_turns_it_off(monkeypatch: pytest.MonkeyPatch, patient: None) -> None:
    with serving(listing("m")) as (port, asked):
        at(monkeypatch, port)
        off = Settings(local_servers=False)
        assert found_servers(off) == []
        assert asked == []
    with pytest.raises(UnknownModelError):
        open_model("ollama/m", off)


def test_its_models_can_be_named_without_a_configuration(tmp_path: Path) -> None:
    model = open_model("ollama/qwen2.5:0.5b", Settings(store=tmp_path / "store.db"))
    assert isinstance(model, EndpointModel)
    assert model.name == "ollama/qwen2.5:0.5b"


@pytest.mark.parametrize(
    "own",
    [
        {"ollama": {"base_url": "http://elsewhere:1/v1"}},
        {"mine": {"base_url": "http://localhost:11434/v1"}},
        {"mine": {"base_url": "http://127.0.0.1:11434/v1/"}},
    ],
)
def test_an_endpoint_of_the_configuration_stands_in_its_place(own: dict[str, Any]) -> None:
    settings = Settings.model_validate({"endpoints": own})
    assert "ollama" not in servers.usual(settings)
    assert "vllm" in servers.usual(settings)
