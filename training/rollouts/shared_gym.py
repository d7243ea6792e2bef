"""The gym of a machine, for its trainers: in a process of its own, which they share.

The calls of its policies come back here, to the source that each rollout was given, a desk or a server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace
from itertools import count
from multiprocessing.connection import Client
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from flowreasoner import command

from engine.models.base import ModelError, Sampling
from engine.models.local.chat import Chat
from sandbox.errors import UnavailableError, UsageError
from training.rollouts.gym_process import PROGRAM, Setup
from training.rollouts.meter import Breakdown
from training.rollouts.policy import Desk, Source
from training.rollouts.rollouts import Request, Rollout

if TYPE_CHECKING:
    from sandbox.backends import Prefer

_ENDS_IN_S = 90.0
_GONE = "the process that carries out rollouts has ended: the job's log says why; resume the job"
# Told to a trainer by torchrun; the gym is no rank.
_OF_RANKS = ("RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_PORT")


@dataclass
class _Batch:
    """Rollouts of one call of `start`. `lanes` are those that have entered the desk and not left it."""

    source: Source
    rollouts: Future[list[Rollout]] = field(default_factory=Future)
    has_entered: bool = False
    lanes: int = 0
    asks: dict[int, Future[None]] = field(default_factory=dict)


class SharedGym:
    """As `training.rollouts.rollouts.GymThread`, for one of several trainers; a context manager.

    The first trainer of a machine starts the process, and it ends with that trainer.
    """

    def __init__(
        self,
        worker: str,
        store: Path,
        chat: Chat,
        prefer: Prefer,
        gather: Callable[[Any], list[Any]],
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        """`gather` gives each trainer what every trainer said, in the order of ranks, as a collective."""
        self._chat, self._gather = chat, gather
        self._place = int(environment.get("LOCAL_RANK", "0"))  # among the trainers of this machine
        self._rank = int(environment.get("RANK", "0"))
        key, trainers = secrets.token_hex(16), int(environment.get("LOCAL_WORLD_SIZE", "1"))
        self._setup = Setup(worker, str(store), prefer, trainers, key)
        self._process: subprocess.Popen[str] | None = None
        self._batches: dict[int, _Batch] = {}
        self._numbers = count()
        self._sending, self._changing = threading.Lock(), threading.Lock()
        self._is_gone = False
        self._spent: SimpleQueue[Breakdown | None] = SimpleQueue()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="asking", daemon=True)
        self._reader = threading.Thread(target=self._read, name="gym process", daemon=True)

    def __enter__(self) -> Self:
        """Raises ExpectedError: the sandbox, the worker or the store cannot be opened."""
        try:
            mine = self._start() if self._place == 0 else None
            address, key = self._gather(mine)[self._rank - self._place]
            self._connection = Client(address, "AF_UNIX", authkey=bytes.fromhex(key))
        except BaseException:
            self._end_process()
            raise
        self._send("chat", self._chat)
        self._thread.start()
        self._reader.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._send("leave")
        self._reader.join()  # the other end closes the connection
        self._connection.close()
        self._end_process()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self, requests: Sequence[Request], concurrency: int | None = None) -> Future[list[Rollout]]:
        """As `GymThread.start`. All policies of one call ask the same source."""
        source, number = requests[0].policy.source, next(self._numbers)
        batch = _Batch(source)
        with self._changing:
            if self._is_gone:
                raise UnavailableError(_GONE)
            self._batches[number] = batch
        batch.rollouts.add_done_callback(lambda done: done.cancelled() and self._send("cancel", number))
        bare: list[Any] = [replace(request, policy=None) for request in requests]  # type: ignore[type-var]
        self._send("start", number, bare, [request.policy.name for request in requests], concurrency)
        return batch.rollouts

    def containers(self) -> set[str]:
        """None: they are the process's."""
        return set()

    def elsewhere(self) -> Breakdown | None:
        """What the process has used since the last call, for all trainers of this machine; told to its first
        trainer alone.
        """
        if self._place or self._is_gone:
            return None
        self._send("spent")
        return self._spent.get()

    def _start(self) -> tuple[str, str]:
        """Start the process; its address and the key to it. Raises ExpectedError: it cannot open the gym."""
        environment = {name: value for name, value in os.environ.items() if name not in _OF_RANKS}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command(PROGRAM), stdin=pipe, stdout=pipe, text=True, env=environment, encoding="utf-8"
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):  # it has ended already, and says nothing
            self._process.stdin.write(self._setup.to_json() + "\n")
            self._process.stdin.flush()
        said = self._process.stdout.readline()
        answer = json.loads(said) if said else {"error": _GONE}
        if "error" in answer:
            kind = UsageError if answer.get("is_usage") else UnavailableError
            raise kind(answer["error"])
        return answer["address"], self._setup.key

    def _end_process(self) -> None:
        if self._process is None:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_ENDS_IN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _send(self, *message: Any) -> None:
        with self._sending, contextlib.suppress(OSError):  # it is gone: the reader says so
            self._connection.send(message)

    def _read(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._take(*self._connection.recv())
        with self._changing:
            self._is_gone = True
            left = list(self._batches.items())
        for number, batch in left:
            for ask in list(batch.asks.values()):
                ask.cancel()
            if isinstance(batch.source, Desk):
                if not batch.has_entered:
                    batch.source.enter(0)
                for _ in range(batch.lanes):
                    batch.source.leave()
            self._end(number, UnavailableError(_GONE))
        self._spent.put(None)

    def _take(self, kind: str, *values: Any) -> None:
        if kind == "spent":
            self._spent.put(values[0])
            return
        number, *rest = values
        batch = self._batches.get(number)
        if batch is None:
            return
        match kind:
            case "enter":
                batch.has_entered, batch.lanes = True, batch.lanes + rest[0]
                if isinstance(batch.source, Desk):
                    batch.source.enter(rest[0])
            case "leave":
                batch.lanes -= 1
                if isinstance(batch.source, Desk):
                    batch.source.leave()
            case "ask":
                ask = self._ask(number, batch, *rest)
                batch.asks[rest[0]] = asyncio.run_coroutine_threadsafe(ask, self._loop)
            case "given up":
                if ask := batch.asks.get(rest[0]):
                    ask.cancel()
            case "done":
                self._end(number, rest[0])
            case "failed":
                is_usage, words = rest
                self._end(number, UsageError(words) if is_usage else UnavailableError(words))

    async def _ask(
        self, number: int, batch: _Batch, place: int, prompt: list[int], sampling: Sampling
    ) -> None:
        try:
            self._send("answer", number, place, await batch.source.ask(prompt, sampling))
        except ModelError as error:
            self._send("refused", number, place, error.kind, str(error))
        finally:
            batch.asks.pop(place, None)

    def _end(self, number: int, came: list[Rollout] | Exception) -> None:
        batch = self._batches.pop(number)
        with contextlib.suppress(InvalidStateError):  # cancelled here
            if isinstance(came, Exception):
                batch.rollouts.set_exception(came)
            else:
                batch.rollouts.set_result(came)
