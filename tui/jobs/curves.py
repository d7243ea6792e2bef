"""What the plots of a job show: which metrics, in which order, and each as points on the chosen axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from store.jobs.reading import Point

# Weights of the exponential moving average, in the order that a key goes through them.
SMOOTHING = (0.0, 0.6, 0.9, 0.97)
# What people look at first; everything else follows by name, and where the time goes comes last.
_FIRST = (
    "reward_mean", "loss", "val_loss", "val_score_mean", "reward_std", "no_signal_share", "kl", "entropy",
    "completion_tokens", "valid_share", "wrong_share", "masked_instances", "same_workflow_share",
    "empty_thinking_share", "held_out_reward_mean", "held_out_valid_share", "grad_norm",
    "learning_rate", "tokens_per_s", "gpu_use", "gpu_memory_mb",
)  # fmt: skip
_LAST = ("seconds_", "cpu_")


@dataclass(frozen=True)
class PlotView:
    """How the user looks at the plots. `window` is the part of the x axis in view, `cursor` the place that
    is inspected; both are steps, or seconds since the job began.
    """

    smoothing: float = 0.0
    log: bool = False
    axis: Literal["step", "time"] = "step"
    pattern: str = ""
    page: int = 0
    window: tuple[float, float] | None = None
    cursor: float | None = None

    def smoother(self) -> PlotView:
        """With the next smoothing."""
        at = SMOOTHING.index(self.smoothing) if self.smoothing in SMOOTHING else -1
        return replace(self, smoothing=SMOOTHING[(at + 1) % len(SMOOTHING)])

    def other_axis(self) -> PlotView:
        """Steps for time, or time for steps; what was in view on the other axis means nothing on this one."""
        return replace(self, axis="time" if self.axis == "step" else "step", window=None, cursor=None)

    def zoomed(self, factor: float, extent: tuple[float, float]) -> PlotView:
        """With `factor` times as much of `extent` in view, around the cursor or the middle."""
        low, high = self.window or extent
        middle = self.cursor if self.cursor is not None and low <= self.cursor <= high else (low + high) / 2
        half = (high - low) * factor / 2
        if half * 2 >= extent[1] - extent[0] or half <= 0:
            return replace(self, window=None)
        low = min(max(middle - half, extent[0]), extent[1] - 2 * half)
        return replace(self, window=(low, low + 2 * half))

    def moved(self, by: float, extent: tuple[float, float]) -> PlotView:
        """With the cursor moved by a share of what is in view; it starts at the right end."""
        low, high = self.window or extent
        at = high if self.cursor is None else self.cursor + by * (high - low)
        return replace(self, cursor=min(max(at, low), high))

    @property
    def summary(self) -> str:
        """The settings that are not the defaults, in a few words."""
        parts = [
            "by time" if self.axis == "time" else "by step",
            f"smoothed {self.smoothing:g}" if self.smoothing else "",
            "log scale" if self.log else "",
            f"/{self.pattern}/" if self.pattern else "",
            "zoomed" if self.window else "",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class Curve:
    """Points of one metric of one job; `raw` are the values as reported, where `ys` are smoothed or logs."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]
    raw: tuple[float, ...]

    def at(self, x: float) -> float | None:
        """The value reported at the point nearest to `x`."""
        if not self.xs:
            return None
        return self.raw[min(range(len(self.xs)), key=lambda i: abs(self.xs[i] - x))]


def ordered(names: Iterable[str]) -> list[str]:
    """Metrics in the order of the plots."""

    def place(name: str) -> tuple[int, int, str]:
        if name in _FIRST:
            return 0, _FIRST.index(name), name
        return (2 if name.startswith(_LAST) else 1), 0, name

    return sorted(names, key=place)


def matching(names: Sequence[str], pattern: str) -> list[str]:
    """The names in which the regular expression is found. Raises ValueError: one sentence on the pattern."""
    try:
        wanted = re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{pattern[:60]!r} is no regular expression ({error})") from None
    return [name for name in names if wanted.search(name)]


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """The exponential moving average, without the pull of its start (as TensorBoard's)."""
    out, mean, total = [], 0.0, 0.0
    for value in values:
        mean = weight * mean + (1 - weight) * value
        total = weight * total + (1 - weight)
        out.append(mean / total)
    return out


def curve(points: Sequence[Point], view: PlotView, begun_at: float) -> Curve:
    """The points as `view` shows them; values that are no number, or have no logarithm, are left out."""
    known = [(p, p.value) for p in points if p.value is not None and (not view.log or p.value > 0)]
    raw = [value for _, value in known]
    xs = [p.at - begun_at if view.axis == "time" else float(p.step) for p, _ in known]
    ys = smoothed(raw, view.smoothing) if view.smoothing else raw
    if view.log:
        ys = [math.log10(y) for y in ys]
    low, high = view.window or (-math.inf, math.inf)
    kept = [i for i, x in enumerate(xs) if low <= x <= high]
    return Curve(tuple(xs[i] for i in kept), tuple(ys[i] for i in kept), tuple(raw[i] for i in kept))


def extent(curves: Iterable[Curve]) -> tuple[float, float] | None:
    """The range of the x axis that holds all curves."""
    ends = [x for c in curves if c.xs for x in (c.xs[0], c.xs[-1])]
    return (min(ends), max(ends)) if ends else None


def value_text(value: float | None) -> str:
    """A metric in at most nine characters; `NaN` for what was no finite number."""
    if value is None:
        return "NaN"
    size = abs(value)
    if value == int(value) and size < 1e6:
        return str(int(value))
    return f"{value:.2e}" if size < 0.001 or size >= 1e6 else f"{value:.4g}"


def ticks(low: float, high: float, count: int, *, log: bool) -> tuple[list[float], list[str]]:
    """Places on an axis of values and what to write there; a logarithmic one is labelled with the values."""
    if high <= low:
        places = [low]
    else:
        places = [low + (high - low) * i / max(count - 1, 1) for i in range(count)]
    return places, [value_text(10**place if log else place) for place in places]
