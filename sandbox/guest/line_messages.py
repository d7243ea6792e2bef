"""Messages between the two halves of a check, as they are written and as they are read."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from math import isfinite
from typing import TYPE_CHECKING, Any

from . import codec, kinds
from .containers import CONTAINERS, DICTS, TAGS, contents, empty, tag_of

if TYPE_CHECKING:
    from .graph import Graph

MAX_BYTES = 32 << 20  # of one message, roughly
_EXACT_INT = 1 << 53
_SCALARS = (int, float, bytes, complex, range)  # where they are none that JSON has
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
# What rows that no end wrote can lead to.
_BROKEN = (TypeError, ValueError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError)


class Writing:
    """One message as it is written."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.left = MAX_BYTES
        self._todo: list[tuple[int, Any]] = []
        self._seen: dict[int, int] = {}
        self._alive: list[Any] = []  # or an id could be another object's before the message is done

    def write(self, roots: Iterable[Any], changed: Iterable[Any]) -> dict[str, Any]:
        """The message for `roots` and `changed`."""
        before = dict(self.graph.told_at)
        known = set(self.graph.objects)
        try:
            refs = [self.ref(root) for root in roots]
            for value in changed:
                self.ref(value)
            rows: list[Any] = []
            while self._todo:
                number, value = self._todo.pop()
                rows.append([number, *self._row(number, value)])
        except BaseException:  # nothing of it was sent: the other end knows what it knew
            for number in self.graph.objects.keys() - known:
                self.graph.forget(number)
            self.graph.told_at = before
            raise
        return {"v": refs, "n": rows}

    def spend(self, size: int) -> None:
        """Count `size` bytes. Raises codec.TooBigError."""
        self.left -= size
        if self.left < 0:
            raise codec.TooBigError("the value is too big to pass on")

    def ref(self, value: Any) -> Any:
        """How other rows refer to `value`."""
        kind = type(value)
        if value is None or kind is bool:
            self.spend(5)
            return value
        if kind is str:
            self.spend(len(value) + 2)
            return value
        if kind is int and -_EXACT_INT < value < _EXACT_INT:
            self.spend(8)
            return value
        if kind is float and isfinite(value):
            self.spend(8)
            return value
        if kind in _SCALARS or (kind not in TAGS and kind is not tuple and _is_number(kind)):
            self.spend(len(value) * 4 // 3 if kind is bytes else 32)
            return codec.encode(value, max_bytes=self.left)
        return [self._number(value)]

    def _number(self, value: Any) -> int:
        number = self._seen.get(id(value))
        if number is None:
            known = self.graph.numbers.get(id(value))
            number = self.graph.fresh() if known is None else known
            self._seen[id(value)] = number
            self._alive.append(value)
            self._todo.append((number, value))
            self.spend(8)
        return number

    def refs(self, values: Iterable[Any]) -> list[Any]:
        """References to many; long runs of one kind of scalar at the speed of C."""
        values = values if isinstance(values, tuple) else tuple(values)
        if len(values) > 16:
            types = set(map(type, values))
            if types == {str}:
                self.spend(sum(map(len, values)) + 3 * len(values))
                return list(values)
            plain = types == {int} and min(values) > -_EXACT_INT and max(values) < _EXACT_INT
            if plain or types == {bool} or (types == {float} and all(map(isfinite, values))):
                self.spend(8 * len(values))
                return list(values)
        return [self.ref(value) for value in values]

    def _row(self, number: int, value: Any) -> list[Any]:
        kind = type(value)
        if kind in TAGS:
            self.graph.keep(number, value)
            return self.contents(number, value)
        if kind is tuple:
            return ["t", self.refs(value)]
        if kind is frozenset:
            return ["z", self.refs(value)]
        if kind in _VIEWS:
            items = [part for pair in value for part in pair] if _VIEWS[kind] == "items" else value
            return ["v", _VIEWS[kind], self.refs(items)]
        name = kinds.name_of(value)
        if name is not None:
            return ["n", name]
        found = kinds.find(value)
        if found is not None:
            return ["k", found[0], self.refs(found[1])]
        if self.graph.known(value) and tag_of(value) is None:
            return ["y"]
        return self.graph.pack(self, number, value)

    def contents(self, number: int, value: Any) -> list[Any]:
        """The row of a container's contents, without what its class adds."""
        tag = str(tag_of(value))
        now = self.graph.told(number, value)
        if tag == "a":
            return ["a", self.ref(now)]
        refs = self.refs(now)
        if tag == "q":
            return ["q", refs, value.maxlen]
        if tag == "d":
            kind = next(name for name, base in reversed(DICTS.items()) if isinstance(value, base))
            factory = value.default_factory if kind == "defaultdict" else None
            return ["d", refs, kind, self.ref(factory)]
        return [tag, refs]


def _is_number(kind: type) -> bool:
    """Decimal and Fraction, looked up only where the program itself imported them."""
    decimal, fractions = sys.modules.get("decimal"), sys.modules.get("fractions")
    return (decimal is not None and kind is decimal.Decimal) or (
        fractions is not None and kind is fractions.Fraction
    )


class Reading:
    """One message as it is read."""

    def __init__(self, graph: Graph, message: dict[str, Any]) -> None:
        self.graph = graph
        self._refs = message["v"]
        self._rows: dict[int, list[Any]] = {number: row for number, *row in message["n"]}
        self._made: dict[int, Any] = {}

    def roots(self) -> list[Any]:
        """What it is about. Raises codec.MalformedError."""
        try:
            shared = [number for number, row in self._rows.items() if contents(row)[0] in CONTAINERS]
            for number in shared:
                self._made[number] = self._shell(number, self._rows[number])
            for number in shared:
                self._fill(number)
            return self.values(self._refs)
        except codec.MalformedError:
            raise
        except _BROKEN as error:
            raise codec.MalformedError(f"a message that no value was written to: {error}") from None

    def value(self, ref: Any) -> Any:
        """What a reference refers to."""
        if type(ref) is list:
            (number,) = ref
            if number not in self._made:
                self._made[number] = self._build(number)
            return self._made[number]
        return codec.decode(ref) if type(ref) is dict else ref

    def values(self, refs: list[Any]) -> list[Any]:
        """What many references refer to."""
        return [self.value(ref) if type(ref) in (list, dict) else ref for ref in refs]

    def _shell(self, number: int, row: list[Any]) -> Any:
        known = self.graph.objects.get(number)
        inner = contents(row)
        if known is not None:
            if tag_of(known) != inner[0]:
                raise codec.MalformedError("a container that became another")
            return known
        value = self.graph.shell(self, row) if row[0] == "i" else empty(inner)
        self.graph.keep(number, value)
        return value

    def _fill(self, number: int) -> None:
        inner = contents(self._rows[number])
        value = self._made[number]
        new = self.value(inner[1]) if inner[0] == "a" else self.values(inner[1])
        if inner[0] == "d" and inner[2] == "defaultdict":
            value.default_factory = self.value(inner[3])
        CONTAINERS[inner[0]].fill(value, new)
        self.graph.told(number, value)

    def _build(self, number: int) -> Any:
        row = self._rows.get(number)
        if row is None or row[0] == "y":
            return self.graph.objects[number]
        tag = row[0]
        if tag in ("t", "z"):
            return (tuple if tag == "t" else frozenset)(self.values(row[1]))
        if tag == "v":
            return _view(row[1], self.values(row[2]))
        if tag == "n":
            return kinds.named(row[1])
        if tag == "k":
            return kinds.make(row[1], self.values(row[2]))
        if tag == "x":
            return self.value(row[1])
        if number in self.graph.objects:
            return self.graph.objects[number]
        value = self.graph.build(self, number, row)
        self.graph.keep(number, value)
        return value


def _view(which: str, items: list[Any]) -> Any:
    if which == "keys":
        return dict.fromkeys(items).keys()
    if which == "values":
        return dict(enumerate(items)).values()
    return dict(zip(items[::2], items[1::2], strict=True)).items()
