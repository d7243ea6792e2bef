"""A report as one HTML file: no script, no font, picture or style from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from tui.safe import clean, one_line
from tui.sharing.report import Block, Facts, Fold, Heading, Line, Text

CUT_CHARS = 2_000
_LINE_CHARS = 2_000
# The policy is a second lock: were an escape forgotten, a browser would still run and load nothing.
_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<meta name="generator" content="flowreasoner">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
pre {{ background: #8881; padding: .6rem .8rem; overflow: auto; white-space: pre-wrap;
  overflow-wrap: anywhere; margin: .2rem 0 1rem }}
h1 {{ border-top: 3px solid #888; padding-top: 1rem; overflow-wrap: anywhere }}
table {{ border-collapse: collapse }} td {{ padding: .1rem 1rem .1rem 0; vertical-align: top }}
td:first-child {{ opacity: .7 }}
details {{ border-left: 3px solid #8885; padding-left: .8rem; margin: .4rem 0 }}
details.bad {{ border-color: #d33 }} summary {{ cursor: pointer }} .bad > summary, p.bad {{ color: #d33 }}
h4 {{ margin: .6rem 0 0 }}
</style>
</head>
<body>
"""
_FOOT = "</body>\n</html>\n"


def html(blocks: Iterable[Block], title: str) -> Iterator[str]:
    """The page, piece by piece."""
    yield _HEAD.format(title=_line(title))
    for block in blocks:
        yield from _draw(block)
    yield _FOOT


def _draw(block: Block) -> Iterator[str]:
    match block:
        case Heading():
            yield f"<h{block.level}>{_line(block.text)}</h{block.level}>\n"
        case Facts():
            yield "<table>\n"
            yield from (
                f"<tr><td>{_line(name)}</td><td>{_line(value)}</td></tr>\n" for name, value in block.rows
            )
            yield "</table>\n"
        case Line():
            yield f"<p{_bad(block.bad)}>{_line(block.text)}</p>\n"
        case Text():
            yield from _text(block)
        case Fold():
            yield f"<details{_bad(block.bad)}><summary>{_line(block.title)}</summary>\n"
            for inner in block.blocks:
                yield from _draw(inner)
            yield "</details>\n"


def _text(block: Text) -> Iterator[str]:
    whole = clean(block.text)
    yield f"<h4>{_line(block.title)}</h4>\n"
    if len(whole) <= CUT_CHARS:
        yield f"<pre>{escape(whole)}</pre>\n"
        return
    yield f"<pre>{escape(whole[:CUT_CHARS])}</pre>\n"
    yield f"<details><summary>All {len(whole):,} characters</summary><pre>{escape(whole)}</pre></details>\n"


def _bad(bad: bool) -> str:
    return ' class="bad"' if bad else ""


def _line(text: str) -> str:
    return escape(one_line(text, _LINE_CHARS))
