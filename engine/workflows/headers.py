"""Two `__call__` headers in a row: nested, or the second one's body not indented under it."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^([ \t]*)(?:async[ \t]+)?def[ \t]+__call__[ \t]*\(")
MAX_HEADER_LINES = 12


def merge_headers(code: str) -> tuple[str, int] | None:
    """(`code` with two adjacent headers merged, the line of the first); None where there are not two."""
    lines = code.split("\n")
    for first, line in enumerate(lines):
        if not _HEADER.match(line):
            continue
        end = _header_end(lines, first)
        second = None if end is None else _next_filled(lines, end + 1)
        if second is not None and _HEADER.match(lines[second]):
            return without_outer(code, first + 1, second + 1), first + 1
    return None


def without_outer(code: str, outer: int, inner: int) -> str:
    """`code` without the header on line `outer` (from 1), up to that on line `inner`, which takes its place.

    The inner header moves to the outer one's indentation, so that its body is deeper than it either
    way. Comments in between stay, and lines keep their numbers.
    """
    lines = code.split("\n")
    indent = _HEADER.match(lines[outer - 1])
    for i in range(outer - 1, inner - 1):
        lines[i] = lines[i] if lines[i].lstrip().startswith("#") else ""
    lines[inner - 1] = (indent.group(1) if indent else "") + lines[inner - 1].lstrip()
    return "\n".join(lines)


def _header_end(lines: list[str], start: int) -> int | None:
    depth = 0
    for i in range(start, min(start + MAX_HEADER_LINES, len(lines))):
        text = lines[i].split("#")[0].rstrip()
        depth += text.count("(") + text.count("[") - text.count(")") - text.count("]")
        if depth == 0 and text.endswith(":"):
            return i
    return None


def _next_filled(lines: list[str], start: int) -> int | None:
    return next((i for i in range(start, len(lines)) if lines[i].split("#")[0].strip()), None)
