"""Building data sets to train on, for commands and screens: in a thread, with progress, and cancellable."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.config import Settings
    from training.data import BuildOptions, Kind, Progress, Report


@dataclass(frozen=True)
class DatasetRequest:
    """What to build, from which runs (`training.data.Source`), and where. `force` replaces a data set."""

    kind: Kind
    wanted: str
    out: Path
    options: BuildOptions
    force: bool = False


class _Stopped(Exception):  # noqa: N818  no error: it ends a build that nobody waits for
    pass


def build_dataset(
    settings: Settings, request: DatasetRequest, progress: Callable[[Progress], None] | None = None
) -> Report:
    """Build it in this thread. Raises StoreError, and what `training.data.build` and `progress` raise."""
    from training.data import Source, build
    from tui.service.jobs.reading import read_named

    read_named(settings.store_path(), request.wanted)
    source = Source(settings, request.wanted)
    return build(request.kind, source, request.out, request.options, force=request.force, progress=progress)


async def build_in_thread(
    settings: Settings, request: DatasetRequest, progress: Callable[[Progress], None]
) -> Report:
    """Build it in a thread; `progress` is called on the event loop. Cancelling it leaves nothing behind.

    Raises what `training.data.build` raises.
    """
    loop, stopped = asyncio.get_running_loop(), threading.Event()

    def tell(so_far: Progress) -> None:
        if stopped.is_set():
            raise _Stopped
        loop.call_soon_threadsafe(progress, so_far)

    building = asyncio.ensure_future(asyncio.to_thread(build_dataset, settings, request, tell))
    try:
        return await asyncio.shield(building)
    except asyncio.CancelledError:
        stopped.set()
        with suppress(_Stopped):
            await building  # until what it wrote is gone
        raise


def read_dataset(folder: Path) -> dict[str, Any]:
    """A data set as `dataset show --json` prints it: its report, columns and first row.

    Raises DataError where the folder does not hold one.
    """
    from training.data.shown import shown

    return shown(folder)
