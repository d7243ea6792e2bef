"""Changing source text at the places a syntax tree names, leaving everything else as it was."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Edit:
    """Replace the bytes from `start` up to, not including, `end` of the UTF-8 text."""

    start: int
    end: int
    text: str


class Positions:
    """Byte offsets of tree positions, which are a line and a UTF-8 column."""

    def __init__(self, code: str) -> None:
        """Raises UnicodeEncodeError where `code` has a lone surrogate; text that parses has none."""
        self.data = code.encode("utf-8")
        self._starts = [0]
        for line in self.data.split(b"\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    def start(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> int:
        """The offset of the node's first byte."""
        return self._starts[node.lineno - 1] + node.col_offset

    def end(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> int:
        """The offset after the node's last byte."""
        assert node.end_lineno is not None and node.end_col_offset is not None  # ast.parse sets both
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def text(self, node: ast.expr) -> str:
        """The node's source."""
        return self.data[self.start(node) : self.end(node)].decode("utf-8")

    def apply(self, edits: list[Edit]) -> str:
        """The text after `edits`, which must not overlap."""
        pieces: list[bytes] = []
        position = 0
        for edit in sorted(edits, key=lambda e: (e.start, e.end)):
            pieces += [self.data[position : edit.start], edit.text.encode("utf-8")]
            position = edit.end
        return b"".join([*pieces, self.data[position:]]).decode("utf-8")


def overlapping(edits: list[Edit]) -> bool:
    """Whether two of the edits change the same byte."""
    ordered = sorted(edits, key=lambda e: (e.start, e.end))
    return any(a.end > b.start for a, b in pairwise(ordered))


def in_formatted_string(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> bool:
    """Whether `node` is inside an f-string. Python 3.11 gives such nodes positions that are not reliable."""
    current = parents.get(node)
    while current is not None and not isinstance(current, ast.stmt):
        if isinstance(current, ast.JoinedStr):
            return True
        current = parents.get(current)
    return False
