"""Tagged parts of a completion: `<graph>…</graph>` in any case, with blanks, attributes or CDATA around.

Tags in a Python string or a comment do not count, since workflows and prompts may well mention tags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from engine.formats.lexing import tokens

_ATTRIBUTES = r"(?:\s+[\w:.-]{1,40}\s*=\s*(?:\"[^\"\n]{0,200}\"|'[^'\n]{0,200}'|[^\s\"'<>]{1,200}))*"
_TAG = r"<[ \t]*(?P<slash>/?)[ \t]*(?P<name>graph|prompt|modification)\b" + _ATTRIBUTES + r"\s*>"
TAG = re.compile(_TAG, re.IGNORECASE)
_CDATA = re.compile(r"\A\s*<!\[CDATA\[(.*?)(?:\]\]>)?\s*\Z", re.DOTALL)
_NAMED = re.compile(r"\b(?:name|id)\s*=\s*[\"']?([A-Za-z_]\w{0,80})")
_MOST = 200  # tags that are looked at, from the end
_LONGEST = 70_000  # characters of a part that are read as Python: a larger workflow is refused


@dataclass(frozen=True)
class Section:
    """A tag's body, from `start` to `end` in the text; `outer` is its place with its tags. `attribute` is the
    `name` or `id` attribute of the opening tag, "" where it has none.
    """

    name: str
    start: int
    end: int
    outer: tuple[int, int]
    closed: bool
    attribute: str = ""

    def body(self, text: str) -> str:
        """The text between the tags, without a CDATA mark."""
        inside = text[self.start : self.end]
        cdata = _CDATA.match(inside)
        return cdata[1] if cdata else inside


@dataclass(frozen=True)
class _Tag:
    name: str
    closing: bool
    start: int
    end: int
    attribute: str


def sections(text: str) -> list[Section]:
    """The parts of a text in order, from its last 200 tags. A part that is never closed ends where the
    next begins.
    """
    return list(_sections(text, [_tag(m) for m in TAG.finditer(text)][-_MOST:]))


def _tag(found: re.Match[str]) -> _Tag:
    named = _NAMED.search(found.group())
    name, attribute = found["name"].lower(), named[1] if named else ""
    return _Tag(name, bool(found["slash"]), found.start(), found.end(), attribute)


def _sections(text: str, tags: list[_Tag]) -> Iterator[Section]:
    """Of nested openings the innermost counts."""
    number = 0
    while number < len(tags):
        opening = tags[number]
        number += 1
        if opening.closing:
            continue
        ending = _ending(text, opening, tags, number)
        if ending is None:
            yield _section(opening, len(text), len(text), closed=False)
        elif tags[ending].closing:
            yield _section(opening, tags[ending].start, tags[ending].end, closed=True)
            number = ending + 1
        else:
            if tags[ending].name != opening.name:  # one of the same name: the first was only mentioned
                yield _section(opening, tags[ending].start, tags[ending].start, closed=False)
            number = ending


def _ending(text: str, opening: _Tag, tags: list[_Tag], number: int) -> int | None:
    """Which of the tags from `number` on ends what `opening` began: its own closing tag, or another part's
    opening. What a modification says is prose; in the others strings are looked past.
    """
    quoted = _Quoted(text, opening.end) if opening.name != "modification" else None
    hidden: int | None = None
    for place in range(number, len(tags)):
        tag = tags[place]
        ours = tag.closing and tag.name == opening.name
        if quoted is not None and quoted.holds(tag.start):
            hidden = place if ours and hidden is None else hidden
        elif ours or not tag.closing:
            return place if ours or hidden is None else _nearer(tags, hidden, place, opening)
    return hidden  # a string that never ends hides the end as well


def _nearer(tags: list[_Tag], hidden: int, other: int, opening: _Tag) -> int:
    """Before an opening of the same name a closing tag in a string is the end: the string never ended."""
    return hidden if tags[other].name == opening.name else other


def _section(opening: _Tag, end: int, outer: int, *, closed: bool) -> Section:
    return Section(opening.name, opening.end, end, (opening.start, outer), closed, opening.attribute)


class _Quoted:
    """Whether places of a text, asked for in order, lie in a string or comment of the Python at `start`."""

    def __init__(self, text: str, start: int) -> None:
        self._tokens = tokens(text, start)
        self._end, self._limit = start, start + _LONGEST
        self._inside = False

    def holds(self, place: int) -> bool:
        """Whether `place`, no earlier than the last one asked for, is within a string or a comment."""
        if place > self._limit:
            return False
        while self._end <= place:
            token = next(self._tokens, None)
            if token is None:
                return False
            self._end = token.end
            self._inside = token.kind in ("string", "open-string", "comment") and token.start < place
        return self._inside
