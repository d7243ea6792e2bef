"""How long an endpoint is left alone: what it asks for, in its units, or a pause that grows."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from engine.config import Endpoint
from engine.models.base import Completion, Delta, Message, ModelError, Retry, Sampling, Share
from engine.models.connection import is_here
from engine.models.endpoint import EndpointModel
from engine.models.faults import retry_after
from tests.support.openai_server import HANG, OpenAIServer, Reply, answer, chunk, failure, in_turn

ASK: list[Message] = [{"role": "user", "content": "Hi"}]
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def model_of(server: OpenAIServer, waits: list[float], name: str = "m", **endpoint: Any) -> EndpointModel:
    """A model whose waits are noted, not waited."""

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    told = Endpoint(**({"base_url": server.url, "api_key": "k"} | endpoint))
    return EndpointModel(f"e/{name}", name, "e", told, sleep=sleep, rng=random.Random(1))


async def ask(model: EndpointModel) -> list[Retry]:
    items = [item async for item in model.stream(ASK, Sampling())]
    assert isinstance(items[-1], Completion)
    return [item for item in items if isinstance(item, Retry)]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 7 "}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "30000"}, 30.0),
        # The finer of the two is the one that is meant.
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(NOW + timedelta(minutes=2))}, 120.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=90))}, 0.0),
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "nan"}, None),
    ],
)
def test_what_a_server_asks_for_is_read_in_its_unit(
    headers: Mapping[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 529])
async def test_every_passing_refusal_is_waited_for_as_long_as_it_asks(status: int) -> None:
    waits: list[float] = []
    replies = [
        failure(status, "later", headers={"retry-after": "3"}),
        failure(status, "later", headers={"retry-after-ms": "40"}),
        failure(status, "later", headers={"retry-after": "100"}),
    ]
    async with OpenAIServer(in_turn(*replies, answer("ok"))) as server:
        model = model_of(server, waits)
        retries = await ask(model)
        await model.aclose()
    assert waits == [3.0, 0.04, 100.0], "what is asked for is waited for, where that is minutes at most"
    assert [retry.wait_s for retry in retries] == waits


async def test_without_being_asked_the_pauses_double_and_lose_at_most_half() -> None:
    waits: list[float] = []
    async with OpenAIServer(lambda _: failure(503, "busy")) as server:
        model = model_of(server, waits, max_retries=12)
        with pytest.raises(ModelError, match="tried 13 times"):
            await ask(model)
        await model.aclose()
    whole = [min(0.5 * 2**n, 60.0) for n in range(12)]
    assert len(waits) == 12
    assert all(all_of_it / 2 <= wait <= all_of_it for wait, all_of_it in zip(waits, whole, strict=True))
    assert len({wait / all_of_it for wait, all_of_it in zip(waits, whole, strict=True)}) > 6, "not in step"


async def test_an_endpoint_that_is_waited_for_serves_others_meanwhile() -> None:
    """A call that waits holds none of the places at its endpoint."""
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await go_on.wait()

    async with OpenAIServer(in_turn(failure(503, "busy"), answer("one"), answer("two"))) as server:
        told = Endpoint(base_url=server.url, api_key="k", max_concurrency=1)
        model = EndpointModel("e/m", "m", "e", told, sleep=sleep)
        first = asyncio.create_task(ask(model))
        await waiting.wait()
        assert await ask(model) == []
        go_on.set()
        assert len(await first) == 1
        await model.aclose()


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loopback servers stand for those of other machines."""
    monkeypatch.setattr("engine.models.endpoint.is_here", lambda _: False)


@pytest.mark.usefixtures("far")
async def test_the_time_that_an_endpoint_asks_for_is_not_the_runs() -> None:
    waits: list[float] = []
    replies = in_turn(failure(503, "busy"), failure(429, "busy"), answer("ok"))
    async with OpenAIServer(replies) as server:
        model = model_of(server, waits)
        items = [item async for item in model.stream(ASK, Sampling())]
        await model.aclose()
    told = [item if isinstance(item, Share) else type(item) for item in items]
    assert told == [*[Retry, Share(0), Share(1)] * 2, Delta, Completion]


async def test_a_server_on_this_machine_is_at_work_for_others_until_it_answers() -> None:
    """Ollama, say, which loads a model for the first call, and then answers one after another."""
    waits: list[float] = []
    async with OpenAIServer(in_turn(failure(503, "loading"), answer("ok"))) as server:
        model = model_of(server, waits)
        items = [item async for item in model.stream(ASK, Sampling())]
        await model.aclose()
    told = [item if isinstance(item, Share) else type(item) for item in items]
    sent = [Share(0), Retry, Share(0), Share(1), Share(0), Share(1), Delta]
    assert told[: len(sent)] == sent
    assert {type(item) for item in items[len(sent) :]} <= {Delta, Completion}


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://localhost:11434/v1", True),
        ("http://127.0.0.1:8000/v1", True),
        ("http://127.1.2.3/v1", True),
        ("http://[::1]:1234/v1", True),
        ("http://llm.localhost/v1", True),
        ("https://localhost.example.com/v1", False),
        ("https://api.openai.com/v1", False),
        ("http://192.168.1.7:8000/v1", False),
        ("http://[fe80::1]:1/v1", False),
        ("http:///v1", False),
    ],
)
def test_which_servers_are_on_this_machine(url: str, here: bool) -> None:
    assert is_here(url) is here


@pytest.mark.usefixtures("far")
async def test_models_of_one_endpoint_share_its_places() -> None:
    """The limit is the server's, however many models are asked of it."""
    waits: list[float] = []
    async with OpenAIServer(lambda _: Reply([chunk("a"), HANG])) as server:
        models = [model_of(server, waits, name, max_concurrency=1) for name in ("m", "n")]
        first = models[0].stream(ASK, Sampling())
        await anext(first)
        second = models[1].stream(ASK, Sampling())
        assert await anext(second) == Share(0), "meanwhile it is not the run's time"
        beginning = asyncio.ensure_future(anext(second))
        done, _ = await asyncio.wait([beginning], timeout=0.1)
        assert not done and len(server.requests) == 1
        await first.aclose()
        assert await beginning == Share(1)
        assert await anext(second) == Delta("text", "a")
        assert len(server.requests) == 2
        await second.aclose()
        for model in models:
            await model.aclose()
