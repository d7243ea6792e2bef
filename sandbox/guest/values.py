"""Values on their way between generated code and the host: tagged plain data as bytes.

    4 bytes: length of the tree | the tree | for each long string: 4 bytes of length, then UTF-8

The tree is what `codec` makes, as JSON, with each long string replaced by {"@": its number}. So its
commas and brackets say how much there is to build before anything is built, and a text of a megabyte is
not parsed at all. Who reads a value from a guest decides how many parts it may have.
"""

from __future__ import annotations

import math
from typing import Any

from . import codec, frames

MAX_PARTS = 20_000  # commas, colons and brackets of the tree
_ASIDE = "@"
_LONG = 64
_MAX_NESTING = 3 * codec.MAX_DEPTH + 10  # JSON levels: a dict is three of them
_EXACT_INT = 1 << 53
_MARKS = b",:[{"


def dumps(value: Any, *, max_bytes: int, max_parts: int = MAX_PARTS) -> bytes:
    """`value` as bytes.

    Raises:
        codec.NotPlainError: something in it is not plain data.
        codec.TooBigError: it takes more than `max_bytes`, or has more than `max_parts` parts.
    """
    texts: list[bytes] = []
    encoded = _put_aside(codec.encode(value, max_bytes=max_bytes), texts)
    tree = frames.encode(encoded).encode("ascii")
    if _parts(tree) > max_parts:
        raise codec.TooBigError(f"the value is too big to pass on: it has more than {max_parts} parts")
    data = b"".join(len(part).to_bytes(4, "big") + part for part in (tree, *texts))
    if len(data) > max_bytes:
        raise codec.TooBigError(f"the value is too big to pass on: it takes more than {max_bytes} bytes")
    return data


def loads(data: bytes, *, max_parts: int = MAX_PARTS) -> Any:
    """The value that `dumps` wrote. The time it takes is bounded by `max_parts` and the length.

    Raises:
        codec.MalformedError: `data` is not the encoding of a value, or of one with too many parts.
    """
    tree, *texts = _cut(data)
    if _parts(tree) > max_parts:
        raise codec.MalformedError(f"it has more than {max_parts} parts")
    try:
        text = tree.decode("ascii")
        encoded, end = frames.scan(text, 0)
    except (ValueError, RecursionError, StopIteration):
        raise codec.MalformedError("it is not JSON") from None
    if end != len(text):
        raise codec.MalformedError("something follows its JSON")
    left = list(reversed(texts))
    whole = _put_back(encoded, left, len(texts), 0)
    if left:
        raise codec.MalformedError("it has a text that is not part of it")
    return codec.decode(whole)


def _parts(tree: bytes) -> int:
    return len(tree) - len(tree.translate(None, _MARKS))


def _put_aside(tree: Any, texts: list[bytes]) -> Any:
    if isinstance(tree, str) and len(tree) > _LONG:
        texts.append(tree.encode("utf-8", "surrogatepass"))
        return {_ASIDE: len(texts) - 1}
    if isinstance(tree, list):
        return [_put_aside(item, texts) for item in tree]
    if isinstance(tree, dict):
        return {tag: _put_aside(body, texts) for tag, body in tree.items()}
    return tree


def _cut(data: bytes) -> list[bytes]:
    """The tree and the texts."""
    pieces: list[bytes] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if at + size > len(data) or len(pieces) > MAX_PARTS:
            raise codec.MalformedError("its lengths are wrong")
        pieces.append(data[at : at + size])
        at += size
    if not pieces:
        raise codec.MalformedError("it is empty")
    return pieces


def _put_back(tree: Any, left: list[bytes], count: int, level: int) -> Any:
    """`tree` with its long strings in place, each used once and in order: told twice it would be a bomb."""
    kind = type(tree)
    if kind is list or kind is dict:
        if level > _MAX_NESTING:
            raise codec.MalformedError("nested too deep")
        if kind is list:
            return [_put_back(item, left, count, level + 1) for item in tree]
        if _ASIDE not in tree:
            return {tag: _put_back(body, left, count, level + 1) for tag, body in tree.items()}
        if len(tree) != 1 or not left or tree[_ASIDE] != count - len(left) or type(tree[_ASIDE]) is not int:
            raise codec.MalformedError("its texts are out of order")
        try:
            return left.pop().decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            raise codec.MalformedError("a text is not UTF-8") from None
    if (kind is int and not -_EXACT_INT < tree < _EXACT_INT) or (kind is float and not math.isfinite(tree)):
        raise codec.MalformedError("a number is out of range")
    return tree
