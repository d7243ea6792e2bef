"""Experiments, their variants and trials as rows of tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tui import format as fmt
from tui.reports.progress import in_short, rate
from tui.safe import one_line
from tui.trace.marks import Piece, outcome_words, status_mark
from tui.widgets.table_layout import common_prefix, middle
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from engine.experiments.standing import Standing
    from engine.experiments.tally import VariantState
    from store.experiment_reader import ExperimentRow, TrialRow

EXPERIMENT_COLUMNS = (
    Column("", least=1),
    Column("Experiment", "name", least=12),
    Column("Started", "time", rank=4),
    Column("Benchmark", "name", least=8, rank=3),
    Column("Progress", least=18),
    Column("Pass rates", least=26, most=200),
    Column("Spent", "number", rank=2),
    Column("Left", "number", rank=1),
)
VARIANT_COLUMNS = (
    Column("Variant", "name", least=12),
    Column("Done", "number"),
    Column("Pass", "number"),
    Column("Score", "number", rank=2),
    Column("Errors", "number"),
    Column("No verdict", "number", rank=1),
)
TRIAL_COLUMNS = (
    Column("", least=1),
    Column("Problem", "name", least=12),
    Column("Variant", "name", least=11),
    Column("Rep.", "number", rank=3),
    Column("Score", "number"),
    Column("What went wrong", least=15, most=400),
    Column("Tries", "number", rank=4),
    Column("Cost", "number", rank=2),
    Column("Time", "number", rank=1),
)
_BAR = 6
_SHORT_LABEL = 12
_MARKS: dict[str, Piece] = {
    "running": ("●", "accent"),
    "pausing": ("◐", "warning"),
    "paused": ("‖", "warning"),
    "cancelling": ("◌", "warning"),
}


def experiment_row(row: ExperimentRow, now: Standing | None) -> TableRow:
    """An experiment of the store for `EXPERIMENT_COLUMNS`, as it stands `now` where it is in progress."""
    states = now.variants if now else row.variants
    done, total = (now.done, now.total) if now else (row.done, row.total)
    known = now.spent_usd if now else row.known_cost_usd
    is_all = not now.unknown_calls if now else row.cost_usd is not None
    left = ""
    if now is not None:
        left = fmt.clock(now.eta_s) if now.eta_s is not None else ""
        left = left if now.status == "running" else now.status[:8]
    return TableRow(
        row.name,
        (
            _mark(row, now),
            (one_line(row.name, 200), ""),
            (fmt.day_time(row.started_at), "muted"),
            (benchmark(row), "muted"),
            (f"{bar(done, total)} {done:,}/{total:,}", "accent" if now else "muted"),
            (_rates(states), ""),
            (fmt.known_cost(known, is_all=is_all), "muted"),
            (left, "muted"),
        ),
    )


def variant_rows(states: Iterable[VariantState]) -> list[TableRow]:
    """Variants for `VARIANT_COLUMNS`."""
    return [
        TableRow(
            s.label,
            (
                (one_line(f"{s.label}{f' · {s.search}' if s.search else ''}", 200), ""),
                (f"{s.done:,}/{s.total:,}", "muted"),
                (fmt.score(s.pass_rate), ""),
                (fmt.score(s.score), "muted"),
                (str(s.errors or ""), "error"),
                (str(s.infra or ""), "warning"),
            ),
        )
        for s in states
    ]


def trial_row(trial: TrialRow) -> TableRow:
    """A trial for `TRIAL_COLUMNS`."""
    glyph, ink, _ = status_mark(trial.status)
    costs = (trial.meta.cost_usd, trial.worker.cost_usd)
    return TableRow(
        trial.run_id,
        (
            (glyph, ink),
            (one_line(trial.problem_id, 200), ""),
            (one_line(trial.label, 200), "muted"),
            (str(trial.repeat), "muted"),
            (fmt.score(trial.score), ""),
            (_wrong(trial), ink if trial.status != "failed" else "muted"),
            (str(trial.attempts) if trial.attempts > 1 else "", "warning"),
            (fmt.cost(None if None in costs else sum(c for c in costs if c is not None)), "muted"),
            (fmt.duration(trial.wall_ms), "muted"),
        ),
    )


def active_row(now: Standing) -> TableRow:
    """An experiment in progress for Home's table of what runs."""
    rates = _rates(now.variants)
    waits = f"{', '.join(now.waits)} · " if now.waits else ""
    told = f"{now.status}, {rates}" if now.status != "running" else f"{waits}{rates}"
    return TableRow(
        f"experiment:{now.experiment}",
        (
            _MARKS.get(now.status, ("●", "accent")),
            (one_line(now.experiment, 60), ""),
            ("", ""),
            (f"{now.done:,}/{now.total:,}", "muted"),
            (one_line(told, 200), "accent"),
            ("", ""),
            (fmt.known_cost(now.spent_usd, is_all=not now.unknown_calls), "muted"),
            (fmt.clock(now.elapsed_s), "muted"),
        ),
    )


def facts(row: ExperimentRow, now: Standing | None) -> list[tuple[str, str]]:
    """What an experiment consists of and how it stands, by name."""
    plan: dict[str, Any] = row.plan
    searched = len(plan["search_problems"])
    executions = fmt.plural(plan["executions"], "execution")
    shown = [
        ("Benchmark", benchmark(row)),
        (
            "Problems",
            f"{len(plan['problems']):,}" + (f", {searched:,} more to search on" if searched else ""),
        ),
        ("Trials", f"{plan['repeats']} each, {executions}, seed {plan['seed']}"),
        ("Models", f"{plan['meta_agent']}, {plan['worker']}"),
    ]
    if plan.get("found"):
        shown.append(("Found by", plan["found"]))
    if now is not None:
        shown.append(("Now", in_short(now)))
        if now.waits:
            shown.append(("Waits", ", ".join(now.waits)))
        shown += [("Search", f"{label}: {why}") for label, why in now.failures.items()]
    elif row.holder is not None:
        shown.append(("Now", f"in progress in process {row.holder}"))
    elif row.done < row.total:
        shown.append(("To do", f"{fmt.plural(row.total - row.done, 'trial')}; u resumes"))
    tokens = fmt.count(row.tokens_in + row.tokens_out)
    shown.append(("Used", f"{tokens} tokens in {fmt.plural(row.runs, 'run')}"))
    return [(name, one_line(value, 300)) for name, value in shown]


def benchmark(row: ExperimentRow) -> str:
    """The benchmark's name and its division."""
    division = row.plan.get("split")
    return one_line(f"{Path(row.benchmark).name}{f' {division}' if division else ''}", 40)


def _rates(states: Sequence[VariantState]) -> str:
    """Each variant's pass rate, and of its label as much as tells it from the others. The rate comes first: a
    number that is cut would look like another.
    """
    rates = [rate(replace(state, label="")).strip() for state in states]
    if len(states) == 1:
        return rates[0]
    labels = [one_line(state.label, 200) for state in states]
    shared = common_prefix(labels)
    short = [middle(f"…{label[shared:]}" if shared else label, _SHORT_LABEL) for label in labels]
    return " · ".join(f"{one} {label}" for one, label in zip(rates, short, strict=True))


def bar(done: int, total: int) -> str:
    """`███░░░`; never full before all is done."""
    filled = done * _BAR // total if total else 0
    return "█" * filled + "░" * (_BAR - filled)


def went_wrong(trial: TrialRow) -> bool:
    """Whether a trial ended without a pass."""
    return trial.status not in ("passed", "answered", "running")


def _wrong(trial: TrialRow) -> str:
    if trial.status in ("passed", "answered"):
        return ""
    what = fmt.signature(trial.error_sig) if trial.error_sig else outcome_words(trial.status, trial.score)
    return one_line(trial.error or what, 400)


def _mark(row: ExperimentRow, now: Standing | None) -> Piece:
    if now is not None:
        return _MARKS.get(now.status, ("●", "accent"))
    if row.holder is not None:
        return _MARKS["running"]
    return ("✓", "success") if row.done == row.total else ("–", "warning")
