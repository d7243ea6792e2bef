"""A model behind an OpenAI-compatible endpoint: streaming, retries one can see, and no key in sight."""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling
from engine.models.chunks import ChunkReader
from engine.models.faults import Fault, StreamError, clip, fault_of
from engine.models.prices import cost_usd
from engine.models.quirks import Quirks, learn, quirks_of, request_body

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from engine.config import Endpoint

BACKOFF_S = 0.5  # before the second attempt; doubled for each one after
MAX_WAIT_S = 60.0  # what is waited at most, whatever the endpoint asks
CONNECT_S = 10.0
_MAX_LESSONS = 6  # how many times one call may be corrected; a server that refuses more is refused itself

# Calls under way, by event loop and endpoint: two models of one endpoint share its limit.
_limits: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Semaphore]]
_limits = weakref.WeakKeyDictionary()


class _AttemptFailed(Exception):  # noqa: N818 - a signal between two functions of this file
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class EndpointModel:
    """One model of one endpoint. What a refused request taught is remembered for later calls."""

    def __init__(
        self,
        name: str,
        model: str,
        endpoint_name: str,
        endpoint: Endpoint,
        *,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        rng: random.Random | None = None,
    ) -> None:
        """`model` is the name the endpoint knows. `sleep` and `rng` (jitter) are for tests to replace.

        Raises:
            ModelError: the endpoint needs a key and none is set.
        """
        self.name = name
        self._model, self._endpoint_name, self._endpoint = model, endpoint_name, endpoint
        self._key = endpoint.key()
        if self._key is None and endpoint.api_key_env:
            raise ModelError("auth", f"endpoint {endpoint_name!r} needs a key: set {endpoint.api_key_env}")
        self._sleep, self._rng = sleep, rng or random.Random()
        self._quirks = _configured(quirks_of(model), model, endpoint)
        self._client: AsyncOpenAI | None = None

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Retry | Completion, None]:
        """Stream one completion.

        Raises:
            ModelError: it cannot be had, after the endpoint's `max_retries` where trying again may help.
        """
        attempt, retries, lessons = 1, 0, 0
        while True:
            body = request_body(self._model, messages, sampling, self._quirks)
            stops = sampling.stop if "stop" in self._quirks.drop else ()
            reader = ChunkReader(stops=stops, thinks_first=self._quirks.thinks_first)
            try:
                async with aclosing(self._attempt(body, reader)) as deltas:
                    async for delta in deltas:
                        yield delta
                break
            except _AttemptFailed as failed:
                fault = failed.fault
            lesson = learn(self._quirks, body, fault.reason, fault.param) if fault.refusal else None
            attempt += 1
            if lesson and lessons < _MAX_LESSONS:
                lessons += 1
                self._quirks = lesson[0]
                yield Retry(attempt, f"asked again, corrected: {lesson[1]}", 0.0)
            elif fault.retry and retries < self._endpoint.max_retries:
                wait_s = self._wait(retries, fault)
                retries += 1
                yield Retry(attempt, self._presentable(fault.reason), wait_s)
                await self._sleep(wait_s)
            elif fault.retry and reader.has_text:
                for delta in reader.cut():
                    yield delta
                break
            else:
                raise ModelError(fault.kind, self._sentence(fault, attempt - 1))
        completion, cached = reader.completion(messages)
        yield replace(completion, cost_usd=await self._cost(completion, cached))

    async def _attempt(self, body: dict[str, Any], reader: ChunkReader) -> AsyncGenerator[Delta, None]:
        """One request, its deltas as they come; `_AttemptFailed` when it does not work out."""
        client = await self._open()
        import openai

        async with self._limit():
            try:
                async with await client.chat.completions.create(**body) as stream:
                    async for chunk in stream:
                        for delta in reader.feed(chunk):
                            yield delta
                        if reader.stopped:
                            break
                for delta in reader.end():
                    yield delta
            # ValueError: StreamError, and what the SDK lets through of broken JSON and UTF-8.
            except (openai.OpenAIError, ValueError, OSError) as error:
                fault = fault_of(error)
                if isinstance(error, StreamError) and reader.finish is None and not reader.has_text:
                    fault = replace(
                        fault, reason=f"{fault.reason}: is {self._endpoint.base_url} the right URL?"
                    )
                raise _AttemptFailed(fault) from None

    async def _open(self) -> AsyncOpenAI:
        if self._client is None:
            # Importing the SDK takes about 0.3 s: not on the event loop.
            client = await asyncio.to_thread(self._connect)
            self._client = self._client or client
        return self._client

    def _connect(self) -> AsyncOpenAI:
        import openai

        timeout = self._endpoint.timeout_s
        client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=self._endpoint.base_url,
            timeout=openai.Timeout(timeout, connect=min(CONNECT_S, timeout)),
            max_retries=0,
        )
        # The SDK fills these in from OPENAI_* variables, which are not meant for every endpoint.
        client.organization, client.project = self._endpoint.organization, None
        return client

    def _limit(self) -> asyncio.Semaphore:
        here = _limits.setdefault(asyncio.get_running_loop(), {})
        address = (self._endpoint_name, self._endpoint.base_url)
        return here.setdefault(address, asyncio.Semaphore(self._endpoint.max_concurrency))

    def _wait(self, retries: int, fault: Fault) -> float:
        """Seconds before the next attempt: as asked, else doubled each time with up to half taken off."""
        if fault.wait_s is not None:
            return min(fault.wait_s, MAX_WAIT_S)
        return min(BACKOFF_S * 2.0**retries, MAX_WAIT_S) * (0.5 + self._rng.random() / 2)

    async def _cost(self, completion: Completion, cached: int) -> float | None:
        args = self._endpoint.base_url, self._model, completion.tokens_in, completion.tokens_out, cached
        return await asyncio.to_thread(cost_usd, *args)  # the first call reads the price table

    def _sentence(self, fault: Fault, attempts: int) -> str:
        """What failed, where, and what to do about it."""
        where = f"{self.name} at {self._endpoint.base_url}"
        variable = self._endpoint.api_key_env or f"api_key_env of endpoint {self._endpoint_name!r}"
        advice = {
            "auth": f": check the key in {variable}" if self._key else f": it wants a key, set {variable}",
            "not-found": ": check the model's name and the endpoint's base_url",
            "connection": ": is the server running and the base_url right?",
            "context-length": ": shorten the prompt or take a model with a longer context",
        }.get(fault.kind, "")
        tried = f" (tried {attempts} times)" if attempts > 1 else ""
        return f"{where}: {self._presentable(fault.reason)}{tried}{advice}"

    def _presentable(self, text: str) -> str:
        """One line without the key: servers like to repeat the key they were sent."""
        return clip(text.replace(self._key, "[key]") if self._key else text)

    async def aclose(self) -> None:
        """Close the connections; the next call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


def _configured(known: Quirks, model: str, endpoint: Endpoint) -> Quirks:
    """What is known of the model, corrected by the first matching entry of the endpoint."""
    from fnmatch import fnmatchcase

    for pattern, own in endpoint.quirks.items():
        if fnmatchcase(model, pattern):
            changes = own.model_dump(exclude_none=True)
            if "drop" in changes:
                changes["drop"] = frozenset(changes["drop"])
            return replace(known, **changes)
    return known
