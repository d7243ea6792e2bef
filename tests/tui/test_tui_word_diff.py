"""Diffs show which words of a line have changed, and leave alone what was replaced as a whole."""

from __future__ import annotations

import pytest

from tui.word_diff import ADDED, REMOVED, changed_words, word_spans


def words(old: str, new: str) -> tuple[list[str], list[str]] | None:
    found = changed_words(old, new)
    return found and ([old[a:b] for a, b in found[0]], [new[a:b] for a, b in found[1]])


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("return x + 1", "return x + 2", (["1"], ["2"])),
        ("return x", "return x + 1", ([], [" + 1"])),
        ("for i in range(3):", "for i in range(len(xs)):", (["3"], ["len(xs)"])),
        ("same", "same", ([], [])),
        ("a b c", "x y z", None),
        ("", "", ([], [])),
        ("das Maß ist voll", "das Maß ist leer", (["voll"], ["leer"])),
        ("x" * 600, "x" * 601, None),
    ],
)
def test_words_that_changed(old: str, new: str, wanted: tuple[list[str], list[str]] | None) -> None:
    assert words(old, new) == wanted


def test_lines_are_paired_within_their_block() -> None:
    lines = [
        "--- a", "+++ b", "@@ -1,3 +1,3 @@", " def f(x):",
        "-    y = x + 1", "-    return y", "+    y = x + 2", "+    return y", "+    # new", " end",
        "-alone", " end",
    ]  # fmt: skip
    found = word_spans(lines)
    assert found[4] == [(len("-    y = x + "), len(lines[4]), REMOVED)]
    assert found[6] == [(len("+    y = x + "), len(lines[6]), ADDED)]
    assert found[5] == found[7] == []
    assert not set(found) & {0, 1, 2, 3, 8, 9, 10, 11}
