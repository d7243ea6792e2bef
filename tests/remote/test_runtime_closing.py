"""What the runs of a process share is closed whole, even where closing a part of it fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.models import registry
from sandbox.sandboxes import Sandboxes
from store.recorder import Recorder
from tests.support.scripted import ScriptedModel
from tui.service.runtime import Runtime


async def test_a_model_that_cannot_be_closed_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    class Gone(ScriptedModel):
        async def aclose(self) -> None:
            closed.append(self.name)
            raise ConnectionError(f"{self.name} is gone")

    for kind in (Sandboxes, Recorder):

        async def leave(self: Any, *why: Any, name: str = kind.__name__, was: Any = kind.__aexit__) -> None:
            await was(self, *why)
            closed.append(name)

        monkeypatch.setattr(kind, "__aexit__", leave)
    monkeypatch.setattr(registry, "open_model", lambda name, _: Gone(name, ""))
    runtime = Runtime(Settings(store=tmp_path / "store.db"), unsafe_local=True)
    await runtime.services("one", "two")
    with pytest.raises(ConnectionError, match="is gone"):
        await runtime.aclose()
    assert sorted(closed) == ["Recorder", "Sandboxes", "one", "two"]
