"""What servers send as an answer, in whatever shape, and how they say that it ended."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.config import ModelQuirks
from engine.models.base import Completion, Delta, ModelError, Retry, Sampling, Spent
from engine.models.chunks import ChunkReader
from engine.models.event_stream import EventReader
from engine.models.finish import ending_of
from engine.models.parts import whole
from engine.models.usage import Usage
from tests.support.bench import bench
from tests.support.openai_server import CUT, DONE, HANG, Piece, Reply, answer, chunk, in_turn, usage

END: list[Piece] = [chunk(finish="stop"), usage(3, 4), DONE]
JSON = {"content-type": "application/json"}


def read(*pieces: Piece) -> Completion:
    """What a reader makes of one stream."""
    reader = ChunkReader()
    for piece in pieces:
        data = piece if isinstance(piece, bytes) else f"data: {json.dumps(piece)}\n\n".encode()
        list(reader.feed(data))
    list(reader.end())
    return reader.completion([])


@pytest.mark.parametrize(
    ("delta", "reasoning", "text"),
    [
        ({"content": [{"type": "text", "text": "B"}]}, "", "B"),
        ({"content": ["A", "B"]}, "", "AB"),
        (
            {"content": [{"type": "output_text", "text": "B"}, {"type": "image_url", "image_url": {}}]},
            "",
            "B",
        ),
        ({"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "B"}]}, "hm", "B"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, "hm", ""),
        ({"content": [{"type": "reasoning", "text": "hm"}, {"text": "B"}]}, "hm", "B"),
        ({"content": {"type": "text", "text": "B"}}, "", "B"),
        ({"content": "B", "reasoning": {"text": "hm"}}, "hm", "B"),
        ({"content": "B", "reasoning": {"content": "hm", "id": "rs_1"}}, "hm", "B"),
        ({"content": "B", "reasoning": {"summary": [{"type": "summary_text", "text": "hm"}]}}, "hm", "B"),
        ({"content": "B", "reasoning": {"type": "encrypted", "data": "x"}}, "", "B"),
        ({"content": "B", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "hm", "B"),
        (
            {
                "content": "B",
                "reasoning": "hm",
                "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
            },
            "hm",
            "B",
        ),
        ({"content": "B", "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}, "hm", "B"),
        ({"content": "B", "reasoning_content": None, "refusal": None}, "", "B"),
    ],
)
def test_content_and_reasoning_of_any_shape(delta: dict[str, Any], reasoning: str, text: str) -> None:
    done = read({"choices": [{"index": 0, "delta": delta}]}, *END)
    assert (done.reasoning, done.text) == (reasoning, text)


@pytest.mark.parametrize(
    "piece",
    [
        {"choices": [{"index": 0, "message": {"content": "B"}}]},
        {"choices": [{"delta": {"content": "B"}}]},
        {"choices": [{"index": 0, "text": "B"}]},
        {"choices": [{"index": 1, "delta": {"content": "no"}}, {"index": 0, "delta": {"content": "B"}}]},
        {"id": "x", "choices": [{"index": 0, "delta": {"content": "B"}, "logprobs": None}], "error": None},
    ],
    ids=["message", "no-index", "text", "two-choices", "null-error"],
)
def test_choices_of_any_shape(piece: dict[str, Any]) -> None:
    assert read(piece, *END).text == "B"


def event(text: str) -> bytes:
    return json.dumps(chunk(text)).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"data: " + event("B") + b"\n\ndata: [DONE]\n\n",
        b"data:" + event("B") + b"\r\n\r\ndata:[DONE]\r\n\r\n",
        b"data: " + event("B") + b"\r\rdata: [DONE]\r\r",
        b"data: " + event("") + b"\ndata: " + event("B") + b"\ndata: [DONE]\n",
        b": ping\n\nid: 1\nevent: message\nretry: 5\ndata: " + event("B") + b"\n\ndata: [DONE]\n\n",
        b"\xef\xbb\xbfdata: " + event("B") + b"\n\ndata: [DONE]",
        b"data: "
        + json.dumps(chunk("B"), indent=1).replace("\n", "\ndata: ").encode()
        + b"\n\ndata: [DONE]\n\n",
        json.dumps(chunk("B"), indent=1).encode(),
        event("") + b"\n" + event("B") + b"\n",
    ],
    ids=["plain", "crlf", "cr", "no-blank", "comments", "bom", "many-lines", "document", "json-lines"],
)
def test_events_in_any_dress_and_cut_anywhere(data: bytes) -> None:
    for cut in range(len(data) + 1):
        reader = EventReader()
        values = [*reader.feed(data[:cut]), *reader.feed(data[cut:]), *reader.close()]
        assert values[-1] == chunk("B"), cut


@given(st.lists(st.binary(max_size=40), max_size=12))
def test_any_bytes_give_an_answer_or_one_error(parts: list[bytes]) -> None:
    reader = ChunkReader()
    try:
        for part in parts:
            list(reader.feed(part))
        list(reader.end())
    except ValueError as error:
        assert str(error)


WORDS = {
    "stop": "complete",
    "STOP": "complete",
    "end_turn": "complete",
    "eos_token": "complete",
    "COMPLETE": "complete",
    "tool_calls": "complete",
    "length": "truncated",
    "model_length": "truncated",
    "MAX_TOKENS": "truncated",
    "FinishReason.MAX_TOKENS": "truncated",
    "max-output-tokens": "truncated",
    "model_context_window_exceeded": "truncated",
    "content_filter": "refused",
    "SAFETY": "refused",
    "RECITATION": "refused",
    "FINISH_REASON_BLOCKLIST": "refused",
    "guardrail_intervened": "refused",
    "sensitive": "refused",
    "abort": "failed",
    "error": "failed",
    "insufficient_system_resource": "failed",
    "network_error": "failed",
    "MALFORMED_FUNCTION_CALL": "failed",
    "gave up": "unknown",
    "length?": "unknown",
    "ストップ": "unknown",
}


@pytest.mark.parametrize(("word", "ending"), WORDS.items())
async def test_how_an_answer_ended(word: str, ending: str) -> None:
    assert ending_of(word) == ending
    broken = Reply([chunk("so far"), chunk(finish=word), usage(3, 4), DONE])
    async with bench(in_turn(broken, answer("whole", tokens=(3, 4)))) as b:
        if ending == "refused":
            with pytest.raises(ModelError, match="withheld") as caught:
                await b.ask()
            assert (caught.value.kind, caught.value.spent) == ("refused", Spent(3, 4, None))
            assert len(b.server.requests) == 1
            return
        items, done = await b.ask()
    expected = {
        "complete": ("so far", 1, ()),
        "truncated": ("so far", 1, ("truncated",)),
        "failed": ("whole", 2, ()),
        "unknown": ("so far", 1, ("unknown-finish",)),
    }
    assert (done.text, len(b.server.requests), done.flags) == expected[ending]
    assert done.tokens_out == 4 * len(b.server.requests)  # an attempt that failed was paid for as well
    assert sum(isinstance(i, Retry) for i in items) == len(b.server.requests) - 1


@pytest.mark.parametrize(
    ("script", "requests", "finish", "flags"),
    [
        ([chunk("so far"), DONE], 1, "unsaid", ("unknown-finish", "estimated-tokens")),
        ([chunk("so far"), usage(3, 4)], 1, "unsaid", ("unknown-finish",)),
        ([chunk("so far", finish="null"), usage(3, 4), DONE], 1, "unsaid", ("unknown-finish",)),
        ([chunk("so far", finish="stop")], 1, "stop", ("estimated-tokens",)),
        ([chunk("so far")], 2, "cut", ("truncated", "estimated-tokens")),
        ([chunk("so far") | {"usage": usage(3, 4)["usage"]}], 2, "cut", ("truncated",)),
        ([chunk("so far", finish=""), CUT], 2, "cut", ("truncated", "estimated-tokens")),
        ([chunk("so far", finish="abort"), DONE], 2, "cut", ("truncated", "estimated-tokens")),
    ],
    ids=["done", "usage", "null-word", "no-done", "nothing", "running-total", "empty-word", "aborted-always"],
)
async def test_an_answer_that_does_not_say_how_it_ended(
    script: list[Piece], requests: int, finish: str, flags: tuple[str, ...]
) -> None:
    async with bench(lambda _: Reply(script), max_retries=1) as b:
        _, done = await b.ask()
    assert (done.text, done.finish, done.flags) == ("so far", finish, flags)
    assert len(b.server.requests) == requests


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ([{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}], (10, 5)),
        ([{"prompt_tokens": 10.0, "completion_tokens": 5.0}], (10, 5)),
        ([{"input_tokens": 10, "output_tokens": 5}], (10, 5)),
        ([{"input_tokens": 10, "output_tokens": 1}, {"output_tokens": 5}], (10, 5)),
        ([{"prompt_tokens": 10, "completion_tokens": n, "total_tokens": 10 + n} for n in (1, 3, 5)], (10, 5)),
        ([{"prompt_tokens": 10, "completion_tokens": 5}, None, {}], (10, 5)),
        # Inside of completion_tokens (OpenAI), beside them (xAI), beside them and not named (Gemini).
        (
            [
                {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "total_tokens": 15,
                    "completion_tokens_details": {"reasoning_tokens": 4},
                }
            ],
            (10, 5),
        ),
        (
            [
                {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "total_tokens": 17,
                    "completion_tokens_details": {"reasoning_tokens": 2},
                }
            ],
            (10, 7),
        ),
        (
            [
                {
                    "prompt_tokens": 10,
                    "completion_tokens": 5,
                    "completion_tokens_details": {"reasoning_tokens": 90},
                }
            ],
            (10, 95),
        ),
        ([{"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45}], (10, 35)),
        ([{"prompt_tokens": 10, "completion_tokens": 5, "reasoning_tokens": 0, "total_tokens": 15}], (10, 5)),
        ([{"prompt_tokens": 10, "completion_tokens": -5}], None),
        ([{"prompt_tokens": None, "completion_tokens": None, "total_tokens": 15}], None),
        ([{"prompt_tokens": True, "completion_tokens": "5"}], None),
        ([{"prompt_tokens": float("nan"), "completion_tokens": float("inf")}], None),
        ([7, "x", []], None),
    ],
)
def test_usage(counts: list[Any], expected: tuple[int, int] | None) -> None:
    seen = Usage()
    for count in counts:
        seen.note(count)
    assert ((seen.tokens_in, seen.tokens_out) if seen.known else None) == expected


@pytest.mark.parametrize(
    "place",
    [
        lambda counts: chunk() | {"usage": counts},
        lambda counts: chunk() | {"choices": [{"index": 0, "delta": {}, "usage": counts}]},
        lambda counts: chunk() | {"x_groq": {"usage": counts}},
    ],
    ids=["piece", "choice", "groq"],
)
def test_usage_is_found_where_it_is(place: Any) -> None:
    done = read(chunk("B", finish="stop"), place({"prompt_tokens": 3, "completion_tokens": 4}), DONE)
    assert (done.tokens_in, done.tokens_out, done.flags) == (3, 4, ())


async def test_failed_attempts_are_charged_even_if_none_works_out() -> None:
    script: list[Piece] = [usage(3, 4), {"error": {"message": "died"}}]
    async with bench(lambda _: Reply(script), max_retries=2) as b:
        with pytest.raises(ModelError, match="died") as caught:
            await b.ask()
    assert caught.value.spent == Spent(9, 12, None)


@pytest.mark.parametrize("shape", ["message", "delta", "parts"])
async def test_an_answer_that_comes_whole_is_shown_whole(shape: str) -> None:
    said = {
        "message": {"content": "All."},
        "delta": {"content": "All."},
        "parts": {"content": [{"text": "All."}]},
    }
    choice = {"index": 0, "finish_reason": "stop", "delta" if shape == "delta" else "message": said[shape]}
    body = {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    async with bench(lambda _: Reply([json.dumps(body).encode()], 200, JSON)) as b:
        items, done = await b.ask()
    assert items == [Delta("text", "All.")]
    assert (done.text, done.tokens_out, done.flags, len(b.server.requests)) == ("All.", 4, (), 1)


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a \ud83d", "\ude00 b"], "a 😀 b"),
        (["a \ud83d", " b"], "a \ufffd b"),
        (["a \ude00 b"], "a \ufffd b"),
        (["a \ud83d"], "a \ufffd"),
        (["\ud83d\ud83d\ude00"], "\ufffd😀"),
    ],
)
def test_halves_of_characters(pieces: list[str], text: str) -> None:
    assert read(*(chunk(p) for p in pieces), *END).text == text


@given(st.text(st.characters(codec=None), max_size=30))
def test_whole_text_can_be_stored(text: str) -> None:
    whole(text).encode("utf-8")
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert whole(text) == text


async def test_only_reasoning_is_said() -> None:
    async with bench(lambda _: answer("", reasoning="I think it is B.")) as b:
        _, done = await b.ask()
    assert (done.text, done.reasoning, done.flags) == ("", "I think it is B.", ("empty", "only-reasoning"))


async def test_what_came_before_an_error_is_streamed_even_if_it_came_with_it() -> None:
    together = b"".join(b"data: " + event(text) + b"\n\n" for text in ("half ", "an ")) + b"data: {broken\n\n"
    async with bench(lambda _: Reply([together]), max_retries=0) as b:
        items, done = await b.ask()
    assert items == [Delta("text", "half "), Delta("text", "an ")]
    assert (done.text, done.finish) == ("half an ", "cut")


async def test_what_follows_a_stop_string_is_not_read() -> None:
    own = {"*": ModelQuirks(drop=["stop"])}
    script: list[Piece] = [b"data: " + event("a END b") + b"\n\ndata: {half of", HANG]
    async with bench(lambda _: Reply(script), quirks=own) as b:
        _, done = await b.ask(Sampling(stop=("END",)))
    assert (done.text, done.finish) == ("a ", "stop")
