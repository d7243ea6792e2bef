"""`flowreasoner models`: the list, and pulling and removing one."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from engine.models.pulls import shelf
from engine.models.pulls.catalogue import CATALOGUE
from engine.models.pulls.manifests import Speed, manifest, speed
from tui.reports.tables import emit, table
from tui.safe import one_line

if TYPE_CHECKING:
    from engine.config import Settings
    from engine.models.registry import ModelInfo

_NAME_CELLS = 60


def print_models(settings: Settings, *, as_json: bool) -> None:
    """The models that can be named, those of servers that run on this machine, and the catalogue's others."""
    from engine.models.registry import available, found_servers

    infos = [*available(settings), *found_servers(settings)]
    others = [entry for name, entry in CATALOGUE.items() if name not in {info.name for info in infos}]
    if as_json:
        rows = [dataclasses.asdict(info) | _size(settings, info) for info in infos]
        emit(rows + [{"kind": "catalogue", **dataclasses.asdict(entry)} for entry in others], "", True)
        return
    rows = [
        (one_line(i.name, _NAME_CELLS), i.kind, one_line(i.where, _NAME_CELLS), _note(settings, i))
        for i in infos
    ]
    emit(None, table(("model", "kind", "where", "note"), rows), False)
    if others:
        cells = [
            (e.name, f"{e.gigabytes:g} GB", e.licence, "for a GPU" if e.for_gpu else "", e.repo)
            for e in others
        ]
        emit(None, "\nTo get one: flowreasoner models pull NAME\n", False)
        emit(None, table(("name", "download", "licence", "", "on the hub"), cells), False)


def pull_model(settings: Settings, name: str, place: str | None, *, as_json: bool) -> None:
    """Get a model, and measure it. Raises UsageError or UnavailableError where it cannot be brought."""
    from engine.models.pulls.measure import measure
    from engine.models.pulls.pull import Told, pull

    def say(text: str) -> None:
        sys.stderr.write(one_line(text, 400) + "\n")

    with _bars() as progress:
        folder = pull(name, settings.models_path(), Told(say, progress), place=place)
    say("measuring it, once")
    result = measure(folder)
    found = manifest(folder)
    assert found is not None
    measured: dict[str, Any] = {"not_measured": result} if isinstance(result, str) else result.model_dump()
    what = f"not measured: {result}" if isinstance(result, str) else speed_of(result)
    emit(
        {"name": folder.name, "folder": str(folder), **found.model_dump(), **measured},
        one_line(
            f"{folder.name} is there ({what}); use it as in: flowreasoner run --worker {folder.name}", 400
        ),
        as_json,
    )


def remove_model(settings: Settings, name: str, *, as_json: bool) -> None:
    """Remove a pulled model. Raises UsageError or UnavailableError."""
    freed = shelf.remove(name, settings.models_path())
    emit({"name": name, "freed": freed}, f"{name} is removed; {freed / 1e9:.2f} GB are free again", as_json)


def speed_of(measured: Speed) -> str:
    """A model's speed and memory here, for people."""
    return (
        f"{measured.alone:.1f} tokens/s alone, {measured.eight:.1f} for eight at once, "
        f"{measured.memory / 1e9:.1f} GB of memory, {measured.load_s:.1f} s to load"
    )


def _size(settings: Settings, info: ModelInfo) -> dict[str, Any]:
    folder = shelf.folder_of(info.name, settings.models_path())
    if info.kind != "pulled" or folder is None:
        return {}
    found, measured = manifest(folder), speed(folder)
    return {
        "pulled": found.model_dump() if found else None,
        "speed": measured.model_dump() if measured else None,
    }


def _note(settings: Settings, info: ModelInfo) -> str:
    size = _size(settings, info)
    if info.note or not size:
        return info.note
    found, measured = size["pulled"], size["speed"]
    parts = [f"{found['bytes'] / 1e9:.2f} GB on disk" if found else "its manifest cannot be read"]
    if measured:
        parts.append(speed_of(Speed(**measured)))
    return "; ".join(parts)


@contextlib.contextmanager
def _bars() -> Generator[Callable[[int, int], None]]:
    """Progress bars on a terminal, the hub's and ours, and none elsewhere."""
    from huggingface_hub.utils import disable_progress_bars, enable_progress_bars
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    if not sys.stderr.isatty():
        disable_progress_bars()
        try:
            yield lambda have, total: None
        finally:
            enable_progress_bars()
        return
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task("", start=True)

    def progress(have: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=have, total=total or None)

    try:
        yield progress
    finally:
        bar.stop()
