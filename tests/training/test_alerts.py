"""Alerts told to an address, and GPUs that are gone: what is sent, and that nothing waits for it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from engine.config import ConfigError, load
from sandbox.errors import UnavailableError
from tests.support.missing import needs
from training import recipes
from training.trainers.progress import Progress
from training.trainers.webhook import webhook

needs("trl")


@pytest.fixture
def address() -> Iterator[tuple[str, list[Any]]]:
    """An address, and what it was told; the path /no is refused."""
    told: list[Any] = []

    class Hears(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(403 if self.path.startswith("/no") else 204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hears)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", told
    server.shutdown()
    thread.join()
    server.server_close()


def raise_alerts(folder: Path, url: str | None, *names: str) -> None:
    with webhook(url, "01job") as hook:
        progress = Progress(folder / "progress.jsonl", 2, hook.post if hook else None)
        progress.write("start", total_steps=3)
        for name in names:
            progress.write("alert", name=name, text=f"{name} is off")
        progress.write("step", step=1, values={})
        progress.close()


def test_each_alert_is_one_object_and_nothing_else_is_told(tmp_path: Path, address: Any) -> None:
    url, told = address
    raise_alerts(tmp_path, url, "kl", "entropy")
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    alerts = [line for line in lines if line["kind"] == "alert"]
    assert told == [
        {
            "job": "01job",
            "host": socket.gethostname(),
            "attempt": 2,
            "time": line["time"],
            "name": line["name"],
            "text": line["text"],
        }
        for line in alerts
    ]
    assert len(lines) == 4


def test_an_address_that_refuses_is_said_once_without_its_secret(
    tmp_path: Path, address: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    url, told = address
    raise_alerts(tmp_path, f"{url}/no/secret-token", "kl", "entropy", "disk")
    assert [alert["name"] for alert in told] == ["kl", "entropy", "disk"]
    said = capsys.readouterr().err
    assert said == "alert_webhook: 127.0.0.1 is not told of alerts (it answers 403); see the settings\n"
    raise_alerts(tmp_path, "http://127.0.0.1:1/secret-token", "kl", "kl")
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "refused" in said and "secret" not in said
    raise_alerts(tmp_path, None, "kl")
    assert capsys.readouterr().err == ""


def test_an_address_that_never_answers_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("training.trainers.webhook._LAST_S", 0.01)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        raise_alerts(tmp_path, f"http://127.0.0.1:{silent.getsockname()[1]}", *["kl"] * 120)
        assert (tmp_path / "progress.jsonl").read_text().count("alert") == 120
    assert "it takes too long" in capsys.readouterr().err


def test_an_address_is_one_of_http(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text('alert_webhook = "https://example.org/hook"\n')
    assert load(file).alert_webhook == "https://example.org/hook"
    for wrong in ("example.org/hook", "ftp://example.org", "", "http://"):
        file.write_text(f"alert_webhook = {json.dumps(wrong)}\n")
        with pytest.raises(ConfigError, match="alert_webhook"):
            load(file)


LISTS = """#!/bin/sh
case "$1" in *compute-apps*) exit 0;; esac
printf '0, GPU-a, 0\\n1, GPU-b, 0\\n'
"""


@pytest.mark.parametrize(
    ("script", "given", "said"),
    [
        (LISTS, "0,2", "does not list GPU 2 any more"),
        (LISTS, "2,3", "does not list GPU 2, 3 any more"),
        (LISTS, "0,1", None),
        (LISTS, "", None),
        ("#!/bin/sh\nexit 15\n", "0", "does not answer any more"),
        ("#!/bin/sh\nexit 15\n", "", None),
    ],
)
def test_a_gpu_that_is_gone_is_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, given: str, said: str | None
) -> None:
    from training.trainers.train import gpus_there

    tool = tmp_path / "nvidia-smi"
    tool.write_text(script)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", given)
    alerts: list[tuple[str, str]] = []
    hooks: Any = SimpleNamespace(alert=lambda *alert: alerts.append(alert))
    recipe: Any = recipes.load("sft-one-gpu")
    with pytest.raises(UnavailableError if said else RuntimeError) as caught, gpus_there(recipe, hooks):
        raise RuntimeError("CUDA error: unspecified launch failure")
    assert [name for name, _ in alerts] == (["gpu_lost"] if said else [])
    assert (said or "CUDA error") in str(caught.value)
    on_cpu: Any = recipes.load("sft-embedded")
    with pytest.raises(RuntimeError, match="CUDA error"), gpus_there(on_cpu, hooks):
        raise RuntimeError("CUDA error: unspecified launch failure")
