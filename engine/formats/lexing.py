"""A forgiving scan of Python text that need not parse: where strings, comments and brackets are.

The tokenizer of the standard library gives up at the first unterminated string, which text that is still
streaming, or was pasted from a figure, may have.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Kind = Literal["string", "open-string", "comment", "open", "close", "newline", "continuation", "word"]

_TOKEN = re.compile(
    r"""(?P<string>(?:[rRbBuUfF]{0,3})(?:\"{3}(?:[^"\\]|\\[\s\S]|"(?!""))*\"{3}|'{3}(?:[^'\\]|\\[\s\S]|'(?!''))*'{3}
        |"(?!"")(?:[^"\\\n]|\\[\s\S])*"|'(?!'')(?:[^'\\\n]|\\[\s\S])*'|""(?!")|''(?!')))
      |(?P<triple>[rRbBuUfF]{0,3}(?:\"{3}|'{3}))
      |(?P<quote>[rRbBuUfF]{0,3}["'](?:[^\n\\]|\\[\s\S])*\\?)
      |(?P<comment>\#[^\n]*)
      |(?P<open>[(\[{])
      |(?P<close>[)\]}])
      |(?P<newline>\n)
      |(?P<continuation>\\\n)
      |(?P<word>[A-Za-z_]\w*|[^\s\w"'#()\[\]{}\\]+|\d[\w.]*|\\|\w+)""",
    re.VERBOSE,
)
_KINDS: dict[str, Kind] = {"triple": "open-string", "quote": "open-string"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of text. An "open-string" is one that never ends: a triple-quoted one reaches the end
    of the text, any other the end of its line.
    """

    kind: Kind
    start: int
    end: int
    text: str


def tokens(text: str, start: int = 0) -> Iterator[Token]:
    """The tokens from `start` on, read as if the text began there."""
    position = start
    while match := _TOKEN.search(text, position):
        group = match.lastgroup or "word"
        end = len(text) if group == "triple" else match.end()
        kind: Kind = _KINDS.get(group, group)  # type: ignore[arg-type]
        yield Token(kind, match.start(), end, text[match.start() : end])
        position = end


@dataclass(frozen=True, slots=True)
class LogicalLine:
    """A statement's place in the text, its indentation in characters, and its first and last token."""

    start: int
    end: int
    indent: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Complete logical lines, and what is still open at the end of the text.

    `brackets` are the positions of brackets never closed; `string` is the start of an unterminated
    string at the end of the text, or None.
    """

    lines: tuple[LogicalLine, ...]
    brackets: tuple[int, ...]
    string: int | None


def layout(text: str) -> Layout:
    """Cut `text` into logical lines. The last one counts only if a newline follows it."""
    lines: list[LogicalLine] = []
    stack: list[int] = []
    start, first, last = -1, "", ""
    string: int | None = None
    for token in tokens(text):
        if token.kind in ("comment", "continuation"):
            continue
        if token.kind == "newline":
            if start >= 0 and not stack:
                lines.append(LogicalLine(start, token.start, _indent(text, start), first, last))
                start, first, last = -1, "", ""
            continue
        if start < 0:
            start, first = token.start, token.text
        last = token.text
        string = token.start if token.kind == "open-string" and token.end == len(text) else None
        if token.kind == "open":
            stack.append(token.start)
        elif token.kind == "close" and stack:
            stack.pop()
    return Layout(tuple(lines), tuple(stack), string)


def string_lines(text: str) -> Iterator[int]:
    """Line numbers, from 0, of lines that begin inside a string."""
    line, position = 0, 0
    for token in tokens(text):
        if token.kind in ("string", "open-string"):
            line += text.count("\n", position, token.start)
            inside = token.text.count("\n")
            yield from range(line + 1, line + inside + 1)
            line, position = line + inside, token.end


def _indent(text: str, position: int) -> int:
    """The column of `position`; only spaces and tabs precede a statement's first token."""
    return position - (text.rfind("\n", 0, position) + 1)
