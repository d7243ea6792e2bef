"""The text and the reasoning in what endpoints send as content, whatever its shape.

Content is a string or a list of parts; reasoning is a string, an object around one, or a list of objects.
"""

from __future__ import annotations

from typing import Any

_REASONING_TYPES = ("thinking", "reasoning", "reasoning_content", "reasoning_text", "reasoning.text")
_REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks")
_TEXT_FIELDS = ("text", "content", "thinking", "reasoning", "summary", "refusal")
_DEEPEST = 8


class ShapeError(ValueError):
    """A field has a type that no endpoint should send; the message names it."""


def content_of(delta: dict[str, Any]) -> tuple[str, str, str]:
    """(reasoning, answer, refusal) in a delta or a message. Raises ShapeError where one of them is not
    text.
    """
    # Gateways send the same reasoning under several names; only the first that has any is read.
    reasoning = next((text for name in _REASONING_FIELDS if (text := _joined(delta, name))), "")
    refusal = _joined(delta, "refusal")
    content = delta.get("content")
    if not isinstance(content, list):
        return reasoning, _joined(delta, "content"), refusal
    thoughts, texts, refusals = [reasoning], [], [refusal]
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        into = thoughts if kind in _REASONING_TYPES else refusals if kind == "refusal" else texts
        into.append(_text(part, "content"))
    return "".join(thoughts), "".join(texts), "".join(refusals)


def _joined(delta: dict[str, Any], name: str) -> str:
    return _text(delta.get(name), name)


def _text(value: Any, name: str, depth: int = 0) -> str:
    """The text in a value: itself, that of its parts, or that of the field that holds it."""
    if value is None or isinstance(value, str):
        return value or ""
    if depth < _DEEPEST and isinstance(value, list):
        return "".join(_text(item, name, depth + 1) for item in value)
    if depth < _DEEPEST and isinstance(value, dict):
        held = next((f for f in _TEXT_FIELDS if value.get(f)), None)
        if held is not None:
            return _text(value[held], name, depth + 1)
        # A part without text, such as a picture, a tool call or encrypted reasoning.
        if not value or "type" in value or any(f in value for f in _TEXT_FIELDS):
            return ""
    raise ShapeError(f"the {name} of a piece is not text")


def whole(text: str) -> str:
    """`text` with pairs of surrogates joined, and U+FFFD in place of lone ones.

    JSON writes a character beyond U+FFFF as two surrogates. A lone one is not a character, and cannot be
    encoded as UTF-8 or stored.
    """
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def begun(text: str) -> int:
    """How many characters at the end of `text` are the first half of a surrogate pair: 1 or 0."""
    return int("\ud800" <= text[-1:] <= "\udbff")
