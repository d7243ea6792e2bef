"""The endpoint model against a real server, through the real SDK."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.config import Endpoint, ModelQuirks
from engine.models.base import Delta, ModelError, Retry, Sampling
from engine.models.endpoint import MAX_WAIT_S, EndpointModel
from tests.support.bench import ASK, KEY, Bench, bench
from tests.support.openai_server import (
    CUT,
    DONE,
    HANG,
    OpenAIServer,
    Reply,
    answer,
    chunk,
    failure,
    in_turn,
    usage,
)
from tests.support.streams import begun


def joined(items: list[Delta | Retry], channel: str) -> str:
    """The deltas of a channel since the last retry, which voids what came before."""
    last = max((i for i, item in enumerate(items) if isinstance(item, Retry)), default=-1)
    return "".join(i.text for i in items[last + 1 :] if isinstance(i, Delta) and i.channel == channel)


async def test_answer_streams_with_usage_and_reasoning() -> None:
    async with bench(lambda _: answer("Hello, world", reasoning="hmm, well", tokens=(12, 7))) as b:
        items, done = await b.ask(Sampling(temperature=0.5, max_tokens=9, seed=3, stop=("END",)))
    assert joined(items, "text") == done.text == "Hello, world"
    assert joined(items, "reasoning") == done.reasoning == "hmm, well"
    assert (done.tokens_in, done.tokens_out, done.finish, done.flags) == (12, 7, "stop", ())
    assert done.cost_usd is None
    request = b.server.requests[0]
    assert {k: request[k] for k in ("temperature", "max_tokens", "seed", "stop")} == {
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 3,
        "stop": ["END"],
    }
    assert request["stream_options"] == {"include_usage": True}
    assert b.server.headers[0]["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_think_tags_go_to_the_reasoning_channel(size: int) -> None:
    async with bench(lambda _: answer("<think>\nA, so B.\n</think>\n\nB", size=size)) as b:
        items, done = await b.ask()
    assert (done.reasoning, done.text) == ("A, so B.\n", "B")
    assert joined(items, "text") == "B"


async def test_rate_limit_storm_honours_retry_after() -> None:
    storm = [failure(429, "slow down", headers={"retry-after": after}) for after in ("3", "300", "0.25")]
    async with bench(in_turn(*storm, answer("ok"))) as b:
        items, done = await b.ask()
    assert done.text == "ok"
    assert b.waits == [3.0, MAX_WAIT_S, 0.25]
    retries = [i for i in items if isinstance(i, Retry)]
    assert [r.attempt for r in retries] == [2, 3, 4]
    assert "429" in retries[0].reason


async def test_server_errors_back_off_and_then_give_up() -> None:
    async with bench(lambda _: failure(503, f"no workers for {KEY}"), max_retries=3) as b:
        with pytest.raises(ModelError, match=r"503.*tried 4 times") as caught:
            await b.ask()
    assert caught.value.kind == "server"
    assert KEY not in str(caught.value)
    assert [0.25 <= w / 2**i <= 0.5 for i, w in enumerate(b.waits)] == [True] * 3


async def test_500_then_ok() -> None:
    async with bench(in_turn(failure(500, "oops"), answer("fine"))) as b:
        _, done = await b.ask()
    assert done.text == "fine"


@pytest.mark.parametrize("status", [401, 403])
async def test_wrong_key_is_not_retried_and_never_shown(status: int) -> None:
    async with bench(lambda _: failure(status, f"Incorrect API key provided: {KEY}")) as b:
        with pytest.raises(ModelError, match="BENCH_KEY") as caught:
            await b.ask()
    assert caught.value.kind == "auth"
    assert KEY not in str(caught.value)
    assert len(b.server.requests) == 1


@pytest.mark.parametrize(
    "status", [301, 401, 402, 403, 404, 405, 407, 408, 409, 410, 424, 425, 429, 500, 501, 503]
)
async def test_an_answer_that_any_other_call_would_get_too_is_the_set_ups_fault(status: int) -> None:
    async with bench(lambda _: failure(status, "no"), max_retries=0) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert caught.value.is_of_set_up


@pytest.mark.parametrize(
    ("status", "words"),
    [(400, "no"), (422, "no"), (403, "content_filter"), (413, "no"), (500, "the prompt is too long")],
)
async def test_an_answer_to_this_call_alone_is_not(status: int, words: str) -> None:
    async with bench(lambda _: failure(status, words, code=words), max_retries=0) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert not caught.value.is_of_set_up


def test_missing_key_is_told_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(ModelError, match="NO_SUCH_KEY is not set") as caught:
        EndpointModel("e/m", "m", "e", Endpoint(base_url="http://localhost:1/v1", api_key_env="NO_SUCH_KEY"))
    assert caught.value.kind == "auth"


CUTS: list[list[Any]] = [
    [chunk("half an "), CUT],  # the connection drops inside the body
    [chunk("half an ")],  # a clean end, but without a finish
    [chunk("half an "), b"data: {broken\n\n"],
    [chunk("half an "), b"data: \xff\xfe\n\n"],
    [chunk("half an "), {"error": {"message": "engine died", "code": 500}}],
    [chunk("half an "), {"choices": 3}],
    [chunk("half an "), chunk(reasoning_content={"a": 1})],
]


@pytest.mark.parametrize(
    "script", CUTS, ids=["cut", "no-finish", "json", "utf8", "error-event", "choices", "type"]
)
async def test_broken_stream_is_retried_from_the_beginning(script: list[Any]) -> None:
    async with bench(in_turn(Reply(script), answer("a whole answer"))) as b:
        items, done = await b.ask()
    assert joined(items, "text") == done.text == "a whole answer"
    assert sum(isinstance(i, Retry) for i in items) == 1
    assert done.flags == ("estimated-tokens",)  # nobody counted what the first attempt wrote


@pytest.mark.parametrize(
    "script", CUTS, ids=["cut", "no-finish", "json", "utf8", "error-event", "choices", "type"]
)
async def test_stream_broken_for_good_is_kept_and_flagged(script: list[Any]) -> None:
    async with bench(lambda _: Reply(script), max_retries=1) as b:
        items, done = await b.ask()
    assert joined(items, "text") == done.text == "half an "
    assert done.finish == "cut"
    assert "truncated" in done.flags


@pytest.mark.parametrize(
    "script",
    [
        [],
        [DONE],
        [chunk() | {"choices": []}] * 3,
        [b"Service is starting"],
        [b"data: [1, 2]\n\n"],
        [b"data: 7\n\n"],
    ],
    ids=["nothing", "done", "empty-choices", "text", "list", "number"],
)
async def test_stream_without_an_answer_is_an_error(script: list[Any]) -> None:
    async with bench(lambda _: Reply(script), max_retries=1) as b:
        with pytest.raises(ModelError, match="/v1") as caught:
            await b.ask()
    assert caught.value.kind == "bad-response"
    assert len(b.server.requests) == 2


async def test_empty_answer_is_flagged() -> None:
    async with bench(lambda _: answer("", finish="stop")) as b:
        _, done = await b.ask()
    assert done.flags == ("empty",)


async def test_length_is_flagged_truncated() -> None:
    async with bench(lambda _: answer("too lon", finish="length")) as b:
        _, done = await b.ask()
    assert (done.finish, done.flags) == ("length", ("truncated",))


async def test_tokens_are_estimated_and_marked_where_the_server_sends_no_usage() -> None:
    async with bench(lambda _: answer("12345678", tokens=None)) as b:
        _, done = await b.ask()
    assert (done.tokens_out, done.flags) == (2, ("estimated-tokens",))
    assert done.tokens_in > 0


async def test_usage_without_a_finish_reason_ends_the_answer_which_is_marked() -> None:
    async with bench(lambda _: Reply([chunk("all of it"), usage(3, 4), DONE])) as b:
        _, done = await b.ask()
    assert (done.text, done.finish, done.flags) == ("all of it", "unsaid", ("unknown-finish",))


async def test_silence_times_out() -> None:
    async with bench(lambda _: Reply([HANG]), timeout_s=0.05, max_retries=1) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert caught.value.kind == "timeout"


async def test_refused_connection_says_where_and_what_to_do() -> None:
    async with OpenAIServer(lambda _: answer("")) as server:
        b = Bench(server)
    b.make(max_retries=2)
    with pytest.raises(ModelError, match=r"127.0.0.1.*is the server running") as caught:
        await b.ask()
    assert caught.value.kind == "connection"
    assert len(b.waits) == 2


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (failure(400, "this is too much", code="context_length_exceeded"), "context-length"),
        (failure(400, "This model's maximum context length is 8 tokens"), "context-length"),
        (failure(400, "prompt is too long: 9 > 8"), "context-length"),
        (failure(404, "no such model"), "not-found"),
        (failure(400, "flagged", code="content_filter"), "refused"),
        (failure(400, "bad n"), "refused"),
        (failure(429, "You exceeded your quota", code="insufficient_quota"), "rate-limit"),
        (Reply([chunk("par"), chunk(finish="content_filter"), DONE]), "refused"),
        (Reply([chunk(refusal="I cannot"), chunk(finish="stop"), DONE]), "refused"),
    ],
)
async def test_final_refusals_are_not_retried(reply: Reply, kind: str) -> None:
    async with bench(lambda _: reply) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert caught.value.kind == kind
    assert len(b.server.requests) == 1


def picky(*refused: str, rename: bool = False, system: bool = True) -> Callable[[dict[str, Any]], Reply]:
    """A server that refuses parameters, one at a time, as OpenAI words it."""

    def handle(request: dict[str, Any]) -> Reply:
        if rename and "max_tokens" in request:
            text = (
                "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."
            )
            return failure(400, text, param="max_tokens", code="unsupported_parameter")
        if not system and any(m["role"] == "system" for m in request["messages"]):
            text = "Unsupported value: 'messages[0].role' does not support 'system' with this model."
            return failure(400, text, param="messages[0].role", code="unsupported_value")
        for name in refused:
            if name in request:
                return failure(400, f"Unsupported value: '{name}' does not support 0.5 with this model.")
        return answer(json.dumps(request))

    return handle


async def test_refused_parameters_are_learnt_once_and_visibly() -> None:
    handler = picky("temperature", "top_p", "stream_options", rename=True, system=False)
    async with bench(handler) as b:
        sampling = Sampling(temperature=0.5, top_p=0.9, max_tokens=7)
        items, done = await b.ask(sampling)
        first = len(b.server.requests)
        _, again = await b.ask(sampling)
    sent = json.loads(done.text)
    assert sent["max_completion_tokens"] == 7
    assert not {"temperature", "top_p", "max_tokens", "stream_options"} & set(sent)
    assert sent["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]
    reasons = [i.reason for i in items if isinstance(i, Retry)]
    assert len(reasons) == 5
    assert any("temperature" in r for r in reasons)
    assert (first, len(b.server.requests)) == (6, 7)
    assert again.text == done.text
    assert b.waits == []


async def test_known_reasoning_model_gets_what_it_takes_at_once() -> None:
    async with bench(picky("temperature", "stop", rename=True), "o3-mini") as b:
        _, done = await b.ask(Sampling(temperature=0.5, max_tokens=7, stop=("Hi",)))
    assert len(b.server.requests) == 1
    sent = b.server.requests[0]
    assert sent["messages"][0]["role"] == "developer"
    assert sent["max_completion_tokens"] == 7
    assert "Hi" not in done.text  # the stop string is applied on this side
    assert done.finish == "stop"


async def test_quirks_can_be_overridden_by_pattern() -> None:
    own = {"my-*": ModelQuirks(drop=["seed"], system="user", thinks_first=True)}
    async with bench(lambda _: answer("so B.</think>B"), "my-model", quirks=own) as b:
        items, done = await b.ask(Sampling(seed=1, temperature=1.0))
    assert "seed" not in b.server.requests[0]
    assert b.server.requests[0]["messages"] == [{"role": "user", "content": "Be brief.\n\nHi"}]
    assert joined(items, "reasoning") == done.reasoning == "so B."
    assert done.text == "B"


async def test_model_that_should_have_thought_but_did_not_keeps_its_answer() -> None:
    async with bench(lambda _: answer("just B"), "deepseek-r1-distill") as b:
        _, done = await b.ask()
    assert (done.text, done.reasoning) == ("just B", "")


async def test_calls_to_an_endpoint_are_limited() -> None:
    async with bench(lambda _: answer("x"), max_concurrency=2) as b:
        await asyncio.gather(*(b.ask() for _ in range(8)))
    assert len(b.server.requests) == 8
    assert b.server.most_busy <= 2


async def test_leaving_the_stream_early_frees_its_place() -> None:
    async with bench(lambda _: Reply([chunk("a"), HANG]), max_concurrency=1) as b:
        for _ in range(2):
            stream = b.model.stream(ASK, Sampling())
            await begun(stream)
            await stream.aclose()
    assert len(b.server.requests) == 2


async def test_no_organization_of_the_environment_reaches_an_endpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", "org-private")
    async with bench(lambda _: answer("x")) as b:
        await b.ask()
    assert "openai-organization" not in b.server.headers[0]
