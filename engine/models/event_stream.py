"""JSON values out of the bytes of a response: server-sent events, or one JSON document.

Some servers that are asked to stream answer with a plain document instead, or with one on each line; some
send events without the blank line between them. A web page or plain text is not an answer, and is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal

from engine.models.error_bodies import page_title, parsed
from engine.models.faults import StreamError

LONGEST = 32 << 20  # bytes of an event or document; no model's answer comes near it
_LINE_END = re.compile(rb"\r\n|\n|\r")
_SAID = 2000  # bytes kept of lines that are not part of an event, to be shown in an error


class EventReader:
    """Takes bytes as they come, and gives JSON values as they are complete."""

    def __init__(self) -> None:
        self.done = False  # [DONE] was met
        self._form: Literal["unknown", "events", "document", "page"] = "unknown"
        self._rest = bytearray()  # not a whole line yet, or the document so far
        self._data: list[bytes] = []  # lines of an event that is not complete
        self._said = b""
        self._failed = False  # the event under way is called "error"

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are complete with these bytes. The iterator must be read to its end.

        Raises StreamError where the answer is too long, and ValueError where an event is not JSON or not
        UTF-8, after the values that came before.
        """
        self._rest += data
        if self._form == "unknown":
            self._recognise()
        # Only the new bytes and the one before are searched: a line may come in a thousand pieces.
        if self._form == "events" and _LINE_END.search(self._rest, max(0, len(self._rest) - len(data) - 1)):
            yield from self._lines()
        elif len(self._rest) > LONGEST:
            raise StreamError("bad-response", "the answer is too long to be one", retry=False)

    def close(self) -> Iterator[Any]:
        """The values that only the response's end completes. Raises as `feed`, and StreamError for a web
        page.
        """
        if self._form == "page":
            title = page_title(self._rest.decode("utf-8", "replace"))
            raise StreamError("bad-response", f"a web page came back ({title})", retry=False)
        if self._form == "document":
            yield from _document(bytes(self._rest))
            return
        yield from self._lines(last=True)
        yield from self._end_of_event()

    @property
    def said(self) -> str:
        """The beginning of the lines that are not part of an event."""
        return self._said.decode("utf-8", "replace")

    def _recognise(self) -> None:
        start = self._rest.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start:
            self._rest, first = start, start[:1]
            self._form = "document" if first in b"{[" else "page" if first == b"<" else "events"

    def _lines(self, last: bool = False) -> Iterator[Any]:
        """The values of the whole lines there are."""
        lines, end = bytes(self._rest), 0
        for line_end in _LINE_END.finditer(lines):
            if line_end.end() == len(lines) and line_end[0] == b"\r" and not last:
                break  # perhaps the first half of one
            yield from self._line(lines[end : line_end.start()])
            end = line_end.end()
        del self._rest[:end]
        if last and self._rest:
            yield from self._line(lines[end:])
        if len(self._rest) + sum(map(len, self._data)) > LONGEST:
            raise StreamError("bad-response", "an event is too long to be a piece of an answer", retry=False)

    def _line(self, line: bytes) -> Iterator[Any]:
        if not line:
            yield from self._end_of_event()
            return
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            yield from self._data_line(value)
        elif name == b"event":
            self._failed = value.strip() == b"error"
        elif name not in (b"", b"id", b"retry") and len(self._said) < _SAID:
            self._said += line[:_SAID]

    def _data_line(self, line: bytes) -> Iterator[Any]:
        if line.strip() == b"[DONE]":
            self.done = True
            return
        if not self._data:
            try:
                value = parsed(line)
            except ValueError:
                pass  # perhaps the first of several lines, else told at the event's end
            else:
                yield self._marked(value)
                return
        self._data.append(line)

    def _end_of_event(self) -> Iterator[Any]:
        lines, self._data = self._data, []
        if lines:
            yield self._marked(parsed(b"\n".join(lines)))
        self._failed = False

    def _marked(self, value: Any) -> Any:
        has_error = isinstance(value, dict) and value.get("error")
        return {"error": value} if self._failed and not has_error else value


def _document(text: bytes) -> list[Any]:
    """The document; where each line is one, all of them."""
    try:
        return [parsed(text)]
    except ValueError:
        lines = text.splitlines()
        if len(lines) < 2:
            raise
        return [parsed(line) for line in lines if line.strip()]
