"""Values cross exactly, and nothing else crosses."""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.guest import codec

_keys = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.complex_numbers()
    | st.tuples(st.integers(), st.text())
    | st.frozensets(st.integers())
)
_values = st.recursive(
    _keys | st.builds(bytearray, st.binary()) | st.builds(range, st.integers(), st.integers()),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_keys, inner)
        | st.sets(_keys)
        | st.frozensets(_keys)
    ),
    max_leaves=20,
)


def _through(value: Any) -> Any:
    return codec.decode(json.loads(json.dumps(codec.encode(value))))


def _shape(value: Any) -> str:
    """A text equal for equal values of equal types: NaN like NaN, -0.0 unlike 0.0, sets in any order."""
    name = type(value).__name__
    if isinstance(value, dict):
        return f"{name}({[(_shape(k), _shape(v)) for k, v in value.items()]})"
    if isinstance(value, list | tuple):
        return f"{name}({[_shape(item) for item in value]})"
    if isinstance(value, set | frozenset):
        return f"{name}({sorted(_shape(item) for item in value)})"
    return f"{name}({value!r})"


@given(_values)
def test_round_trip(value: Any) -> None:
    assert _shape(_through(value)) == _shape(value)


def test_integers_of_any_size() -> None:
    for value in (10**5000, -(10**400), 2**53, -(2**53), 2**53 - 1, 0):
        assert _through(value) == value


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Counter("aab"), {"a": 2, "b": 1}),
        (OrderedDict(a=1), {"a": 1}),
        (defaultdict(int, a=1), {"a": 1}),
        (deque([1, 2], maxlen=3), deque([1, 2], maxlen=3)),
        (Decimal("1.10"), Decimal("1.10")),
        (Fraction(2, 6), Fraction(1, 3)),
        ({1: 2}.keys(), {1: 2}.keys()),
        ("lone surrogate \ud800 and NUL \0", "lone surrogate \ud800 and NUL \0"),
    ],
)
def test_relatives_of_plain_data(value: Any, plain: Any) -> None:
    assert _through(value) == plain


def test_iterators_arrive_as_iterators() -> None:
    value = _through(n * n for n in range(4))
    assert iter(value) is value
    assert list(value) == [0, 1, 4, 9]


class _LiarMixin:
    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0


@pytest.mark.parametrize("base", [int, float, str, list, tuple, set])
def test_subclasses_that_lie_arrive_plain(base: Any) -> None:
    liar = type("Liar", (_LiarMixin, base), {})()
    value = _through(liar)
    assert type(value) is base
    assert value == base()


def test_dict_subclass_that_lies_about_items() -> None:
    liar = type("Liar", (dict,), {"items": lambda self: [("b", 2)], "__iter__": lambda self: iter("b")})
    assert _through(liar(a=1)) == {"a": 1}


def _cycle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("value", [object(), print, lambda: 0, _cycle(), _nested(61), [_LiarMixin()], int])
def test_what_is_not_plain(value: Any) -> None:
    with pytest.raises(codec.NotPlainError):
        codec.encode(value)


def test_depth_up_to_the_limit_crosses() -> None:
    assert _through(_nested(60)) == _nested(60)


def _shared() -> list[Any]:
    value: list[Any] = [0]
    for _ in range(50):
        value = [value, value]
    return value


def test_too_big() -> None:
    for value in ("x" * 2000, b"x" * 2000, list(range(1000)), 1 << 20_000, _shared()):
        with pytest.raises(codec.TooBigError):
            codec.encode(value, max_bytes=1000)


def test_endless_iterators_are_too_big() -> None:
    with pytest.raises(codec.TooBigError):
        codec.encode(iter(int, 1))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(), inner)
        | st.tuples(st.sampled_from(sorted("ifbatszcdrqkvmnxpg")), inner).map(lambda pair: dict([pair]))
    ),
)


@given(_json)
def test_any_json_decodes_or_is_malformed(data: Any) -> None:
    try:
        codec.decode(data)
    except codec.MalformedError:
        return


def test_keys_chosen_to_collide_are_refused() -> None:
    modulus = (1 << 61) - 1
    keys = [{"i": hex(n * modulus)} for n in range(1 << 8, 1 << 10)]
    with pytest.raises(codec.MalformedError):
        codec.decode({"s": keys})
    with pytest.raises(codec.MalformedError):
        codec.decode({"d": [[key, 0] for key in keys]})
