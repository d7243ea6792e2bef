"""What models do not accept, as data; `engine.models.lessons` learns more from refused requests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from engine.models.base import Message, Sampling


@dataclass(frozen=True)
class Quirks:
    """How a model differs from the plain chat-completions request.

    `drop`: parameters never sent (a dropped `stop` is applied on this side; without `stream` the answer comes
    in one piece). `max_tokens_name`: what the model calls that limit. `system`: the role that system messages
    are sent with; "user" merges them into the first user message, and neighbours of the same role into one.
    `thinks_first`: the prompt's template opens the think block, so the answer begins with reasoning.
    """

    drop: frozenset[str] = frozenset()
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    system: Literal["system", "developer", "user"] = "system"
    thinks_first: bool = False


_OPENAI_REASONING = Quirks(
    drop=frozenset({"temperature", "top_p", "stop"}),
    max_tokens_name="max_completion_tokens",
    system="developer",
)

# The first pattern that matches the whole model name, without publisher prefix and in lower case, counts.
TABLE: tuple[tuple[str, Quirks], ...] = (
    (r"o1-(mini|preview).*", replace(_OPENAI_REASONING, system="user")),
    (r"gpt-5[\w.]*-chat.*", Quirks(max_tokens_name="max_completion_tokens")),
    (r"(o[134]|gpt-5)([-.:].*)?", _OPENAI_REASONING),
    (r"deepseek-reasoner", Quirks(drop=frozenset({"temperature", "top_p"}), system="user")),
    (r"deepseek-r1.*", Quirks(system="user", thinks_first=True)),
    (r"(qwq|qwen3.*-thinking).*", Quirks(thinks_first=True)),
)


def quirks_of(model: str) -> Quirks:
    """The quirks of `model` by its name; the default ones where the name is in no pattern of `TABLE`."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((quirks for pattern, quirks in TABLE if re.fullmatch(pattern, name)), Quirks())


def request_body(
    model: str, messages: Sequence[Message], sampling: Sampling, quirks: Quirks
) -> dict[str, Any]:
    """The JSON body of a chat-completions request, by parameter."""
    body: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}} | sampling.to_json()
    drop = quirks.drop | ({"stream_options"} if "stream" in quirks.drop else set())
    body = {name: value for name, value in body.items() if name not in drop}
    if "max_tokens" in body:
        if quirks.max_tokens_name in drop:
            del body["max_tokens"]
        else:
            body[quirks.max_tokens_name] = body.pop("max_tokens")
    return {"model": model, "messages": _messages(messages, quirks.system)} | body


def _messages(messages: Sequence[Message], system: str) -> list[dict[str, str]]:
    plain = [{"role": str(m["role"]), "content": m["content"]} for m in messages]
    if system == "system":
        return plain
    if system == "developer":
        return [m | {"role": "developer"} if m["role"] == "system" else m for m in plain]
    instructions = [m["content"] for m in plain if m["role"] == "system"]
    rest = [m for m in plain if m["role"] != "system"]
    first = next((i for i, m in enumerate(rest) if m["role"] == "user"), None)
    if instructions and first is None:
        rest.insert(0, {"role": "user", "content": "\n\n".join(instructions)})
    elif instructions and first is not None:
        merged = {"role": "user", "content": "\n\n".join([*instructions, rest[first]["content"]])}
        rest[first] = merged
    return [
        {"role": role, "content": "\n\n".join(m["content"] for m in neighbours)}
        for role, neighbours in groupby(rest, key=lambda m: m["role"])
    ]
