"""A report as Markdown. Long texts are cut; whatever they hold, they cannot leave their block."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from tui.safe import clean, one_line
from tui.sharing.report import Block, Facts, Fold, Heading, Line, Text

CUT_CHARS = 2_000
_LINE_CHARS = 500
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$^=:-])")
_FENCE = re.compile(r"`{3,}")


def markdown(blocks: Iterable[Block]) -> Iterator[str]:
    """The report, piece by piece."""
    for block in blocks:
        yield from _draw(block, 0)


def _draw(block: Block, depth: int) -> Iterator[str]:
    match block:
        case Heading():
            yield f"{'#' * block.level} {_line(block.text)}\n\n"
        case Facts():
            yield "| | |\n|---|---|\n"
            yield from (f"| {_line(name)} | {_line(value)} |\n" for name, value in block.rows)
            yield "\n"
        case Line():
            yield f"{'**✗** ' if block.bad else ''}{_line(block.text)}\n\n"
        case Text():
            yield from _text(block)
        case Fold():
            mark = "**✗** " if block.bad else ""
            yield f"{'####' if depth == 0 else '#####'} {mark}{_line(block.title)}\n\n"
            for inner in block.blocks:
                yield from _draw(inner, depth + 1)


def _text(block: Text) -> Iterator[str]:
    whole = clean(block.text)
    text = whole[:CUT_CHARS]
    longest = max((len(found) for found in _FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    end = "" if text.endswith("\n") else "\n"
    yield f"{_line(block.title)}:\n\n{fence}{block.language}\n{text}{end}{fence}\n\n"
    if len(whole) > len(text):
        yield f"… {len(whole) - len(text):,} more characters; export as html or jsonl for the whole text.\n\n"


def _line(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text, _LINE_CHARS))
