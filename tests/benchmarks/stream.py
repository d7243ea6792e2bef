"""What streaming costs: microseconds of processor time a token, from the socket to the store.

    python -m tests.benchmarks.stream [--tokens 20000] [--answers 5] [--burst 32] [--pause 0]

A server in another process sends answers of so many tokens, an event for each, with `burst` events in a
write. Without a `pause` between writes they are read as fast as can be; with `--burst 1 --pause 0.005` a
reader may be woken for every token. They are read in turn by httpx2 with `json.loads` of each event (the
limit), by the OpenAI SDK's own objects (the peer), by our model of an endpoint, and by a run's gateway whose
events are recorded. The least of all answers counts: other work on the machine only adds to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from engine.config import Endpoint
from engine.events import RunFinished, RunStarted
from engine.forks import Fork
from engine.models.base import Completion, Message, Sampling
from engine.models.connection import connect
from engine.models.endpoint import EndpointModel
from engine.run.control import Control
from engine.run.emitter import Emitter
from engine.run.gateway import Gateway
from engine.run.ledger import Budget, Ledger
from store.recorder import Recorder
from tests.store.samples import started

MESSAGES: list[Message] = [{"role": "user", "content": "Count."}]


def event(number: int) -> bytes:
    """One token, as vLLM sends it."""
    delta = {"content": f" t{number % 1000}"}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None, "token_ids": None}
    head = {"id": "chatcmpl-0", "object": "chat.completion.chunk", "created": 1700000000, "model": "m"}
    return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"


async def serve(tokens: int, burst: int, pause_s: float) -> None:
    """Answer every request with the same stream; prints the port."""
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    events = [event(n) for n in range(tokens)]
    bursts = [b"".join(events[n : n + burst]) for n in range(0, tokens, burst)]
    bursts.append(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length or 0))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        for some in bursts:
            writer.write(some)
            await writer.drain()
            await asyncio.sleep(pause_s)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def least_us(read: Callable[[], Awaitable[int]], answers: int, tokens: int) -> float:
    """Microseconds of this process's processor time for a token, the least of several answers."""
    took: list[float] = []
    for _ in range(answers + 1):  # the first opens connections and files
        began = time.process_time()
        assert await read() >= tokens
        took.append(time.process_time() - began)
    return min(took[1:]) / tokens * 1e6


async def measure(url: str, tokens: int, answers: int) -> None:
    endpoint = Endpoint(base_url=url, api_key_env=None)
    client = connect("local", endpoint)
    body: dict[str, Any] = {"model": "m", "messages": MESSAGES, "stream": True}

    async def plain() -> int:
        count, rest = 0, b""
        async with client.chat.completions.with_streaming_response.create(**body) as response:
            async for data in response.iter_bytes():
                *lines, rest = (rest + data).split(b"\n\n")
                for line in lines:
                    if not line.endswith(b"[DONE]"):
                        count += bool(json.loads(line[6:])["choices"][0]["delta"].get("content"))
        return count

    async def sdk() -> int:
        count = 0
        async for chunk in await client.chat.completions.create(**body):
            count += bool(chunk.choices[0].delta.content)
        return count

    model = EndpointModel("local/m", "m", "local", endpoint)

    async def ours() -> int:
        end = [item async for item in model.stream(MESSAGES, Sampling())][-1]
        assert isinstance(end, Completion)
        return end.text.count(" ")

    with tempfile.TemporaryDirectory() as folder:
        async with Recorder(Path(folder) / "store.db") as recorder:
            numbers = iter(range(10_000))

            async def stored() -> int:
                """One call of a run: its events are recorded, and waited for."""
                emitter, ledger = Emitter(f"run-{next(numbers)}"), Ledger(Budget())
                gateway = Gateway(emitter, ledger, Control(emitter, ledger), Fork())
                beginning = started("x")
                assert isinstance(beginning, RunStarted)
                emitter.emit(beginning)

                async def ask() -> Completion:
                    completion = await gateway.call(model, MESSAGES, Sampling(), role="worker")
                    emitter.emit(ending())
                    return completion

                asked = asyncio.create_task(ask())
                async for event in emitter.events():
                    await recorder.record(event)
                return (await asked).text.count(" ")

            limit = await least_us(plain, answers, tokens)
            print(f"httpx2 and json.loads: {limit:.1f} µs a token")
            for name, read in (("the SDK's objects", sdk), ("our model", ours), ("to the store", stored)):
                us = await least_us(read, answers, tokens)
                print(f"{name}: {us:.1f} µs a token ({us / limit:.2f} x)", flush=True)
    await model.aclose()
    await client.close()


def ending() -> RunFinished:
    """The end of a run that made one call."""
    return RunFinished(
        status="answered",
        score=None,
        val_score=None,
        answer=None,
        workflow_id=None,
        error=None,
        tokens_in=0,
        tokens_out=0,
        cost_usd=None,
        model_calls=1,
        steps=0,
        wall_ms=0.0,
    )


async def run(tokens: int, answers: int, burst: int, pause_s: float) -> None:
    pipe = asyncio.subprocess.PIPE
    command = (sys.executable, "-m", "tests.benchmarks.stream", "--serve", "--tokens", str(tokens))
    command += ("--burst", str(burst), "--pause", str(pause_s))
    server = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    assert server.stdin is not None
    assert server.stdout is not None
    port = int(await server.stdout.readline())
    await measure(f"http://127.0.0.1:{port}/v1", tokens, answers)
    server.stdin.close()
    await server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="What streaming costs, from the socket to the store.")
    parser.add_argument("--tokens", type=int, default=20_000, help="of each answer")
    parser.add_argument("--answers", type=int, default=5)
    parser.add_argument("--burst", type=int, default=32, help="events in a write of the server")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds between two writes")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        asyncio.run(serve(args.tokens, args.burst, args.pause))
    else:
        asyncio.run(run(args.tokens, args.answers, args.burst, args.pause))


if __name__ == "__main__":
    main()
