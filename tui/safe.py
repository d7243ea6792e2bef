"""The one gate between text we did not write and the screen.

Models and containers may print anything: escape sequences that drive the terminal, bidirectional
controls that reorder code, NUL bytes, lines of ten million characters. What passes here is plain
text of bounded size; it is never parsed as markup. The whole text stays in the state and the store.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

MAX_CHARS = 200_000
MAX_LINE = 4_000
MAX_LINES = 5_000
TAB = 4

# CSI, then the string sequences (OSC, DCS, SOS, PM, APC) up to their terminator, then two-byte ones.
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]"
)
# C0 but tab and newline, DEL, C1; then marks that are invisible or reorder text; then lone surrogates.
_CONTROLS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028\u2029\u202a-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]|[\ud800-\udfff]"
)
_NEWLINES = re.compile(r"\r\n?|\u2028|\u2029")


class Shown(NamedTuple):
    """Text fit for the screen, and how many characters of the original are not in it."""

    text: str
    hidden: int


def clean(text: str) -> str:
    """`text` without anything a terminal would act on; tabs become spaces."""
    if "\r" in text or "\u2028" in text or "\u2029" in text:
        text = _NEWLINES.sub("\n", text)
    if "\x1b" in text or "\x9b" in text:
        text = _ESCAPES.sub("", text)
    text = _CONTROLS.sub("", text)
    if "\t" in text:
        text = "\n".join(line.expandtabs(TAB) if "\t" in line else line for line in text.split("\n"))
    return text


def shown(text: str, limit: int = MAX_CHARS, keep: Literal["head", "tail"] = "head") -> Shown:
    """At most `limit` characters and `MAX_LINES` lines of `text`, cleaned, none longer than `MAX_LINE`.

    `keep` "tail" is for text that is still growing. The cut then moves in steps of half the limit,
    so that two calls in a row mostly agree on where the shown text starts.
    """
    hidden = 0
    if len(text) > limit:
        step = limit // 2
        start = ((len(text) - limit) // step + 1) * step if keep == "tail" else 0
        hidden = len(text) - limit if keep == "head" else start
        text = text[start : start + limit]
    text = clean(text)
    if text.count("\n") >= MAX_LINES:
        lines = text.split("\n")
        step = MAX_LINES // 2
        first = ((len(lines) - MAX_LINES) // step + 1) * step if keep == "tail" else 0
        visible = "\n".join(lines[first : first + MAX_LINES])
        hidden, text = hidden + len(text) - len(visible), visible
    if len(text) > MAX_LINE and any(len(line) > MAX_LINE for line in text.split("\n")):
        lines = text.split("\n")
        hidden += sum(len(line) - MAX_LINE for line in lines if len(line) > MAX_LINE)
        text = "\n".join(line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]} …" for line in lines)
    return Shown(text, hidden)


def one_line(text: str, width: int = 200) -> str:
    """`text` on one line of at most `width` characters, for labels, cells and notifications."""
    flat = " ".join(clean(text[: width * 8]).split())
    return flat if len(flat) <= width else f"{flat[: max(width - 1, 0)]}…"


def file_stem(text: str, default: str, *, longest: int = 80, separator: str = "-") -> str:
    """The text as part of a file's name: ASCII, at most `longest` characters; `default` if none is left."""
    from slugify import slugify

    outside = r"[^A-Za-z0-9._-]+"
    stem = slugify(text, regex_pattern=outside, lowercase=False, max_length=longest, separator=separator)
    return stem.strip("-._") or default
