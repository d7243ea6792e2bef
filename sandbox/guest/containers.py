"""Containers as both halves of a check know them: what is in one is read and replaced, by its plain class's
own methods only."""

from __future__ import annotations

import operator
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

DICTS: dict[str, type] = {
    "dict": dict,
    "OrderedDict": OrderedDict,
    "Counter": Counter,
    "defaultdict": defaultdict,
}


class Container:
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


CONTAINERS: dict[str, Container] = {
    "l": Container(lambda value: tuple(list.__iter__(value)), _set_list),
    "d": Container(_pairs, _set_dict),
    "s": Container(lambda value: tuple(set.__iter__(value)), _set_set),
    "q": Container(lambda value: tuple(deque.__iter__(value)), _set_deque),
    "a": Container(bytes, _set_bytes),
}
TAGS: dict[type, str] = {list: "l", dict: "d", set: "s", deque: "q", bytearray: "a"}
TAGS |= dict.fromkeys(DICTS.values(), "d")


def tag_of(value: Any) -> str | None:
    """The tag of a container, by its exact class or the one it derives from."""
    tag = TAGS.get(type(value))
    if tag is None:
        mro = type.__dict__["__mro__"].__get__(type(value))  # nothing of the class's own is asked
        tag = next((TAGS[base] for base in mro if base in TAGS), None)
    return tag


def content(value: Any) -> Any:
    """What a container holds, to be compared with what it held before."""
    tag = tag_of(value)
    assert tag is not None
    return CONTAINERS[tag].content(value)


def same(now: Any, before: Any) -> bool:
    """Whether two contents are the same objects in the same order."""
    if type(now) is bytes:
        return now == before
    return len(now) == len(before) and all(map(operator.is_, now, before))


def empty(row: list[Any]) -> Any:
    """The container that a row is about, with nothing in it yet."""
    if row[0] == "q":
        return deque(maxlen=row[2])
    if row[0] == "d":
        return DICTS[row[2]]()
    return {"l": list, "s": set, "a": bytearray}[row[0]]()


def contents(row: list[Any]) -> list[Any]:
    """The part of a row that says what is in it: of an instance (`i`) what follows its class."""
    return row[2] if row[0] == "i" else row
