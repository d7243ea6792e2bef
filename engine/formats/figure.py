"""The paper's figure style: a bare `async def __call__(self, problem, test_cases)` without a class."""

from __future__ import annotations

import re

from engine.formats.lexing import string_lines

# A line may begin with its number, and the name may have lost its underscores.
_HEADER = re.compile(
    r"^\s*(?:\d{1,4}\s+)?(?:async\s+)?def\s+(?:__call__|_{0,2}[ ]?call[ ]?_{0,2}(?=\s*\(\s*self\b))\s*\("
)
_CLASS = re.compile(r"^\s*(?:\d{1,4}\s+)?class\s+\w+")
_STATEMENT = re.compile(r"^\s*[^\s#]")
_MARGIN_NUMBER = re.compile(r"^\s*\d+\s*$")
INDENT = "    "
CLASS = "class Workflow:"
# The class that a figure is put into. It stays in the stored code, which tells a figure from a native class.
FIGURE_CLASS = f"{CLASS}  # of a figure"
SHIFT = 2  # columns that a line of a typeset page is off at most


def as_class(code: str, header: str = CLASS) -> str:
    """`code` with a bare `__call__` put into a class with this header, or with an indentation of the whole
    text removed.

    Anything else is returned as it is. Line numbers in the margin of a pasted figure are ignored.
    """
    lines = code.split("\n")
    first, cls = _first(lines, _HEADER), _first(lines, _CLASS)
    if cls is not None and (first is None or cls < first):
        return _dedent(lines)
    if first is None:
        return code
    margin = _width(lines[first])
    body = _body_margin(lines, first)
    text = set(string_lines(code))
    if margin == 0 and body is not None and body <= len(INDENT) + SHIFT:
        lines = [
            INDENT + line if line.strip() and i not in text and i >= first else line
            for i, line in enumerate(lines)
        ]
    elif margin == 0:  # only the header lost its indentation, as a stripped tag body does
        lines[first] = INDENT + lines[first]
    # The blank line before a pasted header, if any, is replaced, so that line numbers stay the same.
    if first > 0 and not lines[first - 1].strip():
        return "\n".join([*lines[: first - 1], header, *lines[first:]])
    return "\n".join([*lines[:first], header, *lines[first:]])


def is_bare(code: str) -> bool:
    """Whether `code` has a `__call__` with no class before it."""
    lines = code.split("\n")
    first, cls = _first(lines, _HEADER), _first(lines, _CLASS)
    return first is not None and (cls is None or first < cls)


def _first(lines: list[str], pattern: re.Pattern[str]) -> int | None:
    return next((i for i, line in enumerate(lines) if pattern.match(line)), None)


def _dedent(lines: list[str]) -> str:
    first = next((line for line in lines if _STATEMENT.match(line)), "")
    prefix = first[: _width(first)]
    if not prefix:
        return "\n".join(lines)
    return "\n".join(line.removeprefix(prefix) for line in lines)


def _width(line: str) -> int:
    return len(line) - len(line.lstrip())


def _body_margin(lines: list[str], header: int) -> int | None:
    """How far the statement after the header is indented."""
    depth = 0
    for i in range(header, len(lines)):
        line = lines[i]
        if i > header and depth == 0 and _STATEMENT.match(line) and not _MARGIN_NUMBER.match(line):
            return _width(line)
        depth += line.count("(") - line.count(")")
    return None
