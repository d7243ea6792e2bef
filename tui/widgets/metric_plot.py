"""One metric of one or more jobs as a small plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.color import Color
from textual.theme import Theme
from textual_plotext import PlotextPlot

from tui.jobs.curves import Curve, PlotView, extent, ticks, value_text
from tui.safe import one_line
from tui.theme import SERIES

Ink = tuple[int, int, int]


@dataclass(frozen=True)
class Layer:
    """A job's curve and its colour, as an index into `SERIES`; the first is that of the pinned one."""

    curve: Curve
    colour: int


class MetricPlot(PlotextPlot):
    """Draws the layers it is shown, the first one on top of the others."""

    DEFAULT_CSS = """
    MetricPlot {
        background: $surface;
        border: round $panel-lighten-1;
        border-title-color: $text-muted;
        border-subtitle-color: $text-muted;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: tuple[str, tuple[Layer, ...], PlotView] | None = None

    def on_mount(self) -> None:
        self.plt.frame(False)
        self.app.theme_changed_signal.subscribe(self, self._redraw)

    def _redraw(self, _: Theme) -> None:
        if self._shown is not None:
            self._draw(*self._shown[1:])
            self.refresh()

    def show(self, name: str, layers: Sequence[Layer], view: PlotView) -> None:
        """Draw the metric `name`."""
        shown = (name, tuple(layers), view)
        if shown == self._shown:
            return
        self._shown = shown
        self.border_title = one_line(name, 60)
        self.border_subtitle = self._values(layers, view)
        self._draw(layers, view)
        self.refresh()

    def _values(self, layers: Sequence[Layer], view: PlotView) -> str:
        """The values at the cursor, or the newest ones, in the order of the layers."""
        said = []
        for layer in layers[:4]:
            raw = layer.curve.raw
            value = layer.curve.at(view.cursor) if view.cursor is not None else raw[-1] if raw else None
            said.append(value_text(value) if raw else "–")
        return " ".join(said) + (" …" if len(layers) > 4 else "")

    def _draw(self, layers: Sequence[Layer], view: PlotView) -> None:
        plot = self.plt
        plot.clear_figure()
        plot.frame(False)
        plot.grid(False, False)
        known = [layer for layer in layers if layer.curve.xs]
        if not known:
            return
        # What is drawn last lies on top.
        for layer in reversed(known):
            xs, ys = list(layer.curve.xs), list(layer.curve.ys)
            if len(xs) == 1:
                plot.scatter(xs, ys, marker="●", color=self._ink(layer.colour))
            else:
                plot.plot(xs, ys, marker="braille", color=self._ink(layer.colour))
        self._label(known, view)

    def _label(self, layers: Sequence[Layer], view: PlotView) -> None:
        plot = self.plt
        values = [y for layer in layers for y in layer.curve.ys]
        low, high = min(values), max(values)
        places, labels = ticks(low, high, 3, log=view.log)
        plot.yticks(places, [f"{label} " for label in labels])
        if low == high:
            plot.ylim(low - 1, high + 1)
        span = view.window or extent(layer.curve for layer in layers)
        assert span is not None
        if span[0] == span[1]:
            span = (span[0] - 1, span[1] + 1)
        plot.xlim(*span)
        places, _ = ticks(*span, 3, log=False)
        if view.axis != "time":  # a step is a whole number, and its label stands where it is
            places = sorted({float(step) for x in places if span[0] <= (step := round(x)) <= span[1]})
        plot.xticks(places, [_minutes(x) if view.axis == "time" else f"{x:.0f}" for x in places])
        if view.cursor is not None:
            plot.vline(view.cursor, color=self._ink(None))

    def _ink(self, colour: int | None) -> Ink:
        name = "foreground" if colour is None else SERIES[colour % len(SERIES)]
        return Color.parse(self.app.theme_variables[name]).rgb


def _minutes(seconds: float) -> str:
    """A time on the axis: `40s`, `12m`, `3.5h`."""
    if seconds < 100:
        return f"{seconds:.0f}s"
    return f"{seconds / 60:.0f}m" if seconds < 6000 else f"{seconds / 3600:.1f}h"
