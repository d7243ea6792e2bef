"""JSON values out of the bytes of a response: server-sent events, or one JSON document.

Servers that were asked to stream and do not answer with a plain document, or with one a line; some send
events without the blank line between them. A web page or plain text is nobody's answer, and is told.
"""

from __future__ import annotations

import re
from typing import Any, Literal

from engine.models.error_bodies import page_title, parsed
from engine.models.faults import StreamError

LONGEST = 64 << 20  # bytes of an event or document; nothing that a model writes is near it
_LINE_END = re.compile(rb"\r\n|\n|\r")
_SAID = 2000  # bytes of what is no event that are kept, to be told


class EventReader:
    """Feed it bytes as they come; it gives values as they are complete."""

    def __init__(self) -> None:
        self.done = False  # [DONE] was met
        self._form: Literal["unknown", "events", "document", "page"] = "unknown"
        self._rest = bytearray()  # not a whole line yet, or the document so far
        self._data: list[bytes] = []  # lines of an event that is not complete
        self._said = b""
        self._failed = False  # the event under way is called "error"

    def feed(self, data: bytes) -> list[Any]:
        """The values that are complete with these bytes. Raises StreamError and what decoding raises."""
        self._rest += data
        if self._form == "unknown":
            self._recognise()
        if self._form in ("events", "unknown"):
            return self._lines() if self._form == "events" else []
        if len(self._rest) > LONGEST:
            raise StreamError("bad-response", "the answer is too long to be one", retry=False)
        return []

    def close(self) -> list[Any]:
        """The response is over: the values that were not complete before. Raises as `feed`."""
        if self._form == "page":
            raise StreamError(
                "bad-response",
                f"a web page came back ({page_title(self._rest.decode('utf-8', 'replace'))})",
                retry=False,
            )
        if self._form == "document":
            return _document(bytes(self._rest))
        out = self._lines(last=True)
        return out + self._end_of_event()

    @property
    def said(self) -> str:
        """The beginning of what came and is no event."""
        return self._said.decode("utf-8", "replace")

    def _recognise(self) -> None:
        start = self._rest.lstrip(b"\xef\xbb\xbf \t\r\n")
        if start:
            self._rest, first = start, start[:1]
            self._form = "document" if first in b"{[" else "page" if first == b"<" else "events"

    def _lines(self, last: bool = False) -> list[Any]:
        """The values of the whole lines there are."""
        end, out = 0, []
        for found in _LINE_END.finditer(self._rest):
            if found.end() == len(self._rest) and found[0] == b"\r" and not last:
                break  # perhaps the first half of one
            out += self._line(bytes(self._rest[end : found.start()]))
            end = found.end()
        del self._rest[:end]
        if last and self._rest:
            out += self._line(bytes(self._rest))
        if len(self._rest) + sum(map(len, self._data)) > LONGEST:
            raise StreamError("bad-response", "an event is too long to be a piece of an answer", retry=False)
        return out

    def _line(self, line: bytes) -> list[Any]:
        if not line:
            return self._end_of_event()
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            return self._data_line(value)
        if name == b"event":
            self._failed = value.strip() == b"error"
        elif name not in (b"", b"id", b"retry") and len(self._said) < _SAID:
            self._said += line[:_SAID]
        return []

    def _data_line(self, line: bytes) -> list[Any]:
        if line.strip() == b"[DONE]":
            self.done = True
            return []
        if not self._data:
            try:
                return [self._told(parsed(line))]
            except ValueError:
                pass  # perhaps the first of several lines, else told at the event's end
        self._data.append(line)
        return []

    def _end_of_event(self) -> list[Any]:
        lines, self._data = self._data, []
        out = [self._told(parsed(b"\n".join(lines)))] if lines else []
        self._failed = False
        return out

    def _told(self, value: Any) -> Any:
        has_error = isinstance(value, dict) and value.get("error")
        return {"error": value} if self._failed and not has_error else value


def _document(text: bytes) -> list[Any]:
    """The document, or where each line is one, all of them."""
    try:
        return [parsed(text)]
    except ValueError:
        lines = text.splitlines()
        if len(lines) < 2:
            raise
        return [parsed(line) for line in lines if line.strip()]
