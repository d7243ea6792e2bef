"""What endpoints say is wrong, in whatever body; what of it teaches, and what ends the call."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from engine.models.base import ModelError, Retry, Sampling
from engine.models.error_bodies import page_title, read_error
from tests.support.bench import bench
from tests.support.openai_server import DONE, Reply, answer, chunk, failure, in_turn

JSON = {"content-type": "application/json"}
ALL = Sampling(temperature=0.3, top_p=0.9, max_tokens=7, seed=3, stop=("END",))


def told(body: Any, status: int = 400, **headers: str) -> Reply:
    """A reply with this body, as it is or as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply([data], status, JSON | headers)


NESTED: Any = {"error": {"message": "deep down"}}
for _ in range(5):
    NESTED = {"error": NESTED}

BODIES: list[tuple[Any, str]] = [
    ({"error": {"message": "out of paper", "code": "x"}}, "out of paper"),
    ({"error": "out of paper"}, "out of paper"),
    ({"error": "Bad Request", "message": "out of paper", "statusCode": 400}, "out of paper"),
    ({"object": "error", "message": "out of paper", "type": "BadRequestError"}, "out of paper"),
    ([{"error": {"code": 400, "message": "out of paper", "status": "INVALID_ARGUMENT"}}], "out of paper"),
    ({"detail": "out of paper"}, "out of paper"),
    ({"detail": {"error": {"msg": "out of paper"}}}, "out of paper"),
    ({"detail": [{"loc": ["body", "n"], "msg": "out of paper", "type": "t"}]}, "n: out of paper"),
    ({"errors": ["out of paper", "and ink"]}, "out of paper; and ink"),
    ({"errors": [{"code": 7, "message": "out of paper"}], "success": False}, "out of paper"),
    ({"errors": {"n": ["out of paper"]}}, "n: out of paper"),
    ({"message": {"content": "x", "error": "out of paper"}}, "out of paper"),
    ({"msg": "out of paper", "code": 1211}, "out of paper"),
    ({"fault": {"faultstring": "out of paper", "detail": {"errorcode": "x"}}}, "out of paper"),
    ({"error": {"message": '{"detail": [{"msg": "out of paper"}]}', "type": "proxy"}}, "out of paper"),
    (
        {"error": {"message": "Provider returned error", "metadata": {"raw": '{"error": "out of paper"}'}}},
        "Provider returned error (out of paper)",
    ),
    (NESTED, "deep down"),
    ({"error": {"code": "out_of_paper", "message": ""}}, "out_of_paper"),
    (b"out of paper", "out of paper"),
    (b"<html><head><title>Out of\n paper</title></head><body>nginx</body></html>", "Out of paper"),
    (b"<p>out of <b>paper</b></p>", "out of paper"),
    (b"", "Bad Request"),
    (b"{}", "Bad Request"),
    (b"[" * 100_000, "[[[["),
]


@pytest.mark.parametrize(("body", "words"), BODIES)
async def test_the_endpoints_words_are_found_in_any_body(body: Any, words: str) -> None:
    async with bench(lambda _: told(body)) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    sentence = str(caught.value)
    assert f"HTTP 400: {words}" in sentence
    assert len(sentence) < 500
    assert (caught.value.kind, len(b.server.requests)) == ("refused", 1)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "body", [{"error": {"message": "busy", "code": None}}, {"detail": "busy"}, b"busy", [{"error": "busy"}]]
)
async def test_what_passes_is_tried_again_whatever_the_body(status: int, body: Any) -> None:
    async with bench(in_turn(told(body, status), answer("ok"))) as b:
        items, done = await b.ask()
    assert done.text == "ok"
    assert [i.reason for i in items if isinstance(i, Retry)] == [f"HTTP {status}: busy"]


@pytest.mark.parametrize(
    ("reply", "kind", "requests"),
    [
        (told({"error": {"message": "No credit left", "code": 402}}, 200), "rate-limit", 1),
        (told({"error": {"message": "bad key", "code": "401"}}, 200), "auth", 1),
        (told({"error": "it fell over"}, 200), "server", 3),
        (told({"detail": "it fell over"}, 200), "server", 3),
        (told({"code": 500, "message": "it fell over"}, 200), "server", 3),
        (Reply([{"error": {"message": "too fast", "code": 429}}]), "rate-limit", 3),
        (Reply([b'event: error\ndata: {"message": "it fell over"}\n\n']), "server", 3),
        (Reply([b'event: error\ndata: "it fell over"\n\n']), "server", 3),
        (
            Reply([{"choices": [{"index": 0, "delta": {}, "error": {"message": "it fell over"}}]}]),
            "server",
            3,
        ),
        (
            told(b"<html><title>Log in</title></html>", 200, **{"content-type": "text/html"}),
            "bad-response",
            1,
        ),
        (told(b"It works!", 200, **{"content-type": "text/plain"}), "bad-response", 3),
        (told(b"", 200), "bad-response", 3),
        (told({"choices": []}, 200), "bad-response", 3),
    ],
)
async def test_errors_under_http_200(reply: Reply, kind: str, requests: int) -> None:
    async with bench(lambda _: reply, max_retries=2) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert (caught.value.kind, len(b.server.requests)) == (kind, requests)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("The input token count (9) exceeds the maximum number of tokens allowed (8).", "context-length"),
        ("input length and `max_tokens` exceed context limit: 9 + 8 > 10", "context-length"),
        ("This model's maximum prompt length is 8 but the request contains 9 tokens.", "context-length"),
        ("Input validation error: `inputs` must have less than 1024 tokens. Given: 2000", "context-length"),
        ("The decoder prompt (length 9) is longer than the maximum model length of 8.", "context-length"),
        ("Please reduce the length of the messages or completion.", "context-length"),
        ("Request too large for m on tokens per minute (TPM): Limit 8, Requested 9", "context-length"),
        ("model 'm' not found, try pulling it first", "not-found"),
        ("The model `m` does not exist or you do not have access to it.", "not-found"),
        ("Your credit balance is too low to access the API.", "rate-limit"),
        ("Insufficient Balance", "rate-limit"),
        ("`n` must be 1", "refused"),
    ],
)
async def test_refusals_by_their_words(message: str, kind: str) -> None:
    async with bench(lambda _: failure(400, message)) as b:
        with pytest.raises(ModelError) as caught:
            await b.ask()
    assert (caught.value.kind, len(b.server.requests)) == (kind, 1)


def gives(**fields: Any) -> Callable[[dict[str, Any]], bool]:
    return lambda request: all(request.get(name) == value for name, value in fields.items())


def has(*names: str) -> Callable[[dict[str, Any]], bool]:
    return lambda request: any(name in request for name in names)


def both(request: dict[str, Any]) -> bool:
    return "temperature" in request and "top_p" in request


def role(*names: str) -> Callable[[dict[str, Any]], bool]:
    return lambda request: any(m["role"] in names for m in request["messages"])


# (when it refuses, status, body, what is no longer sent)
LESSONS: list[tuple[Callable[[dict[str, Any]], bool], int, Any, set[str]]] = [
    (has("seed"), 400, {"error": {"message": "Unrecognized request argument supplied: seed"}}, {"seed"}),
    (has("seed"), 400, {"error": {"message": "seed is not supported", "param": "seed"}}, {"seed"}),
    (
        has("seed"),
        422,
        {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]},
        {"seed"},
    ),
    (has("seed"), 400, [{"error": {"message": 'Unknown name "seed": Cannot find field.'}}], {"seed"}),
    (
        has("seed"),
        400,
        b"UnsupportedParamsError: x does not support parameters: ['seed'], for model=m",
        {"seed"},
    ),
    (has("seed"), 500, {"error": "got an unexpected keyword argument 'seed'"}, {"seed"}),
    (has("seed"), 400, {"message": "property 'seed' is unsupported", "type": "x"}, {"seed"}),
    (has("seed"), 400, {"errors": {"seed": ["is not allowed"]}}, {"seed"}),
    (has("stop"), 400, {"error": {"message": "Unsupported parameter: 'stop' is not supported"}}, {"stop"}),
    (has("stop"), 400, {"error": "`stop` must hold at most 4 strings"}, {"stop"}),
    (
        has("temperature"),
        400,
        {"error": {"message": "invalid temperature: only 1 is allowed"}},
        {"temperature"},
    ),
    (
        has("temperature"),
        400,
        {
            "error": {
                "message": "'temperature' does not support 0.3 with this model. Only the default (1) is."
            }
        },
        {"temperature"},
    ),
    (has("temperature"), 400, b"temperature must be 1 when thinking is enabled", {"temperature"}),
    (has("temperature"), 422, {"error": "`temperature` must be strictly positive"}, {"temperature"}),
    (
        has("temperature"),
        400,
        {"error": {"message": "temperature is deprecated for this model"}},
        {"temperature"},
    ),
    (
        has("top_p"),
        400,
        {"error": {"message": "top_p: Input should be less than or equal to 0.5"}},
        {"top_p"},
    ),
    (both, 400, {"error": {"message": "`temperature` and `top_p` cannot both be specified"}}, {"top_p"}),
    (both, 400, {"error": "temperature and top_p are mutually exclusive. Please use only one."}, {"top_p"}),
    (has("seed", "stop"), 400, b"Unsupported parameters: seed, stop", {"seed", "stop"}),
    (
        has("seed", "top_p"),
        422,
        {
            "detail": [
                {"loc": ["body", n], "msg": "Extra inputs are not permitted"} for n in ("seed", "top_p")
            ]
        },
        {"seed", "top_p"},
    ),
    (
        has("temperature", "top_p"),
        400,
        {"error": {"message": "`temperature` and `top_p` are not supported. Supported: `seed`, `stop`."}},
        {"temperature", "top_p"},
    ),
    (has("stream_options"), 400, b"unknown field: stream_options", {"stream_options"}),
    (has("stream_options"), 500, {"error": "extra field stream_options not permitted"}, {"stream_options"}),
    (
        has("max_tokens"),
        400,
        {"error": "max_tokens is too large: 7. At most 5 are supported."},
        {"max_tokens"},
    ),
    (
        gives(stream=True),
        400,
        {"error": {"message": "Your organization must be verified to stream"}},
        {"stream"},
    ),
    (gives(stream=True), 400, {"error": "Streaming is not supported for this model"}, {"stream"}),
    (gives(stream=True), 403, {"error": {"message": "streaming is disabled", "param": "stream"}}, {"stream"}),
    (
        gives(stream=True),
        422,
        {"detail": [{"loc": ["body", "stream"], "msg": "Input should be False"}]},
        {"stream"},
    ),
    (gives(stream=True), 501, b"stream=true is not implemented; not supported", {"stream"}),
]


@pytest.mark.parametrize(("refuses", "status", "body", "gone"), LESSONS)
async def test_a_refusal_teaches_at_once_and_for_good(
    refuses: Callable[[dict[str, Any]], bool], status: int, body: Any, gone: set[str]
) -> None:
    async with bench(lambda request: told(body, status) if refuses(request) else reply(request)) as b:
        items, done = await b.ask(ALL)
        first = list(b.server.requests)
        again, _ = await b.ask(ALL)
    assert done.text == "fine"
    expected = gone | ({"stream_options"} if "stream" in gone else set())
    assert set(first[0]) - set(first[1]) == expected
    (retry,) = (i for i in items if isinstance(i, Retry))
    assert retry.reason.startswith("asked again without")
    assert (len(first), len(b.server.requests), b.waits) == (2, 3, [])
    assert not [i for i in again if isinstance(i, Retry)]


def reply(request: dict[str, Any]) -> Reply:
    """A stream where one was asked for, else the whole answer."""
    if request.get("stream"):
        return answer("fine")
    choice = {"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}
    return told({"choices": [choice]}, 200)


MERGED = [{"role": "user", "content": "Be brief.\n\nHi"}]
DEVELOPER = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("model", "message", "refused", "messages"),
    [
        ("m", "System role not supported", ("system",), MERGED),
        ("m", "Only user and assistant roles are supported!", ("system",), MERGED),
        ("m", "Conversation roles must alternate user/assistant/user/assistant/...", ("system",), MERGED),
        ("m", "messages.0.role: Input should be 'user' or 'assistant'", ("system",), MERGED),
        (
            "m",
            'messages: Unexpected role "system". Use the top-level `system` parameter.',
            ("system",),
            MERGED,
        ),
        ("m", "This model does not support system prompts", ("system",), MERGED),
        ("m", "Developer instruction is not enabled for models/m", ("system",), MERGED),
        ("m", "'messages[0].role' does not support 'system' with this model.", ("system",), MERGED),
        (
            "o3-mini",
            "developer is not one of ['system', 'assistant', 'user'] - 'messages.0.role'",
            ("developer",),
            0,
        ),
        ("o3-mini", "Unexpected message role 'developer'", ("developer",), 0),
    ],
)
async def test_roles_that_are_not_taken(
    model: str, message: str, refused: tuple[str, ...], messages: Any
) -> None:
    refuses = role(*refused)
    async with bench(lambda r: failure(400, message) if refuses(r) else answer("fine"), model) as b:
        items, _ = await b.ask()
        await b.ask()
    assert len(b.server.requests) == 3
    assert b.server.requests[-1]["messages"] == (messages or DEVELOPER)
    assert sum(isinstance(i, Retry) for i in items) == 1


@pytest.mark.parametrize(
    "message",
    [
        "The server had to stop unexpectedly",
        "Invalid request",
        "This model only supports streaming",
        "stream must be set to true",
        "n must be 1",
        "The planted seed word is not understood",
        "messages must not be empty",
    ],
)
async def test_what_teaches_nothing_is_not_asked_again(message: str) -> None:
    async with bench(lambda _: failure(400, message)) as b:
        with pytest.raises(ModelError):
            await b.ask(ALL)
    assert len(b.server.requests) == 1


async def test_two_calls_that_are_refused_at_once_learn_it_once() -> None:
    arrived = 0
    everyone = asyncio.Event()

    async def handle(request: dict[str, Any]) -> Reply:
        nonlocal arrived
        arrived += 1
        if arrived == 3:
            everyone.set()
        await everyone.wait()
        return failure(400, "seed is not supported") if "seed" in request else answer("fine")

    async with bench(handle) as b:
        calls = await asyncio.gather(*(b.ask(Sampling(seed=n)) for n in range(3)))
        later, _ = await b.ask(Sampling(seed=4))
    reasons = [i.reason for items, _ in calls for i in items if isinstance(i, Retry)]
    assert sum("without seed" in r for r in reasons) == 1
    assert sum("an earlier refusal" in r for r in reasons) == 2
    assert (len(b.server.requests), later) == (7, later)
    assert not [i for i in later if isinstance(i, Retry)]


async def test_a_refusal_in_the_stream_teaches_too() -> None:
    def handle(request: dict[str, Any]) -> Reply:
        bad = {"error": {"message": "seed is not supported", "code": 400}}
        return Reply([bad]) if "seed" in request else Reply([chunk("fine", finish="stop"), DONE])

    async with bench(handle) as b:
        _, done = await b.ask(ALL)
    assert (done.text, len(b.server.requests)) == ("fine", 2)


def test_bodies_are_read_without_end() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"error": [deep]}
    read_error(deep)
    assert len(page_title("<" * 1_000_000)) <= 200
