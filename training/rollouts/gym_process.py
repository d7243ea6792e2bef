"""The program that holds the gym of a machine: one sandbox and one worker model for all trainers there.

`training.rollouts.gym_process` reads one line of JSON from its standard input (`Setup`), answers with one
line on its standard output, an address or why there is none, and then serves each trainer over a connection
of its own. It ends when its standard input does: with the trainer that started it, however that ends.

What crosses a connection is pickled. Both ends are processes of one job, the connection takes a key, and
what models and containers wrote crosses as text.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from itertools import count
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.config import Settings
from engine.config import load as load_settings
from engine.models.base import ModelError, Sampling
from engine.models.local.chat import Chat
from engine.models.registry import open_model
from sandbox.errors import ExpectedError, UsageError
from training.rollouts.generators import Generated
from training.rollouts.meter import Meter
from training.rollouts.policy import Desk, PolicyModel
from training.rollouts.rollouts import Gym, GymThread, Request, Rollout

if TYPE_CHECKING:
    from sandbox.backends import Prefer

PROGRAM = "training.rollouts.gym_process"
_CLOSING_S = 60.0  # to end what runs and to remove containers; what is left then is abandoned


@dataclass(frozen=True)
class Setup:
    """What a gym process is told: the worker's name, the store's file, the sandbox, how many trainers there
    are, and the key that their connections take, in hex.
    """

    worker: str
    store: str
    prefer: Prefer
    trainers: int
    key: str

    def to_json(self) -> str:
        """As the process reads it."""
        return json.dumps(asdict(self))


def gym_of(worker: str, store: Path, prefer: Prefer, settings: Settings) -> Gym:
    """The gym of a training job, not opened yet. Raises ExpectedError: there is no such worker."""
    return Gym(
        open_model(worker, settings),
        store,
        prefer=prefer,
        hosts=settings.docker_hosts,
        runtime=settings.sandbox.runtime,
    )


class _FarDesk(Desk):
    """The desk of a trainer, as its rollouts here see it."""

    def __init__(self, send: Callable[..., None], batch: int) -> None:
        super().__init__()
        self._send, self._batch = send, batch
        self._numbers = count()
        self._open: dict[int, asyncio.Future[Generated]] = {}

    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        """As `Desk.ask`. Raises ModelError where the trainer's source does."""
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._send("ask", self._batch, number, prompt, sampling)
        try:
            return await future
        except asyncio.CancelledError:
            self._send("given up", self._batch, number)
            raise
        finally:
            del self._open[number]

    def enter(self, lanes: int) -> None:
        """As `Desk.enter`."""
        self._send("enter", self._batch, lanes)

    def leave(self) -> None:
        """As `Desk.leave`."""
        self._send("leave", self._batch)

    def set(self, number: int, answer: Generated | ModelError) -> None:
        """What the trainer answered; nothing where nobody waits for it any more."""
        future = self._open.get(number)
        if future is None or future.done():
            return
        if isinstance(answer, ModelError):
            future.set_exception(answer)
        else:
            future.set_result(answer)


class _Trainer:
    """One trainer, over its connection, read by a thread of its own."""

    def __init__(self, connection: Connection, gym: GymThread, meter: Meter) -> None:
        self._connection, self._gym, self._meter = connection, gym, meter
        self._sending = threading.Lock()
        self._chat: Chat | None = None
        self._desks: dict[int, _FarDesk] = {}
        self._running: dict[int, Future[list[Rollout]]] = {}

    def serve(self) -> None:
        """Do what it asks until it leaves or is gone; then end what it began."""
        with contextlib.suppress(EOFError, OSError):  # it has ended, in whatever way
            while (message := self._connection.recv()) != ("leave",):
                self._take(*message)
        for running in list(self._running.values()):
            running.cancel()
        with self._sending:
            self._connection.close()

    def _take(self, kind: str, *values: Any) -> None:
        match kind:
            case "chat":
                (self._chat,) = values
            case "start":
                self._start(*values)
            case "cancel":
                if running := self._running.get(values[0]):
                    running.cancel()
            case "answer":
                batch, number, answer = values
                if desk := self._desks.get(batch):
                    self._gym.soon(desk.set, number, answer)
            case "refused":
                batch, number, fault, words = values
                if desk := self._desks.get(batch):
                    self._gym.soon(desk.set, number, ModelError(fault, words))
            case "spent":
                self._send("spent", self._meter.take())

    def _start(self, batch: int, requests: Sequence[Any], names: Sequence[str], at_once: int | None) -> None:
        assert self._chat is not None  # it is sent first
        desk = self._desks[batch] = _FarDesk(self._send, batch)
        mine: list[Request] = [
            replace(request, policy=PolicyModel(name, self._chat, desk))
            for request, name in zip(requests, names, strict=True)
        ]
        running = self._running[batch] = self._gym.start(mine, at_once)
        running.add_done_callback(lambda ended: self._end(batch, ended))

    def _end(self, batch: int, ended: Future[list[Rollout]]) -> None:
        del self._running[batch], self._desks[batch]
        if ended.cancelled():
            return
        error = ended.exception()
        if error is None:
            self._send("done", batch, ended.result())
        elif isinstance(error, ExpectedError):
            self._send("failed", batch, isinstance(error, UsageError), str(error))
        else:
            traceback.print_exception(error)
            self._send("failed", batch, False, f"{type(error).__name__}: {error} (the log has the traceback)")

    def _send(self, *message: Any) -> None:
        with self._sending, contextlib.suppress(OSError):  # it is gone; `serve` ends what it began
            self._connection.send(message)


def _accept(listener: Listener, trainers: int, gym: GymThread, meter: Meter) -> None:
    while trainers:
        try:
            connection = listener.accept()
        except (AuthenticationError, EOFError, OSError):
            continue  # whoever it was, it was not one of ours
        trainers -= 1
        serve = _Trainer(connection, gym, meter).serve
        threading.Thread(target=serve, name="trainer", daemon=True).start()
    listener.close()


def main() -> int:
    """The program; returns its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # The trainers are told, and this ends after them. (Programs it starts would inherit SIG_IGN.)
        signal.signal(number, _stay)
    setup = Setup(**json.loads(sys.stdin.readline()))
    settings = load_settings()
    with contextlib.ExitStack() as stack:
        try:
            gym = gym_of(setup.worker, Path(setup.store), setup.prefer, settings)
            thread = stack.enter_context(GymThread(gym))
        except ExpectedError as error:
            _tell({"error": str(error), "is_usage": isinstance(error, UsageError)})
            return error.exit_code
        meter = stack.enter_context(Meter(thread))
        address = f"\0flowreasoner-{secrets.token_hex(8)}"  # in no folder, so that nothing is left of it
        listener = Listener(address, "AF_UNIX", backlog=setup.trainers, authkey=bytes.fromhex(setup.key))
        accepting = (listener, setup.trainers, thread, meter)
        threading.Thread(target=_accept, args=accepting, name="accept", daemon=True).start()
        _tell({"address": address})
        sys.stdin.read()
        late = threading.Timer(_CLOSING_S, os._exit, (1,))
        late.daemon = True
        late.start()
    return 0


def _stay(number: int, frame: object) -> None:
    """Nothing."""


def _tell(said: dict[str, Any]) -> None:
    """The one line of standard output. What is printed later goes to the log: nobody reads it."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()
    os.dup2(2, 1)


if __name__ == "__main__":
    sys.exit(main())
