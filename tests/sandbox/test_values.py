"""Values on their way to the host: exactly what was sent, or a clean error in a bounded time."""

from __future__ import annotations

import json
import time
from collections import deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.guest import codec, values

_BIG = 4 << 20
_PRIME = (1 << 61) - 1  # integers that differ by it share a hash


WHOLE: list[Any] = [
    "x" * 63,
    "x" * 65,
    "é\ud800" * 100,
    ["a" * 100, "b" * 100, "a" * 100],
    {"k" * 100: {"v" * 100}, b"b" * 100: bytearray(200)},
    {"@": 0, "t": [1]},
    10**5000,
    -(10**5000),
    (1.5, -0.0, 1 + 2j, range(3, 9, 2), Fraction(1, 3), Decimal("1e-7"), deque([1, "y" * 99], 3)),
]


@pytest.mark.parametrize("index", range(len(WHOLE)))
def test_a_value_arrives_as_it_was(index: int) -> None:
    value = WHOLE[index]
    back = values.loads(values.dumps(value, max_bytes=_BIG))
    assert back == value and type(back) is type(value)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"k": value}
    return value


def test_the_deepest_value_arrives_and_one_more_level_does_not() -> None:
    deepest = _nested(codec.MAX_DEPTH)
    assert values.loads(values.dumps(deepest, max_bytes=_BIG)) == deepest
    with pytest.raises(codec.NotPlainError):
        values.dumps(_nested(codec.MAX_DEPTH + 1), max_bytes=_BIG)


def test_texts_count_by_their_length_and_containers_by_their_parts() -> None:
    assert values.dumps(",[{:" * 100_000, max_bytes=_BIG)  # a text, however it looks
    with pytest.raises(codec.TooBigError, match="parts"):
        values.dumps([[]] * values.MAX_PARTS, max_bytes=_BIG)
    with pytest.raises(codec.TooBigError):
        values.dumps("\x00" * 1000 + "é" * 1000, max_bytes=2500)


def _told(tree: Any, *texts: bytes) -> bytes:
    pieces = [tree if isinstance(tree, bytes) else json.dumps(tree).encode(), *texts]
    return b"".join(len(piece).to_bytes(4, "big") + piece for piece in pieces)


MALFORMED: dict[str, bytes] = {
    "nothing": b"",
    "a length without bytes": b"\0\0\0\5",
    "half a length": _told([1]) + b"\0\0",
    "not JSON": _told(b"{"),
    "two values": _told(b"1 2"),
    "not ASCII": _told('"é"'.encode()),
    "NaN": _told(b"NaN"),
    "an infinity": _told(b"1e999"),
    "digits without end": _told(b"9" * 5000),
    "a number that is not exact": _told(1 << 60),
    "nested without end": _told(b"[" * 5000 + b"]" * 5000),
    "nested 987 deep": _told(b"[" * 987 + b"]" * 987),
    "nested 200 deep under tags": _told(b'{"t":[' * 100 + b"]}" * 100),
    "a text told twice": _told([{"@": 0}, {"@": 0}], b"x"),
    "texts in another order": _told([{"@": 1}, {"@": 0}], b"x", b"y"),
    "a text that is not there": _told([{"@": 0}]),
    "a text nobody needs": _told([1], b"x"),
    "a text by true": _told([{"@": False}], b"x"),
    "a text that is no UTF-8": _told([{"@": 0}], b"\xff"),
    "a text beside something": _told([{"@": 0, "t": []}], b"x"),
    "two tags": _told({"t": [], "s": []}),
    "no tag": _told({}),
    "an unknown tag": _told({"?": 1}),
    "pairs that are texts": _told({"d": ["ab", "cd"]}),
    "pairs as a text": _told({"d": "ab"}),
    "items of a view that are no pairs": _told({"m": ["ab"]}),
    "an unhashable key": _told({"d": [[[1], 2]]}),
    "a fraction of a text": _told({"x": ["1e999999999"]}),
    "a fraction by zero": _told({"x": [1, 0]}),
    "a range of floats": _told({"r": [0.5, 1.5, 1]}),
    "a range without a step": _told({"r": [0, 1, 0]}),
    "a complex of texts": _told({"c": ["1", "2"]}),
    "a decimal that is a list": _told({"n": [1]}),
    "a decimal that is none": _told({"n": "x"}),
    "a deque of a negative length": _told({"q": [-1, []]}),
    "a deque of an endless length": _told({"q": [{"i": "0x" + "f" * 40}, []]}),
    "base64 that is none": _told({"b": "é"}),
    "a signalling NaN for a key": _told({"s": [{"n": "sNaN"}]}),
    "more parts than allowed": _told([0] * (values.MAX_PARTS + 1)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_was_never_written_is_refused(name: str) -> None:
    with pytest.raises(codec.MalformedError):
        values.loads(MALFORMED[name])


_pairs = [[{"i": hex(number * _PRIME)}, 1] for number in range(1, 3000)]
_keys = [key for key, _ in _pairs]
COLLIDING: dict[str, Any] = {
    "d": {"d": _pairs},
    "m": {"m": [{"t": pair} for pair in _pairs]},
    "s": {"s": _keys},
    "z": {"z": _keys},
    "k": {"k": _keys},
    "tuples": {"s": [{"t": [key]} for key in _keys]},
    "fractions": {"s": [{"x": [key, 1]} for key in _keys]},
    "floats and decimals": {"d": [[{"n": str(n * _PRIME)}, 0] for n in range(1, 3000)]},
    "frozen sets": {"s": [{"z": [key]} for key in _keys]},
    "inside a list": [{"v": [{"s": _keys}]}],
}


@pytest.mark.parametrize("name", COLLIDING)
def test_keys_made_to_share_a_hash_are_refused_at_once(name: str) -> None:
    data = _told(COLLIDING[name])
    started = time.thread_time()
    with pytest.raises(codec.MalformedError, match=r"share one hash"):
        values.loads(data, max_parts=1 << 20)
    assert time.thread_time() - started < 0.5  # one colliding set of them takes longer by itself


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=80)
_trees = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*codec._READERS, "@", "?"]), inner, max_size=2)
    ),
    max_leaves=20,
)


@given(_trees, st.lists(st.binary(max_size=80), max_size=3))
def test_any_tree_is_a_value_or_malformed(tree: Any, texts: list[bytes]) -> None:
    try:
        value = values.loads(_told(json.dumps(tree).encode(), *texts))
    except codec.MalformedError:
        return
    try:
        values.dumps(value, max_bytes=_BIG)
    except codec.NotPlainError:
        return  # deeper as a value than as it was written


@given(st.binary(max_size=300))
def test_any_bytes_are_a_value_or_malformed(data: bytes) -> None:
    try:
        values.loads(data)
    except codec.MalformedError:
        return
