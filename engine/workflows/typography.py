"""Undoing what a typesetter does to the characters of code, and what a page puts between its lines."""

from __future__ import annotations

import re
from collections.abc import Callable

from engine.formats.lexing import tokens

_DOUBLE = "\u201c\u201d\u201e\u201f\u2033"
_SINGLE = "\u2018\u2019\u201a\u201b\u2032`\u00b4"
_CHARACTERS = str.maketrans(
    {
        **dict.fromkeys(_DOUBLE, '"'),
        **dict.fromkeys(_SINGLE, "'"),
        **dict.fromkeys("\u2010\u2011\u2212", "-"),
        # Blanks of other widths; characters without any go.
        **dict.fromkeys(
            "\u00a0\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000", " "
        ),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
    }
)
_PAIR = re.compile(rf"[{_DOUBLE}]([^{_DOUBLE}\"\n]*)[{_DOUBLE}]|[{_SINGLE}]([^{_SINGLE}'\n]*)[{_SINGLE}]")
# What a page has above, below and beside a figure.
_PAGE_TEXT = re.compile(
    r"^[ \t]*(?:(?:Under review as|Published as|Accepted (?:at|as|to)|Preprint|arXiv:\d|Proceedings of)\b.*"
    r"|(?:Figure|Fig\.|Table|Listing|Algorithm)[ \t]*\d+[ \t]*[:.(].*)$",
    re.MULTILINE,
)


def without_typography(text: str) -> str:
    """The text with straight quotes, plain blanks and minus signs where it is code; strings and comments keep
    their characters.
    """
    return _outside_strings(_outside_strings(text, _paired), lambda part: part.translate(_CHARACTERS))


def without_page_text(text: str) -> str:
    """The text with captions and running heads made blank lines."""
    return _PAGE_TEXT.sub("", text)


def _paired(part: str) -> str:
    """Pairs of typographic quotes as straight ones; what is between them is text and stays."""
    return _PAIR.sub(lambda m: f'"{m[1]}"' if m[1] is not None else f"'{m[2]}'", part)


def _outside_strings(text: str, change: Callable[[str], str]) -> str:
    pieces: list[str] = []
    position = 0
    for token in tokens(text):
        if token.kind in ("string", "comment"):
            pieces += [change(text[position : token.start]), token.text]
            position = token.end
    return "".join([*pieces, change(text[position:])])
