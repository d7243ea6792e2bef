"""A connection to the process of a model, which is started where there is none."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import flowreasoner

from engine.models.base import Message, ModelError, Sampling
from engine.models.faults import clip
from engine.models.process.places import socket_of
from engine.models.process.wire import MAX_LINE, Item, item_from_json, receive, sampling_to_json, send

_LOOK_AGAIN_S = 0.05  # while a process starts, or one that was just ending is gone
_REAP_S = 10.0

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def open_link(name: str, source: str, device: str) -> Link:
    """Connect to the process that has the model. Raises ModelError where there is none and none starts."""
    path = await asyncio.to_thread(socket_of, name, source, device)
    started: subprocess.Popen[bytes] | None = None
    while (connected := await _connected(path)) is None:
        code = None if started is None else started.poll()
        if code:
            raise _ended(name, "did not start" if code > 0 else _how(code), path, code)
        if started is None or code == 0:  # it left the model to another, which has ended since
            started = await asyncio.to_thread(_start, path, name, source, device)
        await asyncio.sleep(_LOOK_AGAIN_S)
    pid, streams = connected
    # Where several start one at once, one of those serves all.
    return Link(name, path, streams, started if started is not None and started.pid == pid else None)


async def _connected(path: Path) -> tuple[int, Streams] | None:
    """The id of the process that serves there, and a connection to it; None where nothing serves."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(path), limit=MAX_LINE)
    except OSError:
        return None
    if (hello := await receive(reader)) is not None:
        return hello["hello"], (reader, writer)
    writer.close()
    return None


def _start(path: Path, name: str, source: str, device: str) -> subprocess.Popen[bytes]:
    command = flowreasoner.command("engine.models.process.server", name, source, device, str(path))
    try:
        with path.with_suffix(".log").open("ab") as log:
            # In a session of its own: it outlives this process, and no Ctrl-C for this one reaches it.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
    except OSError as error:
        why = error.strerror or error
        raise ModelError("server", f"{name}: its process cannot be started: {why}") from None
    # Until somebody waits for it, one that has ended stays in the process table.
    threading.Thread(target=process.wait, name=f"process of {name}", daemon=True).start()
    return process


class Link:
    """One connection, with the answers that are under way on it."""

    def __init__(
        self, name: str, path: Path, streams: Streams, started: subprocess.Popen[bytes] | None
    ) -> None:
        """`started` is the process, where this one started it."""
        self.ready = asyncio.Event()  # the model is loaded, or will not be
        self.is_loaded = False
        self.is_over = False
        self._name, self._path, self._started = name, path, started
        self._reader, self._writer = streams
        self._numbers = itertools.count()
        self._answers: dict[int, asyncio.Queue[Item]] = {}
        self._reading = asyncio.create_task(self._read())

    def ask(self, messages: Sequence[Message], sampling: Sampling) -> tuple[int, asyncio.Queue[Item]]:
        """Ask for an answer: its number, and its items, a Completion or a ModelError last."""
        number, items = next(self._numbers), asyncio.Queue()
        self._answers[number] = items
        asked = {"ask": number, "messages": list(messages), "sampling": sampling_to_json(sampling)}
        send(self._writer, asked)
        return number, items

    def drop(self, number: int) -> None:
        """Nobody reads this answer any more."""
        if self._answers.pop(number, None) is not None and not self.is_over:
            send(self._writer, {"drop": number})

    async def aclose(self) -> None:
        """Leave; answers under way fail."""
        self._reading.cancel()
        with suppress(asyncio.CancelledError):
            await self._reading
        self._end(ModelError("server", f"{self._name} was closed during the call"))

    async def _read(self) -> None:
        while (message := await receive(self._reader)) is not None:
            if "ready" in message:
                self.is_loaded = message["ready"]
                self.ready.set()
                continue
            item = item_from_json(message)
            items = self._answers.get(message["ask"])
            if items is not None:
                items.put_nowait(item)
        self._end(await asyncio.to_thread(self._why_it_ended))

    def _end(self, failure: ModelError) -> None:
        self.is_over = True
        self._writer.close()
        for items in self._answers.values():
            items.put_nowait(failure)
        self._answers.clear()
        self.ready.set()

    def _why_it_ended(self) -> ModelError:
        code = None
        if self._started is not None:
            with suppress(subprocess.TimeoutExpired):
                code = self._started.wait(_REAP_S)
        return _ended(self._name, _how(code), self._path, code)


def _how(code: int | None) -> str:
    """How a process ended, by its exit status where that is known."""
    if code is None:
        return "is gone"
    return "ended" if code >= 0 else "was killed" if code == -9 else f"was ended by signal {-code}"


def _ended(name: str, how: str, path: Path, code: int | None) -> ModelError:
    if code is not None and code >= 0:
        return ModelError("server", f"{name}: its process {how}: {_last_line(path)}")
    return ModelError(
        "server",
        f"{name}: its process {how}, most likely because memory ran out: take a smaller model, or "
        "send fewer calls at once; the next call starts it again",
    )


def _last_line(path: Path) -> str:
    with suppress(OSError):
        if lines := path.with_suffix(".log").read_text("utf-8", "replace").split("\n"):
            return clip(next((line for line in reversed(lines) if line.strip()), "")) or "it printed nothing"
    return "it printed nothing"
