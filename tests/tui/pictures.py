"""What a screen looks like at every size and in every theme, as text, from one app that is started once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, groupby, product
from string import ascii_lowercase, ascii_uppercase
from typing import Any
from unittest.mock import patch

from rich.style import Style
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from textual._compositor import Compositor
from textual.color import Color
from textual.filter import Monochrome
from textual.pilot import Pilot
from textual.strip import Strip

from tui.theme import NAME

SIZES = ((80, 24), (120, 36), (160, 48), (200, 60))
LOOKS = {"dark": NAME, "light": "textual-light"}
_LETTERS = [small + large for small, large in product(("", *ascii_lowercase), ascii_uppercase)]
_NO_BACKGROUND = Color(0, 0, 0)  # every cell on a screen has a background of its own


class PictureExtension(SingleFileSnapshotExtension):
    """A text file for each screen."""

    _file_extension = "txt"
    _write_mode = WriteMode.TEXT

    def serialize(self, data: Any, **_: Any) -> str:
        return str(data)


async def pictures(pilot: Pilot[Any]) -> str:
    """The screen at each of `SIZES`: its text; its styles in a dark theme, without colours and in a light
    theme. The app is left in the last size and theme: every change of them takes its time.

    A line of styles stands for a row of the screen: for each style its letter and for how many cells it goes
    on. What the letters stand for comes below.
    """
    app = pilot.app
    told: dict[tuple[tuple[int, int], str], list[str]] = {}
    # What a headless app renders for its terminal nobody sees: that would be most of the time.
    with patch.object(Compositor, "render_update", return_value=None):
        for look in sorted(LOOKS, key=lambda look: LOOKS[look] != app.theme):  # the present one first
            app.theme = LOOKS[look]
            for size in SIZES:
                await pilot.resize_terminal(*size)
                told[size, look] = list(_told(look, await settled(pilot)))
    parts = (
        (f"=== {size[0]}x{size[1]} ===", *chain.from_iterable(told[size, look] for look in LOOKS))
        for size in SIZES
    )
    return "\n".join(chain.from_iterable(parts)) + "\n"


def _told(look: str, rows: Sequence[Strip]) -> Iterator[str]:
    """A look: what it says, if it is the first of its size, and in which styles."""
    if look == "dark":
        yield from (row.text.rstrip() for row in rows)
    yield f"--- {look} ---"
    yield from _styles(rows)
    if look == "dark":  # what Textual does to each line where NO_COLOR is set
        yield "--- no colours ---"
        yield from _styles([row.apply_filter(Monochrome(), _NO_BACKGROUND) for row in rows])


async def settled(pilot: Pilot[Any], *, read: bool = True) -> list[Strip]:
    """The rows of the screen once two looks have found the same, and, with `read`, nothing is read for it.

    A pause ends once the process has used little CPU time for a moment, as it does on a busy machine, too.
    """
    screen, rows = pilot.app.screen, list[Strip]()
    while True:
        await pilot.pause()
        if read and any(worker.node is screen and not worker.is_finished for worker in pilot.app.workers):
            continue
        before, rows = rows, [Strip(row).simplify() for row in screen._compositor.render_strips()]
        if rows == before:
            return rows


def _styles(rows: Sequence[Strip]) -> Iterator[str]:
    letters: dict[str, str] = {}
    lines = []
    for row in rows:
        cells = ((_named(segment.style), segment.cell_length) for segment in row)
        runs = [(told, sum(n for _, n in same)) for told, same in groupby(cells, key=lambda cell: cell[0])]
        lines.append(" ".join(f"{letters.setdefault(told, _LETTERS[len(letters)])}{n}" for told, n in runs))
    for line, same in groupby(lines):
        times = len(list(same))
        yield f"{line} ×{times}" if times > 1 else line
    yield from (f"{letter}: {told}" for told, letter in letters.items())


def _named(style: Style | None) -> str:
    """The style without what is no part of its looks, such as the actions behind it."""
    if style is None:
        return "plain"
    return str(style.without_color + Style(color=style.color, bgcolor=style.bgcolor))
