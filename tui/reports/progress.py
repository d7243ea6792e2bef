"""An experiment's progress on standard output: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from tui.format import clock, cost, plural, score
from tui.safe import one_line
from tui.service.errors import say

if TYPE_CHECKING:
    from rich.table import Table

    from engine.experiments.keys import TrialKey
    from engine.experiments.standing import Standing
    from engine.experiments.tally import VariantState
    from engine.search import Trial

    Now = Callable[[], Standing]

_EVERY_S = 5.0  # between two plain lines: a log of a thousand trials stays readable
LABEL_CHARS = 60


class View(Protocol):
    """Shows progress while it is open."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def ended(self, key: TrialKey, trial: Trial) -> None:
        """A trial has ended."""
        ...

    def warn_once(self, sentence: str) -> None:
        """Print this on standard error, unless it was the last line printed."""
        ...


def view(now: Now, *, as_json: bool) -> View:
    """JSON lines where asked for, a live table on a terminal, else plain lines; `now` is how it stands."""
    if as_json:
        return JsonView(now)
    return LiveView(now) if sys.stdout.isatty() else PlainView(now)


class _Base:
    def __init__(self, now: Now) -> None:
        self.now = now
        self._said: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def warn_once(self, sentence: str) -> None:
        if sentence not in self._said:
            self._said.add(sentence)
            say(sentence)


def follower(*, as_json: bool) -> Callable[[Standing], None]:
    """Shows an experiment that is carried out elsewhere, each time it is told how that stands."""
    if as_json:

        def write(now: Standing) -> None:
            sys.stdout.write(json.dumps({"kind": "standing"} | now.to_json(), ensure_ascii=True) + "\n")
            sys.stdout.flush()

        return write
    views: list[PlainView] = []

    def show(now: Standing) -> None:
        if not views:
            views.append(PlainView(lambda: now))
            views[0].print(planned(now))
            views[0].print(summary(now))
        views[0].now = lambda: now
        views[0].passed()

    return show


class JsonView(_Base):
    """One object per ended trial."""

    def ended(self, key: TrialKey, trial: Trial) -> None:
        data = asdict(trial) | {"kind": "trial", "label": key.label, "done": self.now().done}
        del data["answer"]  # it is in the store, and may be long
        sys.stdout.write(json.dumps(data, ensure_ascii=True) + "\n")
        sys.stdout.flush()


class PlainView(_Base):
    """A line every few seconds, and one for each trial without a verdict."""

    def __init__(self, now: Now, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        self._clock, self._last = clock, clock()

    def __enter__(self) -> Self:
        self.print(planned(self.now()))
        return self

    def ended(self, key: TrialKey, trial: Trial) -> None:
        if trial.status == "infra":
            self.print(f"no verdict: {key.label} on {key.problem_id}: {trial.error}")
        self.passed()

    def passed(self) -> None:
        """Time has passed, or more: print how it stands, if that was not printed just now."""
        if self._clock() - self._last >= _EVERY_S:
            self._last = self._clock()
            self.print(summary(self.now()))

    def print(self, line: str) -> None:
        """A line, safe to print whatever it quotes."""
        sys.stdout.write(one_line(line, 400) + "\n")
        sys.stdout.flush()


class LiveView(_Base):
    """A table that is drawn anew four times a second."""

    def __enter__(self) -> Self:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(), get_renderable=self._table, refresh_per_second=4, transient=True)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def ended(self, key: TrialKey, trial: Trial) -> None:
        """The next frame shows it."""

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        now = self.now()
        table = Table(*HEAD, box=None, title=Text(f"{now.experiment}: {in_short(now)}"), title_justify="left")
        for state in now.variants:
            table.add_row(*(Text(cell) for cell in cells(state)))
        return table


HEAD = ("variant", "done", "pass rate", "score", "errors", "no verdict", "search")


def cells(state: VariantState) -> tuple[str, ...]:
    """A variant's row under `HEAD`."""
    return (
        one_line(state.label, LABEL_CHARS),
        f"{state.done}/{state.total}",
        score(state.pass_rate),
        score(state.score),
        str(state.errors or ""),
        str(state.infra or ""),
        state.search or "",
    )


def described(now: Standing) -> list[str]:
    """How it stands, in lines."""
    lines = [("so far", in_short(now))]
    lines += [("variant", f"{s.done}/{s.total} {rate(s)}") for s in now.variants]
    lines += [("waiting", place) for place in now.waits]
    head = f"{one_line(now.experiment, 100)}  {now.end or now.status}"
    return [head, *(f"  {name:<8} {one_line(value, 400)}" for name, value in lines)]


def planned(now: Standing) -> str:
    """`first: 2 variants on humaneval, 40 trials`."""
    return (
        f"{now.experiment}: {plural(len(now.variants), 'variant')} on {now.benchmark},"
        f" {plural(now.total, 'trial')}"
    )


def summary(now: Standing) -> str:
    """`12/40 done, vanilla 50%, $0.0123 spent, 0:43 left`, and what it waits for."""
    parts = [rate(state) for state in now.variants]
    parts += [f"{one_line(s.label, 30)}: {s.search}" for s in now.variants if s.search]
    waits = f"; waiting: {', '.join(now.waits)}" if now.waits else ""
    return f"{in_short(now, *parts)}{waits}"


def rate(state: VariantState) -> str:
    """`vanilla 50% (2 errors)`."""
    errors = f" ({plural(state.errors, 'error')})" if state.errors else ""
    return f"{one_line(state.label, LABEL_CHARS)} {score(state.pass_rate)}{errors}"


def in_short(now: Standing, *details: str) -> str:
    """Its progress, cost and time."""
    stands = "" if now.status == "running" else f" ({now.status})"
    parts = [f"{now.done}/{now.total} done{stands}", *details, f"{spent(now)} spent"]
    if now.eta_s is not None:
        parts.append(f"{clock(now.eta_s)} left")
    return ", ".join(parts)


def spent(now: Standing) -> str:
    """What the experiment has cost; calls of unknown price are said to be there."""
    known = cost(now.spent_usd)
    if not now.unknown_calls:
        return known
    return f"{known} and {plural(now.unknown_calls, 'call')} of unknown price"
