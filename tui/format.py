"""Numbers and marks as people read them, in columns of a fixed width."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from store.annotations import Annotation

UNKNOWN = "?"
UNKNOWN_COST = f"cost {UNKNOWN}"  # where no heading says that it is one


def duration(ms: float | None) -> str:
    """Milliseconds in at most six characters: `840ms`, `12.3s`, `4m05s`, `2h07m`; "" for None."""
    if ms is None:
        return ""
    if ms < 1:
        return "0ms"
    if ms < 999.5:
        return f"{ms:.0f}ms"
    seconds = ms / 1000
    if seconds < 99.95:
        return f"{seconds:.1f}s"
    if seconds < 3600:
        return f"{int(seconds // 60)}m{int(seconds % 60):02d}s"
    return f"{int(seconds // 3600)}h{int(seconds % 3600 // 60):02d}m"


def clock(seconds: float) -> str:
    """A running clock: `0:43`, `12:07`, `1:02:03`."""
    total = max(int(seconds), 0)
    hours, minutes, left_over = total // 3600, total // 60 % 60, total % 60
    return f"{hours}:{minutes:02d}:{left_over:02d}" if hours else f"{minutes}:{left_over:02d}"


def count(number: int) -> str:
    """At most five characters: `940`, `1.2k`, `38k`, `4.1M`."""
    if number < 1000:
        return str(number)
    if number < 9_950:
        return f"{number / 1000:.1f}k"
    if number < 999_500:
        return f"{number / 1000:.0f}k"
    if number < 9_950_000:
        return f"{number / 1e6:.1f}M"
    return f"{number / 1e6:.0f}M"


def cost(usd: float | None, unknown: str = UNKNOWN) -> str:
    """US dollars in at most seven characters. None is "not known", which is not the same as free."""
    if usd is None:
        return unknown
    if usd == 0:
        return "$0"
    if usd < 0.00005:
        return "<$.0001"
    return f"${usd:.4f}" if usd < 0.1 else f"${usd:.2f}"


def known_cost(usd: float, *, is_all: bool) -> str:
    """What is known of a cost in US dollars: `$0.02`, `$0.02+` where calls of unknown price come on top, `?`
    where nothing but such calls has cost anything.
    """
    return cost(usd) if is_all else f"{cost(usd)}+" if usd else UNKNOWN


def score(value: float | None) -> str:
    """A score in [0, 1] as a percentage, `–` where nothing was scored."""
    return "–" if value is None else f"{value * 100:.0f}%"


def plural(number: int, noun: str, many: str | None = None) -> str:
    """`1 run`, `1,200 runs`; `many` is the plural where it does not end in s."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def left_out(rows: int) -> str:
    """What a list says of `rows` that could not be read; "" where there are none."""
    return f"{plural(rows, 'damaged row')} left out" if rows else ""


def day_time(at: float) -> str:
    """Local month, day, hour and minute of a time in Unix seconds."""
    return datetime.fromtimestamp(at).strftime("%m-%d %H:%M")


def signature(text: str) -> str:
    """A failure's signature, `WHERE: WHAT`, with first what happened, as there may be little room."""
    where, colon, what = text.partition(": ")
    return text if not colon else what if where == "run" else f"{what} · {where}"


def marks_of(annotations: Sequence[Annotation]) -> str:
    """The annotations of a run in a few characters: a star for a bookmark, labels, sets, a pen for notes."""
    labels = [a.value for a in annotations if a.kind == "label"]
    sets = [f"+{a.value}" for a in annotations if a.kind == "training-set"]
    kinds = {a.kind for a in annotations}
    star, pen = "★" * ("bookmark" in kinds), "✎" * ("note" in kinds)
    return " ".join(filter(None, (star, *labels, *sets, pen)))
