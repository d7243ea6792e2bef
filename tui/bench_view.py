"""An experiment's progress on standard output: a live table, plain lines, or JSON lines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from tui.errors import say
from tui.format import clock, cost, plural, score
from tui.safe import one_line

if TYPE_CHECKING:
    from rich.table import Table

    from engine.experiments.experiment import Experiment
    from engine.experiments.keys import TrialKey
    from engine.experiments.tally import VariantState
    from engine.search import Trial

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
        """Say this on standard error, unless it was said."""
        ...


def view(experiment: Experiment, *, as_json: bool) -> View:
    """JSON lines where asked for, a live table on a terminal, else plain lines."""
    if as_json:
        return JsonView(experiment)
    return LiveView(experiment) if sys.stdout.isatty() else PlainView(experiment)


class _Base:
    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
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


class JsonView(_Base):
    """One object per ended trial."""

    def ended(self, key: TrialKey, trial: Trial) -> None:
        data = asdict(trial) | {"kind": "trial", "label": key.label, "done": self.experiment.progress.done}
        del data["answer"]  # it is in the store, and may be long
        sys.stdout.write(json.dumps(data, ensure_ascii=True) + "\n")
        sys.stdout.flush()


class PlainView(_Base):
    """A line every few seconds, and one for each trial without a verdict."""

    def __init__(self, experiment: Experiment, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(experiment)
        self._now, self._last = now, now()

    def __enter__(self) -> Self:
        plan = self.experiment.plan
        many = plural(plan.total, "trial")
        self._print(f"{plan.name}: {plural(len(plan.variants), 'variant')} on {plan.benchmark}, {many}")
        return self

    def ended(self, key: TrialKey, trial: Trial) -> None:
        if trial.status == "infra":
            self._print(f"no verdict: {key.label} on {key.problem_id}: {trial.error}")
        if self._now() - self._last >= _EVERY_S:
            self._last = self._now()
            self._print(summary(self.experiment))

    def _print(self, line: str) -> None:
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

        title = f"{self.experiment.plan.name}: {_in_short(self.experiment)}"
        table = Table(*HEAD, box=None, title=Text(title), title_justify="left")
        for state in self.experiment.progress.states():
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


def summary(experiment: Experiment) -> str:
    """`12/40 done, vanilla 50%, $0.0123 spent, 0:43 left`."""
    progress = experiment.progress
    parts = [
        f"{one_line(s.label, LABEL_CHARS)} {score(s.pass_rate)}{f' ({s.errors} errors)' if s.errors else ''}"
        for s in progress.states()
    ]
    parts += [f"{one_line(label, 30)}: {state}" for label, state in progress.searches.items()]
    return _in_short(experiment, *parts)


def _in_short(experiment: Experiment, *details: str) -> str:
    progress = experiment.progress
    parts = [f"{progress.done}/{progress.total} done", *details, f"{spent(experiment)} spent"]
    if progress.eta_s is not None:
        parts.append(f"{clock(progress.eta_s)} left")
    return ", ".join(parts)


def spent(experiment: Experiment) -> str:
    """What the experiment has cost; calls of unknown price are said to be there."""
    guard: Any = experiment.guard
    known = cost(guard.spent_usd)
    if not guard.unknown_calls:
        return known
    return f"{known} and {plural(guard.unknown_calls, 'call')} of unknown price"
