"""Python highlighting a line at a time, with one bit of carried state, so that code which is still
streaming is never lexed twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile
from keyword import kwlist, softkwlist
from typing import NamedTuple

# Start, end and ink of a coloured part of a line.
Span = tuple[int, int, str]

_TOKEN = re.compile(
    r"""(?P<comment>\#.*)
      | (?P<triple>[rRbBfFuU]{0,2}(?:\"\"\"|'''))
      | (?P<string>[rRbBfFuU]{0,2}(?:"(?:\\.|[^"\\])*"?|'(?:\\.|[^'\\])*'?))
      | (?P<decorator>^\s*@[\w.]+)
      | (?P<number>\b(?:0[xXbBoO][\da-fA-F_]+|\d[\d_]*(?:\.[\d_]+)?(?:[eE][+-]?\d+)?)\b)
      | (?P<define>\b(?:def|class)\s+\w+)
      | (?P<name>[^\W\d]\w*)(?P<call>\s*\()?""",
    re.VERBOSE,
)
_KEYWORDS = frozenset(kwlist) | {"match", "case"} & set(softkwlist) | {"self"}
_CONSTANTS = frozenset({"True", "False", "None"})


# What a line of Python begins with and one of prose does not, though it may start with the same words.
_CODE_LINE = re.compile(
    r"""(?:async\s+)?def\s+\w+\s*\( | class\s+\w+\s*[:(] | import\s+[\w.]+(?:\s+as\s+\w+)?\s*(?:,|$)
      | from\s+[\w.]+\s+import\s | @[\w.]+\s*(?:\(|$) | (?:return|assert|print)\b\s*[\w(].*[()\[\]=]
      | [\w.]+(?:\[.*\])?\s*[-+*/]?=[^=]""",
    re.VERBOSE,
)
_LINES_LOOKED_AT = 40


def is_code(text: str) -> bool:
    """Whether a text is Python, and no prose with some in it, by its first line that is no comment."""
    lines = (line.strip() for line in text[:20_000].split("\n")[:_LINES_LOOKED_AT])
    first = next((line for line in lines if line and not line.startswith("#")), "")
    return _CODE_LINE.match(first) is not None


class Painted(NamedTuple):
    """The coloured parts of a line, and the quote still open at its end ("" when none is)."""

    spans: list[Span]
    quote: str


_SOURCE_LINE = re.compile(r"[▶ ] *\d+ ")
_HEADING = "── "
EXPECTED, GOT = "    expected  ", "    got       "
_HEADS = ((_HEADING, "title"), ("✗ ", "error"), (EXPECTED, "success"), (GOT, "warning"))


def paint_report(lines: Sequence[str]) -> list[list[Span]]:
    """Colour a page of texts under headings: the headings, tests, and code, numbered or as a whole text."""
    painted: list[list[Span]] = []
    code, quote = False, ""
    for place, line in enumerate(lines):
        if line.startswith(_HEADING):
            code, quote = is_code("\n".join(_until_heading(lines, place + 1))), ""
        elif code:
            spans, quote = paint(line, quote)
            painted.append(spans)
            continue
        painted.append(_report_line(line))
    return painted


def _until_heading(lines: Sequence[str], start: int) -> list[str]:
    return list(
        takewhile(lambda line: not line.startswith(_HEADING), lines[start : start + _LINES_LOOKED_AT])
    )


def _report_line(line: str) -> list[Span]:
    for head, ink in _HEADS:
        if line.startswith(head):
            return [(0, len(line), ink)]
    if (lead := _SOURCE_LINE.match(line)) is None:
        return []
    at = lead.end()
    spans = [(a + at, b + at, ink) for a, b, ink in paint(line[at:]).spans]
    return [(0, at, "error" if line[0] == "▶" else "faint"), *spans]


def paint(line: str, quote: str = "") -> Painted:
    """Colour one line of Python; `quote` is what the line before left open."""
    spans: list[Span] = []
    at = 0
    if quote:
        end = line.find(quote)
        if end < 0:
            return Painted([(0, len(line), "string")], quote)
        at = end + 3
        spans.append((0, at, "string"))
    while (match := _TOKEN.search(line, at)) is not None:
        start, at = match.span()
        kind = match.lastgroup
        if kind == "triple":
            mark = match.group()[-3:]
            end = line.find(mark, at)
            if end < 0:
                spans.append((start, len(line), "string"))
                return Painted(spans, mark)
            at = end + 3
            spans.append((start, at, "string"))
        elif kind == "define":
            split = match.start() + len(match.group().split()[0])
            spans += [(start, split, "keyword"), (split, at, "call")]
        elif kind in ("name", "call"):
            word, end = match.group("name"), match.end("name")
            if word in _CONSTANTS:
                spans.append((start, end, "number"))
            elif word in _KEYWORDS:
                spans.append((start, end, "keyword"))
            elif kind == "call":
                spans.append((start, end, "call"))
            at = end
        elif kind is not None:
            spans.append((start, at, "keyword" if kind == "decorator" else kind))
    return Painted(spans, "")
