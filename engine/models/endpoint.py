"""A model behind an OpenAI-compatible endpoint: streaming, visible retries, and no key in any message."""

from __future__ import annotations

import asyncio
import random
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling, Share, Spent
from engine.models.chunks import ESTIMATED, ChunkReader
from engine.models.connection import address, connect, is_here, proxy_variable
from engine.models.faults import Fault, StreamError, clip, come_back, fault_of
from engine.models.lessons import learn
from engine.models.pacing import Pace, arrivals
from engine.models.prices import cost_usd
from engine.models.quirks import Quirks, quirks_of, request_body
from engine.secrets import hide

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from engine.config import Endpoint

BACKOFF_S = 0.5  # before the second attempt; doubled for each one after, up to MAX_BACKOFF_S
MAX_BACKOFF_S = 60.0
MAX_WAIT_S = 300.0  # an endpoint that asks for a longer wait is not waited for
_MAX_LESSONS = 6  # how often one call may be corrected: a server that refuses more often will never accept it

# Calls under way, by event loop and endpoint: two models of one endpoint share its limit.
_limits: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], asyncio.Semaphore]]
_limits = weakref.WeakKeyDictionary()


class _AttemptFailed(Exception):  # noqa: N818 - a signal between two functions of this file
    def __init__(self, fault: Fault) -> None:
        self.fault = fault


class EndpointModel:
    """One model of one endpoint. What a refused request teaches is remembered for later calls."""

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
        """`model` is the name that the endpoint knows. `sleep` (seconds) and `rng` (jitter) are for tests to
        replace.

        Raises:
            ModelError: the endpoint needs a key and has none that can be sent, or its address is not valid.
        """
        self.name = name
        self._model, self._endpoint_name, self._endpoint = model, endpoint_name, endpoint
        if problem := endpoint.key_problem(endpoint_name):
            raise ModelError("auth", f"endpoint {endpoint_name!r} needs a key: {problem}")
        try:
            self._address = address(endpoint.base_url)
        except ValueError as error:
            text = f"its base_url {endpoint.base_url} cannot be used ({error}): correct it"
            raise ModelError("connection", f"endpoint {endpoint_name!r}: {text}") from None
        self._has_key = endpoint.key() is not None
        self._is_here = is_here(endpoint.base_url)
        self._sleep, self._rng = sleep, rng or random.Random()
        self._quirks = _configured(quirks_of(model), model, endpoint)
        self._client: AsyncOpenAI | None = None

    async def stream(
        self, messages: Sequence[Message], sampling: Sampling
    ) -> AsyncGenerator[Delta | Retry | Share | Completion, None]:
        """Stream one completion.

        Raises:
            ModelError: there is no completion, after the endpoint's `max_retries` where trying again may
            help.
        """
        attempt, retries, lessons = 1, 0, 0
        readers: list[ChunkReader] = []
        while True:
            quirks = self._quirks
            body = request_body(self._model, messages, sampling, quirks)
            stops = sampling.stop if "stop" in quirks.drop else ()
            reader = ChunkReader(stops=stops, thinks_first=quirks.thinks_first)
            readers.append(reader)
            try:
                async with aclosing(self._attempt(body, reader)) as items:
                    async for item in _until_answered(items) if self._is_here else items:
                        yield item
                break
            except _AttemptFailed as failed:
                fault = failed.fault
            attempt += 1
            retry = lessons < _MAX_LESSONS and self._corrected(quirks, body, fault)
            if retry:
                lessons += 1
                yield Retry(attempt, retry, 0.0)
            elif fault.retry and retries < self._endpoint.max_retries and not _is_long(fault):
                wait_s = self._wait(retries, fault)
                retries += 1
                yield Retry(attempt, _presentable(fault.reason), wait_s)
                yield Share(0)
                await self._sleep(wait_s)
                yield Share(1)
            elif fault.retry and reader.has_text:
                for delta in reader.cut():
                    yield delta
                break
            else:
                spent = await self._charged(readers, messages)
                raise ModelError(fault.kind, self._sentence(fault, attempt - 1), spent)
        completion = reader.completion(messages)
        # What failed attempts wrote has to be paid for as well.
        spent = await self._charged(readers, messages)
        counted = all(one.usage.known for one in readers if one.has_begun)
        flags = completion.flags if counted else tuple({**dict.fromkeys(completion.flags), ESTIMATED: None})
        yield replace(completion, **asdict(spent), flags=flags)

    def _corrected(self, sent: Quirks, body: dict[str, Any], fault: Fault) -> str:
        """How to ask a refused request again, in words; "" where it is not asked again. What the refusal
        teaches is kept for all calls.
        """
        if not fault.refusal:
            return ""
        if sent != self._quirks:  # another call was refused meanwhile and taught something
            return "asked again, as an earlier refusal taught"
        lesson = learn(sent, body, fault.reason, fault.params)
        if lesson is None:
            return ""
        self._quirks, how = lesson
        return f"asked again {how}: {_presentable(fault.reason)}"

    async def _attempt(
        self, body: dict[str, Any], reader: ChunkReader
    ) -> AsyncGenerator[Delta | Share, None]:
        """One request, once it is its turn, and its deltas as they come. Raises `_AttemptFailed` where it
        fails.
        """
        client = await self._open()
        import anyio
        import httpx2
        import openai

        limit = self._limit()
        waits = limit.locked()
        if waits:
            yield Share(0)
        async with limit:
            if waits:
                yield Share(1)
            try:
                # Read as bytes: the SDK's objects cost time for every token, and hide what is not a chunk.
                async with client.chat.completions.with_streaming_response.create(**body) as response:
                    pace = Pace()
                    async with aclosing(arrivals(response.iter_bytes())) as chunks:
                        async for data, was_read in chunks:
                            for delta in reader.feed(data):
                                yield delta
                            if reader.stopped:
                                break
                            if was_read and not reader.done:
                                await pace.keep(len(data))
                for delta in reader.end():
                    yield delta
            except (
                *(openai.OpenAIError, httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError),
                *(anyio.EndOfStream, ValueError, OSError),  # ValueError: what came cannot be read
            ) as error:
                fault = fault_of(error)
                if isinstance(error, StreamError) and fault.kind == "bad-response" and not reader.has_begun:
                    fault = replace(fault, reason=f"{fault.reason}: is {self._address} the right URL?")
                raise _AttemptFailed(fault) from None

    async def _open(self) -> AsyncOpenAI:
        if self._client is None:
            # Importing the SDK takes about 0.3 s: not on the event loop.
            client = await asyncio.to_thread(connect, self._endpoint_name, self._endpoint)
            self._client = self._client or client
        return self._client

    def _limit(self) -> asyncio.Semaphore:
        here = _limits.setdefault(asyncio.get_running_loop(), {})
        place = (self._endpoint_name, self._endpoint.base_url)
        return here.setdefault(place, asyncio.Semaphore(self._endpoint.max_concurrency))

    def _wait(self, retries: int, fault: Fault) -> float:
        """Seconds before the next attempt: as the endpoint asks, else doubled each time, less a random part
        of up to a half, so that calls which failed together do not return together.
        """
        if fault.wait_s is not None:
            return fault.wait_s
        return min(BACKOFF_S * 2.0**retries, MAX_BACKOFF_S) * (0.5 + self._rng.random() / 2)

    async def _charged(self, readers: Sequence[ChunkReader], messages: Sequence[Message]) -> Spent:
        """What the attempts cost; those that brought no part of an answer cost nothing."""
        spent = Spent()
        for reader in readers:
            if reader.has_begun:
                tokens_in, tokens_out = reader.tokens(messages)
                args = self._endpoint.base_url, self._model, tokens_in, tokens_out, reader.usage.cached
                # The first call reads the price table.
                spent += Spent(tokens_in, tokens_out, await asyncio.to_thread(cost_usd, *args))
        return spent

    def _sentence(self, fault: Fault, attempts: int) -> str:
        """What failed, where, and what to do about it."""
        where = f"{self.name} at {self._address}"
        variable = self._endpoint.api_key_env or f"api_key_env of endpoint {self._endpoint_name!r}"
        proxy = proxy_variable(self._endpoint.base_url)
        advice = {
            "auth": f"check the key in {variable}" if self._has_key else f"it wants a key, set {variable}",
            "not-found": "check the model's name and the endpoint's base_url",
            "connection": f"is the server running, and the proxy that {proxy} names?"
            if proxy
            else "is the server running and the base_url right?",
            "context-length": "shorten the prompt or take a model with a longer context",
        }.get(fault.kind)
        if _is_long(fault):
            advice = come_back(fault.wait_s or 0.0)
        tried = f" (tried {attempts} times)" if attempts > 1 else ""
        return f"{where}: {_presentable(fault.reason)}{tried}{f': {advice}' if advice else ''}"

    async def aclose(self) -> None:
        """Close the connections; a later call opens new ones."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()


async def _until_answered(
    items: AsyncIterator[Delta | Share],
) -> AsyncGenerator[Delta | Share, None]:
    """The items of a server on this machine. It loads its model when it is asked, and mostly serves one call
    after another, so that until it answers it is at work for others.
    """
    yield Share(0)
    has_begun = False
    async for item in items:
        if isinstance(item, Delta) and not has_begun:
            has_begun = True
            yield Share(1)
        if has_begun:
            yield item


def _presentable(text: str) -> str:
    """One line without keys: servers like to repeat the key they were sent."""
    return clip(hide(text))


def _is_long(fault: Fault) -> bool:
    return fault.retry and fault.wait_s is not None and fault.wait_s > MAX_WAIT_S


def _configured(by_name: Quirks, model: str, endpoint: Endpoint) -> Quirks:
    """What is known of the model, corrected by the first matching entry of the endpoint."""
    from fnmatch import fnmatchcase

    for pattern, own in endpoint.quirks.items():
        if fnmatchcase(model, pattern):
            changes = own.model_dump(exclude_none=True)
            if "drop" in changes:
                changes["drop"] = frozenset(changes["drop"])
            return replace(by_name, **changes)
    return by_name
