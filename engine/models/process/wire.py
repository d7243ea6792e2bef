"""What goes over the socket of a model's process: one JSON object per line.

→ {"ask": 7, "messages": […], "sampling": {…}}     ← {"ask": 7, "share": 0.25}
→ {"drop": 7}                                      ← {"ask": 7, "delta": ["text", "def "]} …
                                                   ← {"ask": 7, "done": {…}} or {"ask": 7, "error": […]}

The process speaks first, {"hello": its id}, and says {"ready": true} once the model is loaded, or cannot be.
Half a surrogate pair in a text crosses as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from engine.models.base import Completion, Delta, ModelError, Sampling, Share

MAX_LINE = 64 * 1024 * 1024  # bytes; a prompt that fits no context is refused long before

Item = Delta | Share | Completion | ModelError


async def receive(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    """The next message; None at the end, which is also where the other side is gone or sends no message."""
    try:
        message = json.loads(await reader.readline())
    except (ValueError, RecursionError, OSError):
        return None
    return message if isinstance(message, dict) else None


def send(writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
    """Put one message on its way."""
    writer.write(json.dumps(message).encode() + b"\n")


def sampling_to_json(sampling: Sampling) -> dict[str, Any]:
    return asdict(sampling)


def sampling_from_json(data: dict[str, Any]) -> Sampling:
    return Sampling(**{**data, "stop": tuple(data["stop"])})


def item_to_json(item: Item) -> dict[str, Any]:
    """An item of an answer, or why there is none."""
    if isinstance(item, Delta):
        return {"delta": [item.channel, item.text]}
    if isinstance(item, Share):
        return {"share": item.part}
    if isinstance(item, Completion):
        return {"done": asdict(item)}
    return {"error": [item.kind, str(item)]}


def item_from_json(message: dict[str, Any]) -> Item:
    """The item that `item_to_json` wrote."""
    if "delta" in message:
        return Delta(*message["delta"])
    if "share" in message:
        return Share(message["share"])
    if "done" in message:
        return Completion(**{**message["done"], "flags": tuple(message["done"]["flags"])})
    return ModelError(*message["error"])
