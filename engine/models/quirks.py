"""What models will not accept, as data, and how a refused request teaches one more."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from engine.models.base import Message, Sampling


@dataclass(frozen=True)
class Quirks:
    """How a model differs from the plain chat-completions request.

    `drop`: parameters never sent (a dropped `stop` is applied on this side). `system`: the role that
    system messages are sent with; "user" merges them into the first user message. `thinks_first`: the
    prompt's template opens the think block, so the answer begins with reasoning.
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
    """What is known of `model` by its name."""
    name = model.rsplit("/", 1)[-1].lower()
    return next((quirks for pattern, quirks in TABLE if re.fullmatch(pattern, name)), Quirks())


def request_body(
    model: str, messages: Sequence[Message], sampling: Sampling, quirks: Quirks
) -> dict[str, Any]:
    """The parameters of a streaming chat-completions request."""
    body: dict[str, Any] = {"stream_options": {"include_usage": True}} | sampling.to_json()
    body = {name: value for name, value in body.items() if name not in quirks.drop}
    if "max_tokens" in body:
        body[quirks.max_tokens_name] = body.pop("max_tokens")
    return {"model": model, "messages": _messages(messages, quirks.system), "stream": True} | body


def _messages(messages: Sequence[Message], system: str) -> list[dict[str, str]]:
    plain = [{"role": str(m["role"]), "content": m["content"]} for m in messages]
    if system == "system":
        return plain
    if system == "developer":
        return [m | {"role": "developer"} if m["role"] == "system" else m for m in plain]
    instructions = [m["content"] for m in plain if m["role"] == "system"]
    rest = [m for m in plain if m["role"] != "system"]
    if not instructions:
        return rest
    first = next((i for i, m in enumerate(rest) if m["role"] == "user"), None)
    if first is None:
        return [{"role": "user", "content": "\n\n".join(instructions)}, *rest]
    merged = {"role": "user", "content": "\n\n".join([*instructions, rest[first]["content"]])}
    return [*rest[:first], merged, *rest[first + 1 :]]


_DROPPABLE = ("max_completion_tokens", "stream_options", "temperature", "max_tokens", "top_p", "seed", "stop")
_UNSUPPORTED = re.compile(
    r"unsupported|not support|unrecognized|unknown|not permitted|not allowed|unexpected|extra (field|input)",
    re.I,
)


def learn(
    quirks: Quirks, body: Mapping[str, Any], message: str, param: str | None
) -> tuple[Quirks, str] | None:
    """What a request refused with `message` teaches: corrected quirks and a short reason.

    `param` is the parameter the endpoint blamed, where it said so. None when nothing can be learnt.
    """
    if not _UNSUPPORTED.search(message):
        return None
    if (param or "").startswith("messages") or re.search(
        r"\b(system|developer)\b.{0,20}\brole\b|\brole\b", message
    ):
        if quirks.system != "user" and any(m["role"] in ("system", "developer") for m in body["messages"]):
            return replace(quirks, system="user"), "it takes no system messages"
        return None
    blamed = param if param in _DROPPABLE else _named_in(message)
    if blamed is None or blamed not in body:
        return None
    if blamed == "max_tokens" and "max_completion_tokens" in message:
        return replace(quirks, max_tokens_name="max_completion_tokens"), "it wants max_completion_tokens"
    if blamed == "max_completion_tokens":
        return replace(quirks, max_tokens_name="max_tokens"), "it wants max_tokens"
    return replace(quirks, drop=quirks.drop | {blamed}), f"it does not take {blamed}"


def _named_in(message: str) -> str | None:
    """The first parameter that the message names as a word of its own."""
    found = [
        (hit.start(), name) for name in _DROPPABLE if (hit := re.search(rf"(?<!\w){name}(?!\w)", message))
    ]
    return min(found)[1] if found else None
