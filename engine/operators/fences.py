"""Fenced blocks of a reply, in every form that models write them in.

A fence is three or more backticks or tildes; it may stand in a list or a quote, behind other text, or on one
line with all of its code. Parsing decides which fence closes a block of Python, because a string may hold
fences.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from engine.operators.dressing import read_python

_OPEN = re.compile(r"`{3,}|^(?:[ \t>*+-]|\d{1,3}[.)])*~{3,}")
_RUN = re.compile(r"[`~]{3,}")
_QUOTED = re.compile(r"^[ \t]*(?:>[ \t]?)+")
# A language, with `{}`, attributes and a file's name around it: {.python}, py title="a", python:a.py
_LANGUAGE = re.compile(r"\s*\{?\s*\.?([A-Za-z][\w+#.-]*)")
_PYTHON = re.compile(
    r"(?:i?python|pyi?|py(?:con|odide|thon-?repl)?|sage(?:math)?)[\d.]*(?:-repl)?", re.IGNORECASE
)
_STATEMENT = re.compile(r"\s*(?:(?:async\s+)?def\s|class\s|import\s|from\s+\S+\s+import\b|@\w|\w+\s*=[^=])")
_AFTER_CLOSING = r"[ \t]*(?:<[^<>\n]{1,40}>|\[/?\w{1,20}\])*[ \t]*$"
MOST = 200  # blocks of a reply: a model that writes more is repeating itself
_TRIES = 8  # fences tried as the end of one block: each costs a parse


@dataclass(frozen=True)
class Block:
    """A fenced block. `language` is in lower case, "" where none is named; `body` is without the `>` of a
    quote.

    `start` and `end` are its place in the reply in characters, fences included. A block that is not `closed`
    runs to the end of the reply or to the next block.
    """

    language: str
    body: str
    start: int
    end: int
    closed: bool = True

    @property
    def is_python(self) -> bool:
        """Whether its language is one of the names of Python."""
        return _PYTHON.fullmatch(self.language) is not None


def blocks(text: str) -> list[Block]:
    """The blocks in order, at most `MOST`. Takes time linear in the text, plus `_TRIES` parses per block."""
    return list(islice(_blocks(text), MOST))


def _blocks(text: str) -> Iterator[Block]:
    lines = list(_lines(text))
    number = 0
    while number < len(lines):
        start, line = lines[number]
        opening = _OPEN.search(line)
        if opening is None:
            number += 1
            continue
        run = _RUN.search(opening.group())
        assert run is not None  # it is what `_OPEN` looks for
        fence, rest = run.group(), line[opening.end() :]
        begins = start + opening.start() + run.start()
        if fence[0] == "`" and fence in rest:  # all on one line
            body, _, _ = rest.partition(fence)
            language, code = _one_line(body)
            end = start + opening.end() + len(body) + len(fence)
            yield Block(language, code, begins, end)
            lines[number] = (end, text[end : start + len(line)])
            continue
        language = _language(rest)
        if language in ("markdown", "md"):  # around a whole reply
            number += 1
            continue
        first = [rest.strip()] if not language and _STATEMENT.match(rest) else []
        last, body, closed = _body(lines, number + 1, fence, first, _QUOTED.match(line) is not None, language)
        end = lines[last][0] + len(lines[last][1]) if last < len(lines) else len(text)
        yield Block(language, body, begins, end, closed)
        number = last + 1


def _lines(text: str) -> Iterator[tuple[int, str]]:
    at = 0
    for line in text.split("\n"):
        yield at, line
        at += len(line) + 1


def _language(info: str) -> str:
    name = _LANGUAGE.match(info)
    if name is None or (_STATEMENT.match(info) and not _PYTHON.fullmatch(name[1])):
        return ""
    return name[1].lower().rstrip(".")


def _one_line(body: str) -> tuple[str, str]:
    language = _LANGUAGE.match(body)
    if language is not None and _PYTHON.fullmatch(language[1]):
        return language[1].lower(), body[language.end() :].strip()
    return "", body.strip()


def _closes(kind: str, body: str) -> bool:
    """Whether a fence certainly ends a block: only a string over several lines can hold a fence on a line of
    its own.
    """
    return not body.strip() or (kind == "own" and '"""' not in body and "'''" not in body)


def _body(
    lines: list[tuple[int, str]], begin: int, fence: str, first: list[str], quoted: bool, language: str
) -> tuple[int, str, bool]:
    """The number of the line that ends the block, what is in it, and whether its end is there.

    Of the lines that may close it, the first after which the block is Python does; else the first that is
    nothing but a fence, then one that has code before the fence.
    """
    mark = re.escape(fence[0])
    closing = re.compile(rf"^[ \t]*{mark}{{{len(fence)},}}{_AFTER_CLOSING}")
    behind_code = re.compile(rf"(?<=[^{mark}\s]){mark}{{{len(fence)},}}{_AFTER_CLOSING}")
    code = language == "" or _PYTHON.fullmatch(language) is not None
    kept, tries = list(first), 0
    ends: dict[str, tuple[int, str, bool]] = {}
    for number in range(begin, len(lines)):
        line = lines[number][1]
        if quoted:
            line = _QUOTED.sub("", line)
        kind, body = "", ""
        if closing.match(line):
            kind, body = "own", "\n".join(kept)
        elif behind := behind_code.search(line):
            kind, body = "behind", "\n".join([*kept, line[: behind.start()]])
        elif fence[0] == "`" and re.match(rf"[ \t]*`{{{len(fence)},}}\w", line):
            kind, body = "next", "\n".join(kept)
        if kind:
            last = number - 1 if kind == "next" else number
            end = (last, body, kind != "next")
            ends.setdefault(kind, end)
            if kind == "own" and not code:
                return end
            if code and (_closes(kind, body) or read_python(body) is not None):
                return end
            tries += 1
            if tries >= _TRIES:
                break
        kept.append(line)
    for kind in ("own", "behind", "next"):
        if kind in ends:
            return ends[kind]
    return (
        len(lines),
        "\n".join(first + [_QUOTED.sub("", t) if quoted else t for _, t in lines[begin:]]),
        False,
    )
