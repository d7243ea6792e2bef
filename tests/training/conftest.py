"""Building data sets of runs that a test puts into a store of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.config import Settings
from engine.events import Event
from tests.store.samples import store
from training.data import BuildOptions, Kind, Report, Source, build


@pytest.fixture(autouse=True, scope="module")
def only_settings() -> Iterator[None]:
    """These have been read when tests were collected; a trainer refuses what is no setting."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("FLOWREASONER_LONG", "FLOWREASONER_VLLM"):
            patch.delenv(name, raising=False)
        yield


@dataclass
class Desk:
    """A store, and what is built of it."""

    folder: Path

    @property
    def settings(self) -> Settings:
        return Settings(store=self.folder / "store.db", endpoints={})

    def put(self, *runs: Sequence[Event]) -> None:
        for events in runs:
            store(self.folder / "store.db", events)

    def build(
        self, kind: Kind, wanted: str = "", name: str = "out", **options: Any
    ) -> tuple[list[dict[str, Any]], Report]:
        """The rows of a new data set, and its report."""
        from datasets import load_from_disk

        out = self.folder / name
        keywords = {k: options.pop(k) for k in ("force", "progress") if k in options}
        source = Source(self.settings, wanted)
        report = build(kind, source, out, BuildOptions(**options), **keywords)
        return load_from_disk(str(out)).to_list(), report


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
