"""What experiments print: how one ended, which there are, and what one would cost."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.judging import MODES
from tui.format import UNKNOWN, cost, count, day_time, plural, score
from tui.reports.progress import HEAD, cells
from tui.reports.tables import emit, table
from tui.safe import one_line

if TYPE_CHECKING:
    from engine.benchmarks.verify import Report
    from engine.experiments.standing import Standing
    from store.experiment_reader import ExperimentRow, TrialRow

_SHOWN = 20  # trials that are listed by name; the others are counted


def print_end(store: Path, ended: Standing, *, as_json: bool) -> None:
    """How the experiment stands after this session, from the store."""
    from store.reader import Reader

    name = ended.experiment
    with Reader(store) as reader:
        row = reader.experiments.named(name)
        open_trials = [t for t in reader.experiments.trials(name) if t.status == "infra"]
    resume = None if ended.end == "done" else f"flowreasoner bench --resume {name}"
    if resume and row.total == row.done:
        resume += " --retry error"  # all have ended, and in the same error
    if as_json:
        data = experiment_json(row) | {
            "kind": "experiment",
            "end": ended.end,
            "stopped": ended.stopped,
            "failed_searches": ended.failures,
            "resume": resume,
        }
        emit(data, "", True)
        return
    lines = [table(HEAD, [cells(state) for state in row.variants]), f"spent: {_spent(row)}"]
    hint = "" if row.plan["search_problems"] else "; --split sets problems apart for the search"
    for label, why in ended.failures.items():
        lines.append(one_line(f"the search of {label} found nothing: {why}{hint}", 600))
    lines += _no_verdict(open_trials)
    if ended.stopped:
        lines.append(one_line(f"stopped: {ended.stopped}", 400))
    if resume is not None:
        is_rest = ended.end == "error" and any(state.errors for state in row.variants)
        again = "; add --retry error to run those that ended in an error" if is_rest else ""
        lines.append(f"{plural(row.total - row.done, 'trial')} not done; continue with: {resume}{again}")
    else:
        lines.append(
            f"all {plural(row.total, 'trial')} done; see: flowreasoner runs --search experiment:{name}"
        )
    emit(None, "\n".join(lines), False)


def _no_verdict(rows: list[TrialRow]) -> list[str]:
    lines = [one_line(f"no verdict: {t.label} on {t.problem_id}: {t.error}", 400) for t in rows[:_SHOWN]]
    if len(rows) > _SHOWN:
        lines.append(f"and {plural(len(rows) - _SHOWN, 'trial')} more without a verdict")
    return lines


def print_experiments(store: Path, *, as_json: bool) -> None:
    """`flowreasoner experiments`. Raises StoreError."""
    from store.reader import Reader

    with Reader(store) as reader:
        rows = reader.experiments.all()
    if as_json:
        for row in rows:
            emit(experiment_json(row), "", True)
        return
    if not rows:
        emit(None, "no experiments yet; start one with: flowreasoner bench BENCHMARK", False)
        return
    head = ("experiment", "started", "benchmark", "done", "variant", "pass rate", "score", "errors", "search")
    lines = []
    for row in rows:
        first = (row.name, day_time(row.started_at), _benchmark(row), f"{row.done}/{row.total}")
        for index, state in enumerate(row.variants):
            label, _, rate, mean, errors, _, search = cells(state)
            lines.append((*(first if index == 0 else ("",) * 4), label, rate, mean, errors, search))
    emit(None, table(head, lines), False)
    emit(None, "\n".join(f"{row.name}: {_spent(row)}{_held(row)}" for row in rows), False)


def experiment_json(row: ExperimentRow) -> dict[str, Any]:
    """An experiment for programs; its plan without the ids of its problems, which may be thousands."""
    data = asdict(row) | {"done": row.done, "total": row.total}
    data["variants"] = [asdict(state) | {"pass_rate": state.pass_rate} for state in row.variants]
    data["plan"] = {k: v for k, v in row.plan.items() if k not in ("problems", "search_problems")}
    return data


def _benchmark(row: ExperimentRow) -> str:
    split = row.plan.get("split")
    return one_line(f"{Path(row.benchmark).name}{f' {split}' if split else ''}", 32)


def _held(row: ExperimentRow) -> str:
    return f", in progress in process {row.holder}" if row.holder is not None else ""


def _spent(row: ExperimentRow) -> str:
    money = cost(row.known_cost_usd)
    if row.cost_usd is None:
        money += " and calls of unknown price"
    return f"{money}, {count(row.tokens_in + row.tokens_out)} tokens in {plural(row.runs, 'run')}"


def print_estimate(name: str, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """`bench --dry-run`: what is to do and what it may take (`tui.service.experiments.estimate`)."""
    if as_json:
        emit({"kind": "estimate", "name": name, "variants": rows}, "", True)
        return
    emit(None, table(ESTIMATE_HEAD, [estimate_cells(row) for row in rows]), False)
    emit(None, "\n".join([f"{estimate_total(rows)}; nothing was run", *estimate_leaks(rows)]), False)


ESTIMATE_HEAD = (
    "variant",
    "runs",
    "meta-agent calls",
    "worker calls",
    "meta tokens",
    "worker tokens",
    "cost",
    "from",
)


def estimate_total(rows: list[dict[str, Any]]) -> str:
    """`40 runs, estimated cost $0.12`."""
    costs = [row["cost_usd"] for row in rows]
    total = UNKNOWN if None in costs else cost(sum(costs))
    return f"{plural(sum(row['runs'] for row in rows), 'run')}, estimated cost {total}"


def estimate_leaks(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each leak of a variant."""
    return [leak_line(row["label"], sentence) for row in rows for sentence in row["leaks"]]


def leak_line(label: str, sentence: str) -> str:
    """A variant's leak as it is told before the experiment begins."""
    return one_line(f"leak: {label}: {sentence}", 400)


def estimate_cells(row: dict[str, Any]) -> tuple[str, ...]:
    """A variant's row under `ESTIMATE_HEAD`."""
    most = "≤ " if row["is_bound"] else ""

    def calls(role: str) -> str:
        value = row[f"{role}_calls"]
        return "unbounded" if value is None else f"{most if value else ''}{value:,}"

    def tokens(role: str) -> str:
        value = row[f"{role}_tokens_in"]
        return UNKNOWN if value is None else count(value + row[f"{role}_tokens_out"])

    ground = "its bounds" if row["is_bound"] else f"the mean of {plural(row['earlier_runs'], 'run')}"
    if row["search"] == "unknown":
        ground += ", without its search"
    price = cost(row["cost_usd"])
    label = one_line(row["label"], 60)
    cells_of = (calls("meta"), calls("worker"), tokens("meta"), tokens("worker"))
    return (label, f"{row['runs']:,}", *cells_of, price, ground)


def print_verification(report: Report, *, as_json: bool) -> None:
    """`bench --verify`: which reference solutions do not pass their own tests."""
    if as_json:
        sys.stdout.write(json.dumps({"kind": "verification"} | report.to_json(), ensure_ascii=True) + "\n")
        return
    wrong = [c for c in report.checks if c.status in ("failed", "infra")]
    lines = [one_line(f"{c.status}: {c.id}: {c.message}", 400) for c in wrong[:_SHOWN]]
    if len(wrong) > _SHOWN:
        lines.append(f"and {len(wrong) - _SHOWN} more")
    share = score(report.count("passed") / len(report.checks)) if report.checks else "–"
    counts = [f"{report.count(status)} {status}" for status in ("passed", "failed", "infra", "unchecked")]
    lines.append(f"reference solutions: {', '.join(counts)} ({share} pass)")
    modes = Counter(check.mode for check in report.checks if check.mode and check.status == "passed")
    if modes:
        told = [f"{modes[mode]} {mode}" for mode in MODES if modes[mode]]
        lines.append(f"judged: {', '.join(told)}")
        weak = [check.id for check in report.checks if check.mode == "in-process"]
        if weak:
            lines.append(one_line(f"in one process, where cheats are only detected: {', '.join(weak)}", 400))
    emit(None, "\n".join(lines), False)
