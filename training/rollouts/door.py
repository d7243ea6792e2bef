"""The policy behind a server: token ids go out, token ids and log-probabilities come back.

Any OpenAI-compatible server will do whose `/completions` takes a prompt as ids and knows `return_token_ids`,
as vLLM's does. Rollouts ask it directly and do not wait for each other. They wait while its weights change,
so that one version of them writes the whole of a completion.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from engine.models.base import ModelError, Sampling
from engine.models.connection import connect
from engine.models.faults import clip, fault_of
from engine.models.local.weights import DEFAULT_ROOM
from engine.secrets import hide
from sandbox.guest.schema import Items, Number, Whole
from training.rollouts.generators import Generated

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from engine.config import Endpoint

_MOST = 1 << 20  # tokens of an answer; no model's context is longer
# Against a server's own defaults, which come from the model's generation config.
_WHOLE = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
_IDS, _LOGPS = Items(Whole(0, 1 << 31), _MOST), Items(Number(), _MOST)


class Gate:
    """Keeps calls apart from changes of the weights. Calls pass in any thread's event loop, one thread holds.

    `version` is what the calls are made with that pass now; `busy_s` are the seconds in which at least one
    was under way.
    """

    def __init__(self) -> None:
        self.version: int | None = None
        self._changed = threading.Condition()
        self._is_held = False
        self._passing, self._since, self._busy_s = 0, 0.0, 0.0
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []

    async def enter(self) -> int | None:
        """Wait until the gate is open; the version that this call is made with. `leave` afterwards."""
        while True:
            with self._changed:
                if not self._is_held:
                    if not self._passing:
                        self._since = time.perf_counter()
                    self._passing += 1
                    return self.version
                loop = asyncio.get_running_loop()
                opened: asyncio.Future[None] = loop.create_future()
                self._waiting.append((loop, opened))
            await opened

    def leave(self) -> None:
        """A call that passed has ended."""
        with self._changed:
            self._passing -= 1
            if not self._passing:
                self._busy_s += time.perf_counter() - self._since
            self._changed.notify_all()

    def hold(self) -> None:
        """Let no further call pass, and block until those that did have ended."""
        with self._changed:
            self._is_held = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._passing)

    def open(self, version: int | None) -> None:
        """Let calls pass, made with this version from now on."""
        with self._changed:
            self.version, self._is_held = version, False
            waiting, self._waiting = self._waiting, []
        for loop, opened in waiting:
            loop.call_soon_threadsafe(_open, opened)

    @property
    def busy_s(self) -> float:
        with self._changed:
            return self._busy_s + (time.perf_counter() - self._since if self._passing else 0.0)


def _open(opened: asyncio.Future[None]) -> None:
    if not opened.done():
        opened.set_result(None)


class PolicyDoor:
    """A `Source` of the policy's tokens, and a `Generator`, at an endpoint.

    The server is to compute log-probabilities after the temperature, as training does (vLLM:
    `--logprobs-mode processed_logprobs`), and to sample from the whole vocabulary.
    """

    def __init__(
        self, model: str, endpoint_name: str, endpoint: Endpoint, context: int | None = None
    ) -> None:
        """`model` is the name that the server knows, `context` how many tokens a prompt and its completion
        may have there, if that is known. Raises ModelError where the endpoint lacks its key.
        """
        if problem := endpoint.key_problem(endpoint_name):
            raise ModelError("auth", f"endpoint {endpoint_name!r} needs a key: {problem}")
        self._model, self._name, self._endpoint = model, endpoint_name, endpoint
        self._context = context
        self._client: AsyncOpenAI | None = None
        self.gate = Gate()

    async def ask(self, prompt: list[int], sampling: Sampling) -> Generated:
        """One completion. Sampling that is left open is at temperature 1, over the whole vocabulary.

        Raises ModelError where the server cannot be reached, refuses, or gives no token ids.
        """
        if self._client is None:
            self._client = self._connected()
        version = await self.gate.enter()
        try:
            return replace(await self._ask(self._client, prompt, sampling), version=version)
        finally:
            self.gate.leave()

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Sampling]) -> list[Generated]:
        """As `Generator.generate`, for a thread without an event loop: all prompts at once.

        Raises ModelError as `ask` does.
        """

        async def every() -> list[Generated]:
            async with self._connected() as client:
                completions = [
                    self._ask(client, prompt, one) for prompt, one in zip(prompts, sampling, strict=True)
                ]
                return await asyncio.gather(*completions)

        return asyncio.run(every())

    async def aclose(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    async def _ask(self, client: AsyncOpenAI, prompt: list[int], sampling: Sampling) -> Generated:
        import httpx2
        import openai

        temperature = 1.0 if sampling.temperature is None else sampling.temperature
        room = sampling.max_tokens or DEFAULT_ROOM
        if self._context is not None:
            room = min(room, self._context - len(prompt))
        if room <= 0:
            return Generated([], [], temperature or 1.0, "length")
        try:
            reply = await client.completions.create(
                model=self._model,
                prompt=prompt,
                max_tokens=room,
                temperature=temperature,
                top_p=1.0 if sampling.top_p is None else sampling.top_p,
                seed=sampling.seed,
                stop=list(sampling.stop) or None,
                logprobs=0,
                extra_body={"return_token_ids": True, "return_tokens_as_token_ids": True, **_WHOLE},
            )
            if not reply.choices:
                raise ValueError("it gives no completion")
            return _generated(reply.choices[0], prompt, temperature or 1.0)
        except (openai.OpenAIError, httpx2.HTTPError, ValueError, OSError) as error:
            fault = fault_of(error)
            if fault.kind == "context-length":  # no room for a reply: that is one without a token
                return Generated([], [], temperature or 1.0, "length")
            raise ModelError(fault.kind, self._sentence(fault.reason)) from None

    def _connected(self) -> AsyncOpenAI:
        client = connect(self._name, self._endpoint)
        return client.with_options(max_retries=self._endpoint.max_retries)

    def _sentence(self, what: str) -> str:
        return f"{self._model} at endpoint {self._name!r}: {clip(hide(what))}"


def _generated(choice: Any, prompt: list[int], temperature: float) -> Generated:
    """What a reply holds. Raises ValueError where it lacks the tokens or says that others were asked."""
    ids = getattr(choice, "token_ids", None)
    logps = getattr(getattr(choice, "logprobs", None), "token_logprobs", None)
    if ids is None or logps is None:
        raise ValueError(
            "it gives no token ids with log-probabilities; a server that knows return_token_ids does, as vLLM"
        )
    _IDS.check(ids, "token_ids")
    _LOGPS.check(logps, "token_logprobs")
    if len(ids) != len(logps):
        raise ValueError(f"it gives {len(ids)} tokens and {len(logps)} log-probabilities")
    prompt_ids = getattr(choice, "prompt_token_ids", None)
    if prompt_ids is not None and prompt_ids != prompt:
        raise ValueError("it was asked other tokens than were sent")
    return Generated(ids, logps, temperature, "length" if choice.finish_reason == "length" else "stop")
