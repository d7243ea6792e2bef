"""A real HTTP server that speaks the OpenAI streaming API and misbehaves on command.

    async with OpenAIServer(lambda request: answer("Hello")) as server:
        ...  # server.url is the base URL; server.requests what it was asked

The handler gets the request's JSON and returns a `Reply`: a status, headers and a script of pieces. A
`dict` piece is sent as one server-sent event, `bytes` go out as they are, a number waits that many
seconds, `CUT` drops the connection, `RESET` does so at once and rudely (as the first piece, before any
answer), and `HANG` keeps it open in silence until the server closes.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

CUT: Final = "cut"
HANG: Final = "hang"
RESET: Final = "reset"
Piece = dict[str, Any] | bytes | float | Literal["cut", "hang", "reset"]
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True)
class Reply:
    """What to answer. `latency_s` is waited before the first byte."""

    script: Sequence[Piece] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"content-type": "text/event-stream"})
    latency_s: float = 0.0


Handler = Callable[[dict[str, Any]], Reply | Awaitable[Reply]]


def chunk(content: str | None = None, *, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    """One chunk of a stream; further keywords become fields of its delta (`reasoning_content=…`)."""
    fields = ({} if content is None else {"content": content}) | delta
    choice = {"index": 0, "delta": fields, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [choice]}


def usage(tokens_in: int, tokens_out: int) -> dict[str, Any]:
    """The last chunk of a stream whose request asked for usage."""
    counts = {
        "prompt_tokens": tokens_in,
        "completion_tokens": tokens_out,
        "total_tokens": tokens_in + tokens_out,
    }
    return chunk() | {"choices": [], "usage": counts}


def answer(
    text: str,
    *,
    reasoning: str = "",
    size: int = 5,
    finish: str = "stop",
    tokens: tuple[int, int] | None = (10, 5),
    latency_s: float = 0.0,
) -> Reply:
    """A well-behaved answer in pieces of `size` characters."""
    script: list[Piece] = [chunk("", role="assistant")]
    script += [chunk(reasoning_content=reasoning[i : i + size]) for i in range(0, len(reasoning), size)]
    script += [chunk(text[i : i + size]) for i in range(0, len(text), size)]
    script.append(chunk(finish=finish))
    if tokens:
        script.append(usage(*tokens))
    return Reply([*script, DONE], latency_s=latency_s)


def failure(status: int, message: str, *, headers: dict[str, str] | None = None, **fields: Any) -> Reply:
    """An error in OpenAI's form; keywords such as `code` and `param` go into the error object."""
    body = json.dumps({"error": {"message": message, "type": "error", "param": None, "code": None} | fields})
    return Reply([body.encode()], status, {"content-type": "application/json"} | (headers or {}))


def in_turn(*replies: Reply) -> Handler:
    """A handler that gives these replies one after the other, the last one for ever."""
    left = list(replies)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


class OpenAIServer:
    """Serves `handler` on a free local port for the time of an `async with`."""

    def __init__(self, handler: Handler, host: str = "127.0.0.1") -> None:
        self._handler, self._host = handler, host
        self._tasks: set[asyncio.Task[None]] = set()
        self.requests: list[dict[str, Any]] = []
        self.targets: list[str] = []  # of the request lines: path and query
        self.headers: list[dict[str, str]] = []
        self.busy = 0
        self.most_busy = 0
        self.url = ""

    async def __aenter__(self) -> OpenAIServer:
        self._server = await asyncio.start_server(self._accept, self._host, 0)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._one_request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client went away
        finally:
            writer.close()

    async def _one_request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False when the connection is to be dropped."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)
        }
        request = json.loads(await reader.readexactly(int(headers.get("content-length", 0))) or b"{}")
        self.requests.append(request)
        self.targets.append(head[0].split()[1])
        self.headers.append(headers)
        self.busy += 1
        self.most_busy = max(self.most_busy, self.busy)
        try:
            reply = self._handler(request)
            return await self._send(writer, reply if isinstance(reply, Reply) else await reply)
        finally:
            self.busy -= 1

    async def _send(self, writer: asyncio.StreamWriter, reply: Reply) -> bool:
        await asyncio.sleep(reply.latency_s)
        if reply.script and reply.script[0] == RESET:
            # Closed with lingering off: the client gets an RST instead of an orderly end.
            writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            writer.transport.abort()
            return False
        lines = [f"HTTP/1.1 {reply.status} Scripted", "transfer-encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        for piece in reply.script:
            if piece == HANG:
                await asyncio.Event().wait()
            elif piece == CUT:
                await writer.drain()
                return False
            elif isinstance(piece, int | float):
                await asyncio.sleep(piece)
            else:
                data = piece if isinstance(piece, bytes) else f"data: {json.dumps(piece)}\n\n".encode()
                writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
                await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True
