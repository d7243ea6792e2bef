"""How wide the columns of a table are: by what is in them, then by what there is room for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rich.cells import cell_len, set_cell_size

from tui.trace.marks import Piece

Kind = Literal["text", "name", "number", "time"]
GAP = 2
_CUT = "…"
_JOINTS = re.compile(r"[/:,\-_ ]")
_SHORTEST_PREFIX = 4  # a shorter one is not worth a "…"
_NUMBER = re.compile(r"^[~<>]?\s*([+−±-]?)\s*\$?([\d,]*\.?\d+)\s*(%|ms|s|m|h|d|k|M|G|B)?")
_CLOCK = re.compile(r"^(?:(\d+):)?(\d+):(\d\d)$")
_SCALE = {"ms": 0.001, "m": 60.0, "h": 3600.0, "d": 86400.0, "k": 1e3, "M": 1e6, "G": 1e9, "B": 1e9}


@dataclass(frozen=True)
class Column:
    """A column is as wide as its widest cell, but no wider than `most`; where there is too little room it
    shrinks, to `least` at the narrowest.

    A "name" tells rows apart: it is cut in the middle, behind what all rows begin with, and only once other
    texts have been cut. A "number" stands right; a "time" is in the order of the rows; neither is ever cut.
    Where even the narrowest do not fit, columns are left out, those of the highest `rank` first; so are those
    that tell no rows apart where a name would be cut for them.
    """

    title: str
    kind: Kind = "text"
    least: int = 6
    most: int = 100
    rank: int = 0


@dataclass(frozen=True)
class Layout:
    """The columns that are shown, by index, with their widths; how much of each name's start is left out."""

    shown: tuple[tuple[int, int], ...]
    left_out: int = 0  # columns that had no room
    behind: int = 0  # columns scrolled out on the left
    prefixes: Mapping[int, int] | None = None

    def cut(self, index: int, column: Column, text: str, width: int) -> str:
        """The text of a cell in `width` cells."""
        if cell_len(text) <= width:
            return text
        if column.kind != "name":
            return set_cell_size(text, max(width - 1, 0)).rstrip() + _CUT if width else ""
        prefix = (self.prefixes or {}).get(index, 0)
        return middle(_CUT + text[prefix:] if prefix else text, width)


def middle(text: str, width: int) -> str:
    """The text with its middle left out where it is longer than `width` cells: the end tells most."""
    if cell_len(text) <= width or width < 1:
        return text[: max(width, 0)] if width < 1 else text
    tail = (width - 1) * 3 // 5
    head = width - 1 - tail
    end = text
    while cell_len(end) > tail:
        end = end[1:]
    return set_cell_size(text, head) + _CUT + end


def measured(columns: Sequence[Column], rows: Sequence[Sequence[Piece]]) -> list[int]:
    """The width that each column would take, in cells."""
    widths = []
    for index, column in enumerate(columns):
        texts = {cells[index][0] for cells in rows}
        widest = max((len(t) if t.isascii() else cell_len(t) for t in texts), default=0)
        widths.append(max(min(widest, column.most), cell_len(column.title)))
    return widths


def fitted(columns: Sequence[Column], natural: Sequence[int], chosen: Sequence[int], width: int) -> Layout:
    """The `chosen` columns in `width` cells: shrunk, and left out by rank where that is not enough."""
    shown = list(chosen)
    while True:
        least = sum(_least(columns[i], natural[i]) for i in shown) + GAP * (len(shown) - 1)
        droppable = [i for i in shown if columns[i].rank]
        if least <= width or not droppable:
            break
        shown.remove(max(droppable, key=lambda i: (columns[i].rank, i)))
    widths = {i: natural[i] for i in shown}
    excess = sum(widths.values()) + GAP * (len(shown) - 1) - width
    for kind in ("text", "name"):
        excess = _shrink(columns, natural, widths, [i for i in shown if columns[i].kind == kind], excess)
    return Layout(tuple((i, widths[i]) for i in shown), left_out=len(chosen) - len(shown))


def readable(
    columns: Sequence[Column],
    natural: Sequence[int],
    chosen: Sequence[int],
    width: int,
    rows: Sequence[Sequence[Piece]],
) -> Layout:
    """The `chosen` columns, `fitted` to these rows. What their names share is left out first: its room goes
    to the other columns. Then, for as long as a text is cut, columns that are blank in every row give way,
    and for a name also other names that are the same in every row.
    """
    shown = list(chosen)
    fixed = fixed_columns(columns, chosen)
    while True:
        layout = _prefixed(columns, fitted(columns, natural, shown, width), natural, rows)
        needed = [_needed(columns, natural, rows, layout, i) for i in range(len(columns))]
        if any(needed[i] < wide for i, wide in layout.shown):
            layout = _prefixed(columns, fitted(columns, needed, shown, width), natural, rows)
        layout = replace(layout, left_out=len(chosen) - len(layout.shown))
        cut = {columns[i].kind for i, wide in layout.shown if needed[i] > wide}
        if not cut:
            return layout
        idle = [i for i, _ in layout.shown if i not in fixed and _is_idle(columns[i], i, rows, "name" in cut)]
        if not idle:
            return layout
        shown.remove(max(idle, key=lambda i: (columns[i].rank, i)))


def scrolled(
    columns: Sequence[Column],
    natural: Sequence[int],
    chosen: Sequence[int],
    width: int,
    start: int,
    rows: Sequence[Sequence[Piece]] = (),
) -> Layout:
    """The `chosen` columns from `start` on at full width, behind those that tell the rows apart."""
    fixed = fixed_columns(columns, chosen)
    rest = [i for i in chosen if i not in fixed][start:]
    shown: list[tuple[int, int]] = []
    room = width
    for number, index in enumerate([*fixed, *rest]):
        wanted = natural[index] if index not in fixed else min(natural[index], max(width // 3, 1))
        room -= wanted + (GAP if number else 0)
        if room < 0 and shown and index not in fixed:
            break
        shown.append((index, wanted))
    layout = Layout(tuple(shown), left_out=len(fixed) + len(rest) - len(shown), behind=start)
    return _prefixed(columns, layout, natural, rows)


def fixed_columns(columns: Sequence[Column], chosen: Sequence[int]) -> list[int]:
    """The columns that stay when a table is scrolled sideways: up to the first name."""
    for place, index in enumerate(chosen):
        if columns[index].kind == "name":
            return list(chosen[: place + 1])
    return list(chosen[:1])


def common_prefix(texts: Sequence[str], width: int = 0) -> int:
    """How many characters to leave out that all of the texts begin with, up to a joint (`/`, `:`, `-`, …): no
    more than it takes for the texts to fit `width` cells, or else all of them; 0 where they are few.
    """
    distinct = set(texts) - {""}
    if len(distinct) < 2:
        return 0
    first, last = min(distinct), max(distinct)  # what these share, all share
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    ends = [end for joint in _JOINTS.finditer(first[:same]) if (end := joint.end()) >= _SHORTEST_PREFIX]
    # What they share is counted off in cells, so that wide characters are counted right.
    excess = max(map(cell_len, distinct)) + cell_len(_CUT) - width
    return next((end for end in ends if cell_len(first[:end]) >= excess), ends[-1] if ends else 0)


def _prefixed(
    columns: Sequence[Column], layout: Layout, natural: Sequence[int], rows: Sequence[Sequence[Piece]]
) -> Layout:
    """With how much is left out of the names that have too little room."""
    cut = [(i, wide) for i, wide in layout.shown if columns[i].kind == "name" and wide < natural[i]]
    return replace(layout, prefixes={i: common_prefix([row[i][0] for row in rows], wide) for i, wide in cut})


def _needed(
    columns: Sequence[Column],
    natural: Sequence[int],
    rows: Sequence[Sequence[Piece]],
    layout: Layout,
    index: int,
) -> int:
    """The width at which nothing of a column is cut but what its names share."""
    prefix = (layout.prefixes or {}).get(index, 0)
    if not prefix:
        return natural[index]
    texts = [row[index][0] for row in rows]
    longest = max(cell_len(text[prefix:]) for text in texts) + cell_len(_CUT)
    return max(longest, cell_len(columns[index].title))


def _is_idle(column: Column, index: int, rows: Sequence[Sequence[Piece]], name_is_cut: bool) -> bool:
    """Whether a column tells no rows apart; one without a title is for marks, and stays."""
    if not column.title:
        return False
    if all(row[index][0].strip() in ("", "–") for row in rows):
        return True
    same = name_is_cut and column.kind == "name" and len(rows) > 1
    return same and all(row[index][0] == rows[0][index][0] for row in rows)


def sort_key(column: Column, text: str, place: int) -> tuple[int, float, str]:
    """What a cell is sorted by: a time by the row's place, a number by its value; blanks come last."""
    if column.kind == "time":
        return (0, float(place), "")
    if not text.strip() or text.strip() in ("–", "-"):
        return (2, 0.0, "")
    if column.kind == "number" and (value := _value(text.strip())) is not None:
        return (0, value, "")
    return (1, 0.0, text.casefold())


def _value(text: str) -> float | None:
    if (clock := _CLOCK.match(text)) is not None:
        hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        return hours * 3600.0 + minutes * 60.0 + seconds
    if (number := _NUMBER.match(text)) is None:
        return None
    sign, digits, unit = number.groups()
    value = float(digits.replace(",", "")) * _SCALE.get(unit or "", 1.0)
    return -value if sign in ("−", "-") else value


def _least(column: Column, natural: int) -> int:
    return natural if column.kind in ("number", "time") else min(natural, max(column.least, 1))


def _shrink(
    columns: Sequence[Column], natural: Sequence[int], widths: dict[int, int], some: list[int], excess: int
) -> int:
    """Take from the widest of `some`, cell by cell; gives what is still too much."""
    while excess > 0:
        able = [i for i in some if widths[i] > _least(columns[i], natural[i])]
        if not able:
            break
        widths[max(able, key=lambda i: widths[i])] -= 1
        excess -= 1
    return excess
