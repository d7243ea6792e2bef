"""Jobs as rows of tables, as facts, and where the time of a step goes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from tui import format as fmt
from tui.jobs.curves import value_text
from tui.safe import one_line
from tui.trace.outline import Piece
from tui.widgets.table_view import Column, TableRow

if TYPE_CHECKING:
    from tui.service.jobs.standing import JobStanding

JOB_COLUMNS = (
    Column("", least=2),
    Column("Job", "name", least=12),
    Column("Kind", least=4),
    Column("Host", "name", least=8, rank=14),
    Column("State", least=9),
    Column("Step", "number"),
    Column("Left", "number"),
    Column("Loss", "number"),
    Column("Reward", "number", rank=8),
    Column("No signal", "number", rank=13),
    Column("KL", "number", rank=11),
    Column("Entropy", "number", rank=11),
    Column("Length", "number", rank=10),
    Column("Valid", "number", rank=9),
    Column("tok/s", "number", rank=13),
    Column("Heard", "number", rank=7),
)
_MARKS: dict[str, Piece] = {
    "queued": ("○", "muted"),
    "starting": ("◌", "accent"),
    "running": ("●", "accent"),
    "stopping": ("◐", "warning"),
    "done": ("✓", "success"),
    "failed": ("✗", "error"),
    "stopped": ("‖", "muted"),
    "unsupervised": ("!", "warning"),
    "lost": ("?", "error"),
}
# What a step's time is spent on, its long and its short name, and the ink of its part of the bar.
TIME_PARTS = (
    ("seconds_wait_generation", ("generation", "gen"), "series-1"),
    ("seconds_execution", ("execution", "exec"), "series-2"),
    ("seconds_training", ("training", "train"), "series-3"),
    ("seconds_other", ("other", "other"), "muted"),
)


def job_row(job: JobStanding, *, marked: bool) -> TableRow:
    """A job for `JOB_COLUMNS`."""
    row, latest = job.row, job.row.latest
    glyph, ink = _MARKS.get(job.state, ("?", "muted"))
    trouble = job.is_going_on and bool(job.trouble or row.alert)
    return TableRow(
        row.id,
        (
            (f"{'*' if marked else ' '}{glyph}", "warning" if trouble else ink),
            (one_line(row.name, 60), ""),
            (one_line(row.kind, 8), "muted"),
            (one_line(row.host, 20), "muted"),
            (state_words(job), "warning" if trouble else ink),
            (steps(job), ""),
            (fmt.clock(job.eta_s) if job.eta_s is not None else "", "muted"),
            (_value(latest, "loss"), ""),
            (_reward(latest), ""),
            (_share(latest, "no_signal_share"), "muted"),
            (_value(latest, "kl"), "muted"),
            (_value(latest, "entropy"), "muted"),
            (_count(latest, "completion_tokens"), "muted"),
            (_share(latest, "valid_share"), "muted"),
            (_count(latest, "tokens_per_s"), "muted"),
            (age(job), "warning" if trouble else "muted"),
        ),
    )


def active_row(job: JobStanding) -> TableRow:
    """A job in progress for Home's table of what runs."""
    latest = job.row.latest
    values = [f"{name} {value_text(latest[name])}" for name in ("reward_mean", "loss") if name in latest]
    told = job.trouble or " · ".join([state_words(job), *values])
    elapsed = job.now - job.row.begun_at if job.row.begun_at else None
    return TableRow(
        f"job:{job.row.id}",
        (
            _MARKS.get(job.state, ("?", "muted")),
            (one_line(job.row.name, 60), ""),
            ("", ""),
            (_done(job), "muted"),
            (one_line(told, 200), "warning" if job.trouble else "accent"),
            ("", ""),
            ("", ""),
            (fmt.clock(elapsed) if elapsed is not None else "", "muted"),
        ),
    )


def state_words(job: JobStanding) -> str:
    """The state in a word or two, with what a queued job waits for."""
    waits = one_line(str(job.status.waits_for), 20) if job.state == "queued" and job.status.waits_for else ""
    return f"waits {waits}" if waits else job.state


def steps(job: JobStanding) -> str:
    """`12/100`; a total that is not known is left out."""
    row = job.row
    done = 0 if row.step is None else row.step
    return f"{done:,}/{row.total_steps:,}" if row.total_steps else f"{done:,}" if row.step else ""


def _done(job: JobStanding) -> str:
    row = job.row
    return f"{100 * row.step // row.total_steps}%" if row.step and row.total_steps else ""


def age(job: JobStanding) -> str:
    """How long ago the job was heard of."""
    return fmt.duration(job.heartbeat_s * 1000) if job.heartbeat_s is not None else ""


def facts(job: JobStanding) -> list[tuple[str, str]]:
    """What there is to know of a job beside its curves, by name."""
    row, latest = job.row, job.row.latest
    rows = f"{row.rows:,} rows" if row.rows is not None else ""
    tokens = f"{row.tokens:,} tokens" if row.tokens is not None else ""
    memory = latest.get("gpu_memory_mb")
    gpu = " · ".join(
        part
        for part in (_share(latest, "gpu_use"), f"{memory:,.0f} MB" if memory is not None else "")
        if part
    )
    same, unthought = _share(latest, "same_workflow_share"), _share(latest, "empty_thinking_share")
    found = [
        ("Trouble", job.trouble),
        ("Alert", row.alert or ""),
        ("State", state_words(job) + (f", attempt {row.attempt}" if row.attempt > 1 else "")),
        ("Step", steps(job)),
        ("Left", fmt.clock(job.eta_s) if job.eta_s is not None else ""),
        ("Heard", f"{age(job)} ago" if age(job) else ""),
        ("Base", row.base or ""),
        ("Data", " · ".join(part for part in (row.dataset or "", rows, tokens) if part)),
        ("Parent", row.parent or ""),
        (
            "Replies",
            f"{same or '–'} the same workflow again · {unthought} without a thought" if unthought else "",
        ),
        ("GPU", gpu),
        ("Damaged", fmt.plural(row.damaged, "line") + " of its progress" if row.damaged else ""),
    ]
    return [(name, one_line(value, 300)) for name, value in found if value]


def time_bar(latest: Mapping[str, float | None], width: int) -> tuple[list[Piece], list[Piece]]:
    """Where the newest step's time went: a bar of `width` cells, and its legend; nothing where unknown."""
    parts = [(latest.get(name), words, ink) for name, words, ink in TIME_PARTS]
    known = [(seconds, words, ink) for seconds, words, ink in parts if seconds is not None and seconds > 0]
    if not known:
        return [], []
    total = sum(seconds for seconds, _, _ in known)
    bar: list[Piece] = []
    used, spent = 0, 0.0
    for seconds, _, ink in known:
        spent += seconds
        cells = round(width * spent / total) - used
        used += cells
        bar.append(("█" * cells, ink))
    legends = [_legend([(s / total, words[short], ink) for s, words, ink in known]) for short in (0, 1)]
    legend = next((one for one in legends if sum(len(text) for text, _ in one) <= width), legends[1])
    return bar, [*legend, (f"  of {fmt.duration(total * 1000)}", "muted")]


def _legend(parts: Iterable[tuple[float, str, str]]) -> list[Piece]:
    pieces: list[Piece] = []
    for share, word, ink in parts:
        pieces += [("  " if pieces else "", ""), ("■ ", ink), (f"{word} {100 * share:.0f}%", "muted")]
    return pieces


def _value(latest: Mapping[str, float | None], name: str) -> str:
    return value_text(latest[name]) if name in latest else ""


def _reward(latest: Mapping[str, float | None]) -> str:
    if "reward_mean" not in latest:
        return ""
    mean, std = latest["reward_mean"], latest.get("reward_std")
    return "NaN" if mean is None else f"{mean:.3f}" + (f" ± {std:.2f}" if std is not None else "")


def _share(latest: Mapping[str, float | None], name: str) -> str:
    value = latest.get(name)
    return "" if value is None else f"{value * 100:.0f}%"


def _count(latest: Mapping[str, float | None], name: str) -> str:
    value = latest.get(name)
    return "" if value is None or value < 0 else fmt.count(round(value))
