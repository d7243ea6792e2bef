"""The thread that owns a model's weights: takes requests, decodes them together, sends deltas back."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.models.base import Completion, Delta, Message, ModelError, Sampling, Share
from engine.models.faults import clip

if TYPE_CHECKING:
    from engine.models.local.batch import Batch
    from engine.models.local.row import DecodingRow
    from engine.models.local.weights import Weights

MAX_ROWS = 64
_FLUSH_S = 0.02  # how long deltas are gathered before the event loop is woken
_ADMIT_STEPS = 4  # steps between admissions: each one repacks the batch, which is not cheap
_TELL_S = 1.0  # how often calls are told that their share of the model has changed

Item = Delta | Share | Completion | ModelError


@dataclass(eq=False)
class Request:
    """A call on its way to the thread. `cancelled` is set by the caller and read between steps, `calls` is
    how many of them it was told to share the model with, itself included.
    """

    messages: Sequence[Message]
    sampling: Sampling
    loop: asyncio.AbstractEventLoop
    items: asyncio.Queue[list[Item]] = field(default_factory=asyncio.Queue)
    cancelled: bool = False
    calls: int = 0


class Scheduler:
    """One thread for one set of weights, which are loaded when it starts and freed when it ends."""

    def __init__(self, name: str, source: str, device: str) -> None:
        self._name, self._source, self._device = name, source, device
        self._inbox: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._outbox: dict[Request, list[Item]] = {}
        self._flushed = 0.0
        self._told = 0.0  # when calls were told their share of the model
        self._closing = False
        self.threads = 0  # of PyTorch, once it is ready
        self.is_ready = False  # the weights are loaded, or could not be
        self.has_weights = False
        self._readiness = threading.Lock()
        self._wakes: list[Callable[[], object]] = []
        # A daemon: a program that ends without closing its models must not hang on an idle thread.
        self._thread = threading.Thread(target=self._run, name=f"model {name}", daemon=True)
        self._thread.start()

    def when_ready(self, wake: Callable[[], object]) -> None:
        """Call `wake` once `is_ready`, from this thread or that of the weights."""
        with self._readiness:
            if not self.is_ready:
                self._wakes.append(wake)
                return
        wake()

    def _set_ready(self) -> None:
        with self._readiness:
            self.is_ready = True
            wakes, self._wakes = self._wakes, []
        for wake in wakes:
            with contextlib.suppress(RuntimeError):  # its event loop is closed: nobody waits any more
                wake()

    def submit(self, request: Request) -> None:
        """Hand over a request. Its items come through its queue, a Completion or a ModelError last."""
        self._inbox.put(request)

    def close(self) -> None:
        """End the thread after its current step and wait for it. Open requests fail."""
        self._closing = True
        self._inbox.put(None)
        self._thread.join()

    def _run(self) -> None:
        failure: ModelError | None = None
        try:
            from engine.models.local.weights import Weights

            weights = Weights.load(self._name, self._source, self._device)
            self.threads, self.has_weights = weights.threads, True
            self._set_ready()
            while not self._closing:
                self._decode(weights)
        # The edge of a thread: callers wait for an answer, even where a library raises SystemExit.
        except BaseException as error:  # noqa: BLE001
            failure = _as_model_error(self._name, error)
        self._set_ready()
        while not self._closing:
            if (request := self._inbox.get()) is not None and failure is not None:
                self._send(request, [ModelError(failure.kind, str(failure))])
                self._flush()
        self._fail_rest()

    def _decode(self, weights: Weights) -> None:
        """Serve until closed, or until an error empties the batch."""
        from engine.models.local.batch import Batch

        requests: dict[DecodingRow, Request] = {}
        waiting: list[Request] = []
        try:
            batch = Batch(weights)
            since = _ADMIT_STEPS
            while not self._closing:
                self._receive(waiting, block=not requests and not waiting)
                for row in [row for row, request in requests.items() if request.cancelled]:
                    batch.drop(row)
                    del requests[row]
                free = len(requests) < MAX_ROWS
                if waiting and free and (since >= _ADMIT_STEPS or len(waiting) >= len(requests)):
                    self._admit(weights, batch, requests, waiting)
                    since = 0
                if requests:
                    self._settle(batch, requests, batch.step())
                    if time.monotonic() - self._told >= _TELL_S:
                        self._tell(requests)
                    since += 1
        # As in `_run`; a panic of the tokenizer's Rust code is no Exception either.
        except BaseException as error:  # noqa: BLE001
            for request in [*requests.values(), *waiting]:
                self._send(request, [_as_model_error(self._name, error)])
        else:
            for request in [*requests.values(), *waiting]:
                self._send(request, [ModelError("server", f"{self._name} was closed during the call")])
        self._flush()

    def _receive(self, waiting: list[Request], *, block: bool) -> None:
        with contextlib.suppress(queue.Empty):
            request = self._inbox.get(block)
            while True:
                if request is not None and not request.cancelled:
                    waiting.append(request)
                request = self._inbox.get_nowait()

    def _admit(
        self, weights: Weights, batch: Batch, requests: dict[DecodingRow, Request], waiting: list[Request]
    ) -> None:
        new: dict[DecodingRow, Request] = {}
        while waiting and len(requests) + len(new) < MAX_ROWS:
            request = waiting[0]
            try:
                row = _row(weights, request)
                if not batch.has_room([*new, row]):
                    break  # until others have ended
                new[row] = request
            # Tokenizers and templates raise what they like, and it is this request's alone.
            except BaseException as error:  # noqa: BLE001
                self._send(request, [_as_model_error(self._name, error)])
            waiting.pop(0)
        requests.update(new)  # before the model runs, so that an error there reaches them too
        if new:
            self._tell(requests)
            self._flush()
            self._settle(batch, requests, batch.admit(list(new)))
        self._flush()

    def _settle(
        self,
        batch: Batch,
        requests: dict[DecodingRow, Request],
        results: list[tuple[DecodingRow, list[Delta]]],
    ) -> None:
        """Pass on the deltas of a step, and take out the rows that are done."""
        done = False
        for row, deltas in results:
            request = requests[row]
            if deltas:
                self._send(request, deltas)
            if row.finish:
                self._send(request, [row.completion()])
                batch.drop(row)
                del requests[row]
                done = True
        if done or time.monotonic() - self._flushed >= _FLUSH_S:
            self._flush()

    def _tell(self, requests: dict[DecodingRow, Request]) -> None:
        """Tell each call its share of the model, where that has changed."""
        self._told = time.monotonic()
        for request in requests.values():
            if request.calls != len(requests):
                request.calls = len(requests)
                self._send(request, [Share(1 / request.calls)])

    def _send(self, request: Request, items: Sequence[Item]) -> None:
        pending = self._outbox.setdefault(request, [])
        for item in items:
            last = pending[-1] if pending else None
            if isinstance(item, Delta) and isinstance(last, Delta) and last.channel == item.channel:
                pending[-1] = Delta(item.channel, last.text + item.text)
            else:
                pending.append(item)

    def _flush(self) -> None:
        """Deliver all gathered items, waking each event loop once."""
        self._flushed = time.monotonic()
        outbox, self._outbox = self._outbox, {}
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Request, list[Item]]]] = {}
        for request, items in outbox.items():
            by_loop.setdefault(request.loop, []).append((request, items))
        for loop, batch in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, batch)
            except RuntimeError:  # the loop is closed: nobody is left to read these
                for request, _ in batch:
                    request.cancelled = True

    def _fail_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                if (request := self._inbox.get_nowait()) is not None:
                    self._send(request, [ModelError("server", f"{self._name} was closed")])
        self._flush()


def _row(weights: Weights, request: Request) -> DecodingRow:
    from engine.models.local.row import DecodingRow
    from engine.models.local.text import TextStream

    prompt, thinking = weights.chat.prompt(request.messages)
    sampling = request.sampling
    if not prompt:
        raise ModelError("refused", f"{weights.name}: the prompt is empty")
    room, is_default = weights.room(len(prompt), sampling)
    text = TextStream(weights.chat.decode, sampling.stop, thinking=thinking)
    choice = weights.choice(sampling)
    return DecodingRow(
        prompt, room, choice, sampling.seed, text, default_room=is_default, ends_repetition=True
    )


def _deliver(batch: list[tuple[Request, list[Item]]]) -> None:
    for request, items in batch:
        request.items.put_nowait(items)


def _as_model_error(name: str, error: BaseException) -> ModelError:
    if isinstance(error, ModelError):
        return error
    text = clip(str(error)) or type(error).__name__
    if isinstance(error, MemoryError) or "memory" in text.lower():
        advice = "take a smaller model or send fewer calls at once"
        return ModelError(
            "server", f"{name}: not enough memory for the model and its calls ({text}): {advice}"
        )
    return ModelError("server", f"{name}: the model failed ({type(error).__name__}: {text})")


_lock = threading.Lock()
_open: dict[tuple[str, str], tuple[Scheduler, int]] = {}  # how many models use each scheduler


def is_loaded(source: str, device: str) -> bool:
    """Whether another model has had these weights loaded, and still has them."""
    with _lock:
        entry = _open.get(_key(source, device))
    return entry is not None and entry[0].is_ready


def acquire(name: str, source: str, device: str) -> Scheduler:
    """The scheduler of these weights, started by the first model that asks, so that weights load once per
    process. Every call needs one of `release`.
    """
    key = _key(source, device)
    with _lock:
        scheduler, users = _open.get(key) or (Scheduler(name, source, device), 0)
        _open[key] = scheduler, users + 1
        return scheduler


def release(source: str, device: str) -> None:
    """The counterpart of `acquire`. The last one ends the thread and waits for it, so it blocks for up
    to a step.
    """
    key = _key(source, device)
    with _lock:
        scheduler, users = _open.pop(key)
        if users > 1:
            _open[key] = scheduler, users - 1
            return
    scheduler.close()


def _key(source: str, device: str) -> tuple[str, str]:
    path = Path(source)
    return (str(path.resolve()) if path.exists() else source), device
