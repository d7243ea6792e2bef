"""Two `__call__` headers in a row: nested, or the second one's body not indented under it."""

from __future__ import annotations

import re

_HEADER = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+__call__[ \t]*\(")
MAX_HEADER_LINES = 12


def merge_headers(code: str) -> tuple[str, int] | None:
    """The code with the first of two adjacent headers blanked, and its line; None if there are not two.

    The second header is moved to the first one's indentation, so that its body is deeper than it
    either way. Lines keep their numbers.
    """
    lines = code.split("\n")
    for first, line in enumerate(lines):
        if not _HEADER.match(line):
            continue
        end = _header_end(lines, first)
        second = None if end is None else _next_filled(lines, end + 1)
        if end is None or second is None or not _HEADER.match(lines[second]):
            continue
        indent = line[: len(line) - len(line.lstrip())]
        lines[first : end + 1] = [""] * (end + 1 - first)
        lines[second] = indent + lines[second].lstrip()
        return "\n".join(lines), first + 1
    return None


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
