"""Values between the two halves of a check, with their identity: a flat table of what refers to what.

`codec` carries trees of plain data to the host. Here one object stays one object: a list that is
returned is the list that was passed, rows of a matrix that are one row stay one row, and what one
half changes in a container is changed in the other at the next message. So there is no depth, and a
cycle is no error. What is not data stays where it is and is named by number (`Ends`).

A message holds rows, `[number, tag, …]`. A reference is a scalar, `{tag: …}` as `codec` writes it for
what holds no other value, or `[number]`.
"""

from __future__ import annotations

import operator
import sys
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any

from . import codec, kinds

MAX_BYTES = 32 << 20  # of one message, roughly
_EXACT_INT = 1 << 53
_LEAVES = (bytes, complex, range)
_DICTS: dict[str, type] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
    "defaultdict": defaultdict,
}
_VIEWS = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}
_OURS = 3  # references to an object that only this table holds, while it is asked


class _Tagged:
    """How the contents of one kind of container are read and replaced, by its own class's methods only."""

    def __init__(self, content: Callable[[Any], Any], fill: Callable[[Any, Any], None]) -> None:
        self.content, self.fill = content, fill


def _set_list(old: Any, new: Any) -> None:
    list.__setitem__(old, slice(None), new)


def _set_set(old: Any, new: Any) -> None:
    set.clear(old)
    set.update(old, new)


def _set_deque(old: Any, new: Any) -> None:
    deque.clear(old)
    deque.extend(old, new)


def _set_bytes(old: Any, new: Any) -> None:
    bytearray.__setitem__(old, slice(None), new)


def _pairs(value: Any) -> tuple[Any, ...]:
    base = OrderedDict if isinstance(value, OrderedDict) else dict
    return (*base.keys(value), *base.values(value))


def _set_dict(old: Any, new: Any) -> None:
    base = OrderedDict if isinstance(old, OrderedDict) else dict
    base.clear(old)
    half = len(new) // 2
    for key, value in zip(new[:half], new[half:], strict=True):
        base.__setitem__(old, key, value)


CONTAINERS: dict[str, _Tagged] = {
    "l": _Tagged(lambda value: tuple(list.__iter__(value)), _set_list),
    "d": _Tagged(_pairs, _set_dict),
    "s": _Tagged(lambda value: tuple(set.__iter__(value)), _set_set),
    "q": _Tagged(lambda value: tuple(deque.__iter__(value)), _set_deque),
    "a": _Tagged(bytes, _set_bytes),
}
_TAGS: dict[type, str] = {list: "l", dict: "d", set: "s", deque: "q", bytearray: "a"}
_TAGS |= dict.fromkeys(_DICTS.values(), "d")


def tag_of(value: Any) -> str | None:
    """The tag of a container, by its exact class or the one it derives from."""
    tag = _TAGS.get(type(value))
    if tag is None:
        mro = type.__dict__["__mro__"].__get__(type(value))  # nothing of the class's own is asked
        tag = next((_TAGS[base] for base in mro if base in _TAGS), None)
    return tag


class Graph:
    """What one end knows: the objects both ends know by number, and what containers held when last told.

    The ends count apart: one up from 1, the other down from -1.
    """

    def __init__(self, step: int, *, forgets: bool = False) -> None:
        self._step = self._next = step
        self._forgets = forgets  # whether this end tells what it no longer holds
        self.reading = False  # a message is half read: what it tells of is not whole yet
        self.objects: dict[int, Any] = {}
        self.numbers: dict[int, int] = {}  # by id(), of what `objects` keeps alive
        self.told_at: dict[int, Any] = {}  # what each shared container held when it last crossed, by number

    # Writing.

    def write(self, *roots: Any) -> dict[str, Any]:
        """The message for `roots`, and for every shared container that changed.

        Raises:
            codec.NotPlainError: something in them can neither cross nor be named.
            codec.TooBigError: they are too big for one message.
        """
        changed = self.changed()
        dropped = self._drop({id(value) for value in changed}) if self._forgets else []
        message = Writing(self).write(roots, changed)
        if dropped:
            message["drop"] = dropped
        return message

    def _drop(self, changed: set[int]) -> list[int]:
        """Forget what only this table still holds and the other end knows as it is; one pass in order frees
        what the dropped held."""
        dropped: list[int] = []
        for number in sorted(self.objects, key=abs):
            if (number > 0) == (self._step > 0) and number not in self.told_at:
                continue  # ours, and no container: the other end may ask for it at any time
            value = self.objects[number]
            if id(value) in changed:
                continue
            if sys.getrefcount(value) <= _OURS and not isinstance(value, type):
                self.forget(number)
                dropped.append(number)
        return dropped

    def forget(self, number: int) -> None:
        """Let `number` be nothing any more."""
        value = self.objects.pop(number, None)
        self.told_at.pop(number, None)
        self.numbers.pop(id(value), None)

    def number(self, value: Any) -> int:
        """The number both ends know `value` by, a new one where they do not."""
        number = self.numbers.get(id(value))
        if number is None:
            number = self.fresh()
            self.keep(number, value)
        return number

    def fresh(self) -> int:
        """A number of this end's that is not used."""
        number = self._next
        self._next += self._step
        return number

    def keep(self, number: int, value: Any) -> None:
        """Let `number` be `value` from now on."""
        self.objects[number] = value
        self.numbers[id(value)] = number

    def known(self, value: Any) -> bool:
        """Whether both ends have a number for it."""
        return id(value) in self.numbers

    def changed(self) -> list[Any]:
        """The shared containers that are not as the other end knows them."""
        found: list[Any] = []
        for number, told in self.told_at.items():
            value = self.objects[number]
            now = CONTAINERS[_tag(value)].content(value)
            same = (
                now == told
                if type(now) is bytes
                else len(now) == len(told) and all(map(operator.is_, now, told))
            )
            if not same:
                found.append(value)
        return found

    def told(self, number: int, value: Any) -> Any:
        """Note what a container holds now, and return it."""
        content = self.told_at[number] = CONTAINERS[_tag(value)].content(value)
        return content

    def pack(self, writing: Writing, number: int, value: Any) -> list[Any]:
        """The row of a value that is no data, by the end that has it. Raises codec.NotPlainError."""
        raise codec.NotPlainError(f"a value of type {type(value).__name__} is not plain data")

    # Reading.

    def read(self, message: dict[str, Any]) -> list[Any]:
        """The roots of a message; containers that both ends hold are brought up to date.

        Raises:
            codec.MalformedError: it is not one that `write` wrote.
        """
        for number in message.get("drop", ()):
            self.forget(number)
        self.reading = True
        try:
            return Reading(self, message).roots()
        finally:
            self.reading = False

    def build(self, reading: Reading, number: int, row: list[Any]) -> Any:
        """The value of a row that `pack` of the other end wrote."""
        raise codec.MalformedError(f"no value has the tag {row[0]!r} here")

    def shell(self, reading: Reading, row: list[Any]) -> Any:
        """An empty container of a class of the other end's, to be filled."""
        raise codec.MalformedError(f"no container has the tag {row[0]!r} here")


def _tag(value: Any) -> str:
    tag = tag_of(value)
    assert tag is not None
    return tag


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
        if kind in (int, float) or kind in _LEAVES or _is_number(kind):
            data = codec.encode(value, max_bytes=self.left)
            self.spend(
                len(value) * 4 // 3 if kind is bytes else 32 if kind is not int else value.bit_length() // 4
            )
            return data
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
        if kind in _TAGS:
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
        tag = _tag(value)
        content = self.graph.told(number, value)
        if tag == "a":
            self.spend(len(content) * 4 // 3)
            return ["a", codec.encode(content)]
        refs = self.refs(content)
        if tag == "q":
            return ["q", refs, value.maxlen]
        if tag == "d":
            kind = next(name for name, base in reversed(_DICTS.items()) if isinstance(value, base))
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
        try:
            shared = [number for number, row in self._rows.items() if _contents(row)[0] in CONTAINERS]
            for number in shared:
                self._made[number] = self._shell(number, self._rows[number])
            for number in shared:
                self._fill(number)
            return self.values(self._refs)
        except codec.MalformedError:
            raise
        except (
            TypeError,
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            ArithmeticError,
            RecursionError,
        ) as error:
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
        inner = _contents(row)
        if known is not None and tag_of(known) == inner[0]:
            return known
        value = self.graph.shell(self, row) if row[0] == "i" else _empty(inner, self)
        self.graph.keep(number, value)
        return value

    def _fill(self, number: int) -> None:
        inner = _contents(self._rows[number])
        value = self._made[number]
        content = self.value(inner[1]) if inner[0] == "a" else self.values(inner[1])
        if inner[0] == "d" and inner[2] == "defaultdict":
            value.default_factory = self.value(inner[3])
        CONTAINERS[inner[0]].fill(value, content)
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


def _contents(row: list[Any]) -> list[Any]:
    """The part of a row that says what is in it: of an instance (`i`) what follows its class."""
    return row[2] if row[0] == "i" else row


def _empty(row: list[Any], reading: Reading) -> Any:
    if row[0] == "q":
        return deque(maxlen=row[2])
    if row[0] == "d":
        return _DICTS[row[2]]()
    return {"l": list, "s": set, "a": bytearray}[row[0]]()


def _view(which: str, items: list[Any]) -> Any:
    if which == "keys":
        return dict.fromkeys(items).keys()
    if which == "values":
        return dict(enumerate(items)).values()
    return dict(zip(items[::2], items[1::2], strict=True)).items()
