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
    """Reasoning, answer and refusal in a delta or a message. Raises ShapeError."""
    # Gateways send the same reasoning under several names: the first that has any counts.
    reasoning = next((text for name in _REASONING_FIELDS if (text := _joined(delta, name))), "")
    refusal = _joined(delta, "refusal")
    content = delta.get("content")
    if not isinstance(content, list):
        return reasoning, _joined(delta, "content"), refusal
    thought, said, declined = [reasoning], [], [refusal]
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        into = thought if kind in _REASONING_TYPES else declined if kind == "refusal" else said
        into.append(_text(part, "content"))
    return "".join(thought), "".join(said), "".join(declined)


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
        # A part without text, such as a picture, a call of a tool or reasoning that is encrypted.
        if not value or "type" in value or any(f in value for f in _TEXT_FIELDS):
            return ""
    raise ShapeError(f"the {name} of a piece is not text")


def whole(text: str) -> str:
    """`text` with halves of characters joined where both are there, and U+FFFD for one without the other.

    JSON writes what is beyond U+FFFF as two surrogates; a lone one is no character, and cannot be stored.
    """
    if text.isascii():
        return text
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def begun(text: str) -> int:
    """1 where `text` ends in the first half of a character, else 0."""
    return int("\ud800" <= text[-1:] <= "\udbff")
