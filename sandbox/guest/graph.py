"""Values between the two halves of a check, with their identity: a flat table of what refers to what.

`codec` carries trees of plain data to the host. Here one object stays one object: a list that is
returned is the list that was passed, rows of a matrix that are one row stay one row, and what one
half changes in a container is changed in the other at the next message. So there is no depth, and a
cycle is no error. What is not data stays where it is and is named by number (`line`).

A message holds rows, `[number, tag, …]` (`line_messages`). A reference in it is a scalar, `{tag: …}` as
`codec` writes what holds no other value, or `[number]`.
"""

from __future__ import annotations

import sys
from typing import Any

from . import codec
from .containers import content, same
from .line_messages import Reading, Writing

_OURS = 3  # references to an object that only this table holds, while it is asked


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
            if not same(content(value), told):
                found.append(value)
        return found

    def told(self, number: int, value: Any) -> Any:
        """Note what a container holds now, and return it."""
        now = self.told_at[number] = content(value)
        return now

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
        """The value of a row that `pack` of the other end wrote.

        Raises codec.MalformedError where it is none.
        """
        raise codec.MalformedError(f"no value has the tag {row[0]!r} here")

    def shell(self, reading: Reading, row: list[Any]) -> Any:
        """An empty container of a class of the other end's, to be filled. Raises codec.MalformedError."""
        raise codec.MalformedError(f"no container has the tag {row[0]!r} here")
