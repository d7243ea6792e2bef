"""Runs with things in them that must not leave, and a store that holds them."""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass
from pathlib import Path

import pytest

from engine.config import Settings
from engine.events import (
    CodeExecuted,
    Event,
    ModelDelta,
    Notice,
    StepFinished,
    WorkflowFinished,
)
from tests.store.samples import store, whole_run

KEY = "canary-key-0123456789"
VALUE = "canary-environment-42"
SHAPED = "sk-canary0123456789abcdefgh"
USER = "canaryuser"


@dataclass
class Place:
    """A home with a store in it, and settings that hold a key."""

    home: Path
    settings: Settings

    @property
    def store(self) -> Path:
        return self.settings.store_path()


def _telling(event: Event, told: str) -> Event:
    if isinstance(event, StepFinished):
        output = {told: [told, {"deep": told}]}
        return dataclasses.replace(event, status="error", error=told, stdout=told, output=output)
    if isinstance(event, WorkflowFinished):
        return dataclasses.replace(event, stdout=told, error=told, answer=told)
    if isinstance(event, CodeExecuted):
        verdict = {"status": "failed", "stdout": told, "tests": [{"name": told, "status": "failed"}]}
        file = {"name": f"{KEY}.txt", "base64": base64.b64encode(told.encode()).decode()}
        return dataclasses.replace(event, code=told, verdict=verdict, files=(file,))
    return event


def telling_run(run_id: str, home: Path) -> list[Event]:
    """A run that has a key, an environment variable and paths wherever text can be."""
    told = (
        f'Traceback: File "{home}/x/{KEY}.py" in /home/{USER}/y: {VALUE} {SHAPED}\n'
        f"MY_OWN_TOKEN=canarytoken\nAuthorization: Bearer canary.bearer.token at http://canary.internal/v1/chat"
    )
    events = [_telling(e, told) for e in whole_run(run_id, status="failed", score=0.0, error=told)]
    pieces = [KEY[:9], KEY[9:]]
    at = next(i for i, e in enumerate(events) if isinstance(e, ModelDelta))
    events[at : at + 1] = [ModelDelta(call_id="c1", channel="text", text=piece) for piece in pieces]
    events.insert(1, Notice(level="warning", text=told))
    return [
        dataclasses.replace(event, run_id=run_id, seq=seq, at=1000.0 + seq)
        for seq, event in enumerate(events)
    ]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Two runs: `good` passed, `told` failed and tells everything."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SOMETHING", VALUE)
    monkeypatch.setenv("FLOWREASONER_STORE", str(home / "store.db"))
    monkeypatch.setenv("FLOWREASONER_ENDPOINTS__CLOUD__BASE_URL", "http://canary.internal/v1")
    monkeypatch.setenv("FLOWREASONER_ENDPOINTS__CLOUD__API_KEY", KEY)
    monkeypatch.chdir(tmp_path)
    store(home / "store.db", whole_run("good"))
    store(home / "store.db", telling_run("told", home))
    return Place(home, Settings())
