"""Diffs of texts, and which words have changed between a line and the one that replaces it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher, unified_diff
from itertools import pairwise

from tui.highlight import EXPECTED, GOT, Span

REMOVED, ADDED = "removed", "added"
_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_LONGEST = 500  # characters of a line; the time grows with the square of its words
_MOST_PAIRS = 300
_MOST_LINES = 2_000  # of two texts beside each other
# Comparing lines takes time that grows with the square of their number.
_DIFFED_LINES = 600
_DIFFED_CHARS = 100_000
_DIFFED_LINE = 2_000
_ALIKE = 0.4  # lines that share less were not changed but replaced


def unified(old: str, new: str) -> str:
    """A unified diff without the lines that name files, cut where comparing would take too long."""
    before, after = _diffed(old), _diffed(new)
    lines = list(unified_diff(before[:_DIFFED_LINES], after[:_DIFFED_LINES], lineterm="", n=2))[2:]
    if max(len(old), len(new)) > _DIFFED_CHARS or max(len(before), len(after)) > _DIFFED_LINES:
        lines.append(f"… compared up to line {_DIFFED_LINES} and character {_DIFFED_CHARS:,}")
    return "\n".join(lines)


def alike(old: str, new: str) -> float:
    """The share of lines that two texts have in common, 0 to 1; 0 for single lines and very long texts."""
    before, after = _diffed(old), _diffed(new)
    if not 1 < min(len(before), len(after)) <= max(len(before), len(after)) <= _DIFFED_LINES:
        return 0.0
    return SequenceMatcher(None, before, after, autojunk=False).ratio()


def _diffed(text: str) -> list[str]:
    return [
        line if len(line) <= _DIFFED_LINE else f"{line[:_DIFFED_LINE]} … {len(line) - _DIFFED_LINE:,} more"
        for line in text[:_DIFFED_CHARS].splitlines()
    ]


def expected_spans(lines: Sequence[str]) -> dict[int, list[Span]]:
    """The words in which the values of a failed test differ, where "expected" and "got" are lines below each
    other, by line index.
    """
    spans_by_line: dict[int, list[Span]] = {}
    for at, (old, new) in enumerate(pairwise(lines)):
        if not (old.startswith(EXPECTED) and new.startswith(GOT)):
            continue
        if (spans := changed_words(old[len(EXPECTED) :], new[len(GOT) :])) is not None:
            spans_by_line[at] = [(a + len(EXPECTED), b + len(EXPECTED), ADDED) for a, b in spans[0]]
            spans_by_line[at + 1] = [(a + len(GOT), b + len(GOT), REMOVED) for a, b in spans[1]]
    return spans_by_line


def word_spans(lines: Sequence[str]) -> dict[int, list[Span]]:
    """The changed words of a unified diff, by line index; removed and added lines pair up in order."""
    spans_by_line: dict[int, list[Span]] = {}
    pairs = 0
    at = 0
    while at < len(lines) and pairs < _MOST_PAIRS:
        removed = _block(lines, at, "-")
        added = _block(lines, removed, "+")
        for old, new in zip(range(at, removed), range(removed, added), strict=False):
            pairs += 1
            spans = changed_words(lines[old][1:], lines[new][1:])
            if spans is not None:
                spans_by_line[old] = [(a + 1, b + 1, REMOVED) for a, b in spans[0]]
                spans_by_line[new] = [(a + 1, b + 1, ADDED) for a, b in spans[1]]
        at = max(added, at + 1)
    return spans_by_line


def side_spans(old: str, new: str) -> tuple[dict[int, list[Span]], dict[int, list[Span]]]:
    """What two texts beside each other do not share, by the index of the line on either side: of a line that
    was changed the words, of one that only one side has all of it.
    """
    lines, others = old.split("\n"), new.split("\n")
    before: dict[int, list[Span]] = {}
    after: dict[int, list[Span]] = {}
    if old == new or len(lines) * len(others) > _MOST_LINES**2:
        return before, after
    pairs = 0
    for kind, a, b, c, d in SequenceMatcher(None, lines, others, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        before |= {i: [(0, len(lines[i]), REMOVED)] for i in range(a, b) if lines[i]}
        after |= {i: [(0, len(others[i]), ADDED)] for i in range(c, d) if others[i]}
        for i, j in zip(range(a, b), range(c, d), strict=False):
            pairs += 1
            if pairs <= _MOST_PAIRS and (spans := changed_words(lines[i], others[j])) is not None:
                before[i] = [(x, y, REMOVED) for x, y in spans[0]]
                after[j] = [(x, y, ADDED) for x, y in spans[1]]
    return before, after


def changed_words(old: str, new: str) -> tuple[list[tuple[int, int]], list[tuple[int, int]]] | None:
    """(start, end) of the words that only `old` has, and those that only `new` has.

    None where the texts share too little, or are too long to compare.
    """
    if max(len(old), len(new)) > _LONGEST:
        return None
    words, new_words = _WORD.findall(old), _WORD.findall(new)
    shared = SequenceMatcher(None, _spoken(words), _spoken(new_words), autojunk=False)
    if shared.ratio() < _ALIKE:
        return None
    matcher = SequenceMatcher(None, words, new_words, autojunk=False)
    starts, ends = _offsets(words), _offsets(new_words)
    before: list[tuple[int, int]] = []
    after: list[tuple[int, int]] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind != "equal":
            before += [(starts[a], starts[b])] if a < b else []
            after += [(ends[c], ends[d])] if c < d else []
    return before, after


def _block(lines: Sequence[str], start: int, sign: str) -> int:
    """Where the lines that begin with `sign` end; a file's heading (`---`, `+++`) is none of them."""
    end = start
    while end < len(lines) and lines[end].startswith(sign) and not lines[end].startswith(sign * 3):
        end += 1
    return end


def _spoken(words: Sequence[str]) -> list[str]:
    """The words without the spaces between them, which all lines share."""
    return [word for word in words if not word.isspace()]


def _offsets(words: Sequence[str]) -> list[int]:
    """Where each word begins, and the end."""
    offsets = [0]
    for word in words:
        offsets.append(offsets[-1] + len(word))
    return offsets
