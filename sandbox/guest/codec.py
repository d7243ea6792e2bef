"""Tagged plain data: Python values as JSON, exactly, and nothing that can run.

JSON null, true, false, strings, small integers, finite floats and arrays (lists) stand for
themselves. Every other value is an object with one key, its tag. Nothing is pickled; what comes
out of `decode` is made of builtin types only, so a subclass that lies about equality arrives as
the plain value it wraps, or not at all.
"""

from __future__ import annotations

import base64
import binascii
import math
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

MAX_DEPTH = 60
MAX_ITEMS = 10_000  # taken from an iterator before it is called endless
_EXACT_INT = 1 << 53  # beyond it other JSON readers lose digits, and Python limits the digits it parses
_SAME_HASH = 64  # keys of one container that may share a hash before it is called an attack
_VIEWS: dict[type, str] = {type({}.keys()): "k", type({}.values()): "v", type({}.items()): "m"}


class NotPlainError(ValueError):
    """A value that is not plain data: an object, a function, a cycle, or nested too deep."""


class TooBigError(ValueError):
    """A value whose encoding would pass the size cap."""


class MalformedError(ValueError):
    """JSON that `encode` did not write."""


def encode(value: Any, *, max_bytes: int = 4 << 20) -> Any:
    """`value` as JSON-ready data.

    `max_bytes` bounds the encoding's size, roughly: one to eight bytes are counted for each scalar and the
    length of each string.

    Raises:
        NotPlainError: something in it is not plain data, or it is nested deeper than `MAX_DEPTH`.
        TooBigError: it is larger than `max_bytes`.
    """
    return _Encoder(max_bytes).encode(value, 0)


def decode(data: Any) -> Any:
    """The value that `encode` wrote.

    Raises:
        MalformedError: `data` is not the encoding of a value.
    """
    return _decode(data, 0)


class _Encoder:
    def __init__(self, max_bytes: int) -> None:
        self.left = max_bytes

    def _spend(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooBigError("the value is too big to pass on")

    def encode(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if value is None or kind is bool:
            self._spend(4)
            return value
        if kind is str:
            self._spend(len(value) + 2)
            return value
        if kind is int:
            return self._int(value)
        if kind is float:
            return self._float(value)
        if depth >= MAX_DEPTH:
            raise NotPlainError(f"the value is nested deeper than {MAX_DEPTH} levels, or contains itself")
        self._spend(2)
        if kind is list:
            return [self.encode(item, depth + 1) for item in value]
        if kind is dict:
            return self._dict(value.items(), depth)
        return self._other(value, kind, depth)

    def _int(self, value: int) -> Any:
        if -_EXACT_INT < value < _EXACT_INT:
            self._spend(8)
            return value
        self._spend(value.bit_length() // 4 + 8)
        return {"i": hex(value)}

    def _float(self, value: float) -> Any:
        self._spend(8)
        return value if math.isfinite(value) else {"f": repr(value)}

    def _items(self, values: Iterable[Any], depth: int) -> list[Any]:
        return [self.encode(item, depth + 1) for item in values]

    def _dict(self, items: Iterable[tuple[Any, Any]], depth: int) -> Any:
        return {"d": [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in items]}

    def _bytes(self, value: bytes) -> str:
        self._spend(len(value) * 4 // 3)
        return base64.b64encode(value).decode("ascii")

    def _other(self, value: Any, kind: type, depth: int) -> Any:
        if kind is tuple:
            return {"t": self._items(value, depth)}
        if kind is set or kind is frozenset:
            return {"s" if kind is set else "z": self._items(value, depth)}
        if kind is bytes or kind is bytearray:
            return {"b" if kind is bytes else "a": self._bytes(bytes(value))}
        if kind is complex:
            return {"c": [self._float(value.real), self._float(value.imag)]}
        if kind is range:
            return {"r": [self._int(value.start), self._int(value.stop), self._int(value.step)]}
        if kind is deque:
            return {"q": [self.encode(value.maxlen, depth), self._items(value, depth)]}
        if kind in _VIEWS:
            return {_VIEWS[kind]: self._items(value, depth)}
        return self._number(value, kind) or self._subclass(value, depth) or self._iterator(value, depth)

    def _number(self, value: Any, kind: type) -> Any:
        """Decimal and Fraction, looked up only where the program itself imported them."""
        decimal, fractions = sys.modules.get("decimal"), sys.modules.get("fractions")
        if decimal is not None and kind is decimal.Decimal:
            return {"n": str(value)}
        if fractions is not None and kind is fractions.Fraction:
            return {"x": [self._int(value.numerator), self._int(value.denominator)]}
        return None

    def _subclass(self, value: Any, depth: int) -> Any:
        """The plain value under a subclass, read by the base type's own methods only."""
        kind = type(value)
        mro = type.__dict__["__mro__"].__get__(kind)
        if int in mro:
            return {"p": self._int(int.__index__(value))}
        if float in mro:
            return {"p": self._float(float.__float__(value))}
        if str in mro:
            text = str.__str__(value)
            self._spend(len(text))
            return {"p": text}
        if list in mro:
            return {"p": self._items(list.__iter__(value), depth)}
        if dict in mro:
            return self._dict(dict.items(value), depth)
        if tuple in mro:
            return {"t": self._items(tuple.__iter__(value), depth)}
        if set in mro:
            return {"s": self._items(set.__iter__(value), depth)}
        return None

    def _iterator(self, value: Any, depth: int) -> Any:
        if not isinstance(value, Iterator):
            raise NotPlainError(f"a value of type {type(value).__name__} is not plain data")
        items = list(islice(value, MAX_ITEMS + 1))
        if len(items) > MAX_ITEMS:
            raise TooBigError(f"the iterator has more than {MAX_ITEMS} items")
        return {"g": self._items(items, depth)}


def _decode(data: Any, depth: int) -> Any:
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if depth > MAX_DEPTH:
        raise MalformedError("nested too deep")
    if isinstance(data, list):
        return [_decode(item, depth + 1) for item in data]
    if isinstance(data, dict) and len(data) == 1:
        ((tag, body),) = data.items()
        reader = _READERS.get(tag)
        if reader is not None:
            try:
                return reader(body, depth + 1)
            except (TypeError, ValueError, KeyError, ArithmeticError, binascii.Error) as error:
                raise MalformedError(f"bad encoding under tag {tag!r}: {error}") from None
    raise MalformedError("not an encoded value")


def _list(body: Any, depth: int) -> list[Any]:
    if not isinstance(body, list):
        raise MalformedError("expected a list")
    return [_decode(item, depth) for item in body]


def _hashed(body: Any, depth: int) -> list[Any]:
    """Items that become keys: thousands with one hash would make building the container quadratic."""
    items = _list(body, depth)
    _check_hashes(items)
    return items


def _check_hashes(keys: list[Any]) -> None:
    if len(keys) <= _SAME_HASH:
        return
    counts: dict[int, int] = {}
    for key in keys:  # texts too: in a guest their hash has a key that everyone knows
        value = hash(key)
        counts[value] = counts.get(value, 0) + 1
        if counts[value] > _SAME_HASH:
            raise MalformedError("too many keys share one hash")


def _mapping(body: Any, depth: int) -> dict[Any, Any]:
    if not isinstance(body, list):
        raise MalformedError("expected pairs")
    pairs = [_pair(pair, depth) for pair in body]
    _check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _pair(body: Any, depth: int) -> tuple[Any, Any]:
    if not isinstance(body, list) or len(body) != 2:
        raise MalformedError("expected a pair")
    return _decode(body[0], depth), _decode(body[1], depth)


def _hex(body: Any) -> int:
    if not isinstance(body, str):
        raise MalformedError("expected a hexadecimal integer")
    return int(body, 16)


def _nonfinite(body: Any) -> float:
    value = float(body) if body in ("nan", "inf", "-inf") else 0.0
    if math.isfinite(value):
        raise MalformedError("expected nan, inf or -inf")
    return value


def _complex(body: Any, depth: int) -> complex:
    real, imag = _list(body, depth)
    if type(real) is not float or type(imag) is not float:
        raise MalformedError("expected two floats")
    return complex(real, imag)


def _deque(body: Any, depth: int) -> deque[Any]:
    maxlen, items = body
    decoded = _decode(maxlen, depth)
    if decoded is not None and type(decoded) is not int:
        raise MalformedError("expected a length")
    return deque(_list(items, depth), decoded)


def _decimal(body: Any) -> Any:
    from decimal import Decimal

    if not isinstance(body, str):
        raise MalformedError("expected the digits of a number")
    return Decimal(body)


def _fraction(body: Any, depth: int) -> Any:
    from fractions import Fraction

    return Fraction(*_integers(body, depth, 2))


def _range(body: Any, depth: int) -> range:
    return range(*_integers(body, depth, 3))


def _integers(body: Any, depth: int, count: int) -> list[int]:
    """A text in their place would be read as a number, of any size: `1e999999999`."""
    numbers = _list(body, depth)
    if len(numbers) != count or any(type(number) is not int for number in numbers):
        raise MalformedError(f"expected {count} integers")
    return numbers


def _view_items(body: Any, depth: int) -> Any:
    pairs = _list(body, depth)
    if any(type(pair) is not tuple or len(pair) != 2 for pair in pairs):
        raise MalformedError("expected pairs")
    _check_hashes([key for key, _ in pairs])
    return dict(pairs).items()


_READERS: dict[str, Callable[[Any, int], Any]] = {
    "i": lambda body, depth: _hex(body),
    "f": lambda body, depth: _nonfinite(body),
    "t": lambda body, depth: tuple(_list(body, depth)),
    "s": lambda body, depth: set(_hashed(body, depth)),
    "z": lambda body, depth: frozenset(_hashed(body, depth)),
    "b": lambda body, depth: base64.b64decode(body, validate=True),
    "a": lambda body, depth: bytearray(base64.b64decode(body, validate=True)),
    "c": _complex,
    "d": _mapping,
    "r": _range,
    "q": _deque,
    "k": lambda body, depth: dict.fromkeys(_hashed(body, depth)).keys(),
    "v": lambda body, depth: dict(enumerate(_list(body, depth))).values(),
    "m": _view_items,
    "n": lambda body, depth: _decimal(body),
    "x": _fraction,
    "p": _decode,
    "g": lambda body, depth: iter(_list(body, depth)),
}
