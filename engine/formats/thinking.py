"""Taking the reasoning that a model wrote into its text out of a completion."""

from __future__ import annotations

import re

from engine.formats.tags import TAG, sections

_NAMES = ("think", "thinking")


def strip_thinking(text: str) -> str:
    """The completion without its reasoning, also where the opening or the closing think tag is missing.

    Such tags in a workflow or a prompt are left alone.
    """
    for name in _NAMES:
        text = _strip_tag(
            text, re.compile(f"<{name}>", re.IGNORECASE), re.compile(f"</{name}>", re.IGNORECASE)
        )
    return text


def _strip_tag(text: str, opening: re.Pattern[str], closing: re.Pattern[str]) -> str:
    opens, closes = _outside(text, opening), _outside(text, closing)
    kept: list[str] = []
    position = number = 0
    for start, begin in opens:
        if start < position:
            continue
        while number < len(closes) and closes[number][0] < begin:
            number += 1
        if number == len(closes):
            # Cut off while thinking, unless the tag is only mentioned inside the answer.
            if not _has_graph(text[position:start]):
                return "".join(kept) + text[position:start]
            break
        kept.append(text[position:start])
        position = closes[number][1]
    rest = "".join(kept) + text[position:]
    # Some chat templates swallow the opening tag.
    orphans = _outside(rest, closing)
    if orphans and (_has_graph(rest[orphans[-1][0] :]) or not _has_graph(rest)):
        return rest[orphans[-1][1] :]
    return rest


def _outside(text: str, tag: re.Pattern[str]) -> list[tuple[int, int]]:
    """Where the tag stands, other than in a part of the completion."""
    found = [match.span() for match in tag.finditer(text)]
    inside = [(part.start, part.end) for part in sections(text) if part.closed] if found else []
    return [span for span in found if not any(start <= span[0] < end for start, end in inside)]


def _has_graph(text: str) -> bool:
    return any(found["name"].lower() == "graph" for found in TAG.finditer(text))
